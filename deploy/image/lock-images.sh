#!/bin/sh
# Ask the registries for the digests of the images in images.txt, and print each image as NAME@sha256:….
#
#   deploy/image/lock-images.sh [IMAGE…] >images.lock
#
# Needs skopeo and the registries, or your mirror of them. An image without an answer ends it: a digest is never made up.
set -eu

case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
[ $# -gt 0 ] || set -- $(grep -v '^#' "$(dirname "$0")/images.txt")
for image in "$@"; do
    digest=$(skopeo inspect --format '{{.Digest}}' "docker://$image") || exit 1
    case $digest in sha256:*) ;; *) echo "lock-images: $image: $digest is no digest" >&2; exit 1 ;; esac
    echo "${image%:*}@$digest # ${image##*:}"
done
