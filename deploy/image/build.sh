#!/bin/sh
# Build the image with Buildah, skopeo and jq, out of this checkout; the same sources, base and time give the same digest, which
# is printed.
#
#   deploy/image/build.sh [--unpinned] REFERENCE --build-arg BASE=docker.io/library/python@sha256:… [OPTION…]
#
# BASE has its digest, which decides what is in the image (lock-images.sh tells it). With --unpinned one without will do, and
# the image's label org.opencontainers.image.base.digest says "unpinned". OPTIONs are Buildah's, but for those
# that could take another base or Containerfile, or write labels; such as
#   --secret id=pip,src=/etc/pip.conf                     settings of pip for the one stage that asks an index
#   --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt authorities to trust in that stage
# SOURCE_DATE_EPOCH (seconds) is the time in the image; default: that of the commit. REVISION: the commit.
set -eu

unpinned=
if [ "${1:-}" = --unpinned ]; then
    unpinned=yes
    shift
fi
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/../.."
reference=$1
shift

# The last BASE counts, as for Buildah. What would build from another base than the label says, or write another label, is refused.
base='' before=''
for option; do
    case $before$option in
        --build-arg=BASE=*) base=${option#--build-arg=} ;;
        --build-arg=BASE | --build-arg=BASE_DIGEST* | --build-arg-file* | --build-context* | --from* | --file* | -[!-]*f* | -f* | \
            --label* | --unsetlabel* | --target* | --)
            echo "build: $before$option: the base is what --build-arg BASE=… says, and the Containerfile and the labels are ours" >&2
            exit 2
            ;;
    esac
    case $option in --build-arg) before=--build-arg= ;; *) before='' ;; esac
done
base_digest=$(printf %s "$base" | sed -n 's/^BASE=[^@]*@\(sha256:[0-9a-f]\{64\}\)$/\1/p')
if [ -z "$base_digest" ] && [ -z "$unpinned" ]; then
    echo "build: the base has no digest: give --build-arg BASE=docker.io/library/python@sha256:… (deploy/image/lock-images.sh" \
        "tells it), or --unpinned first, for an image that is no release" >&2
    exit 2
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
buildah build --format docker --identity-label=false --layers=false --timestamp "$SOURCE_DATE_EPOCH" \
    --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" \
    --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    --build-arg "REVISION=${REVISION:-$(git rev-parse HEAD)}" \
    --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' server/pyproject.toml)" \
    --file deploy/image/Containerfile --tag "$reference" "$@" \
    ${base:+--build-arg "$base"} --build-arg "BASE_DIGEST=${base_digest:-unpinned}" .

# Docker's format, which alone has health checks, also keeps the names of the containers of this build: they are taken out.
image=$(mktemp -d "${TMPDIR:-/var/tmp}/image.XXXXXX")
trap 'rm -r "$image"' EXIT
skopeo copy --quiet "containers-storage:$reference" "dir:$image"
config=$image/$(jq -r '.config.digest | ltrimstr("sha256:")' "$image/manifest.json")
jq -cS 'del(.container) | .config.Hostname = "" | .container_config.Hostname = ""' "$config" >"$image/config"
digest=$(sha256sum "$image/config" | cut -d ' ' -f 1)
jq -cS --arg digest "sha256:$digest" --argjson size "$(stat -c %s "$image/config")" \
    '.config.digest = $digest | .config.size = $size' "$image/manifest.json" >"$image/manifest.new"
mv "$image/config" "$image/$digest"
mv "$image/manifest.new" "$image/manifest.json"
skopeo copy --quiet "dir:$image" "containers-storage:$reference"
echo "$reference@sha256:$(sha256sum "$image/manifest.json" | cut -d ' ' -f 1)"
