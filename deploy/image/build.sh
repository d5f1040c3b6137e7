#!/bin/sh
# Build the image with Buildah, out of this checkout; the same sources, base and time give the same digest, which is printed.
#
#   deploy/image/build.sh REFERENCE [OPTION…]
#
# OPTIONs are Buildah's, such as
#   --build-arg BASE=docker.io/library/python@sha256:…    the base by digest (deploy/image/images.txt)
#   --secret id=pip,src=/etc/pip.conf                     settings of pip for the one stage that asks an index
#   --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt authorities to trust in that stage
# SOURCE_DATE_EPOCH (seconds) is the time in the image; default: that of the commit. REVISION: the commit.
set -eu

[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/../.."
reference=$1
shift
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
buildah build --format docker --layers=false --timestamp "$SOURCE_DATE_EPOCH" --file deploy/image/Containerfile \
    --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" \
    --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    --build-arg "REVISION=${REVISION:-$(git rev-parse HEAD)}" \
    --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' server/pyproject.toml)" \
    --tag "$reference" "$@" .
buildah images --format '{{.Name}}:{{.Tag}}@{{.Digest}}' "$reference"
