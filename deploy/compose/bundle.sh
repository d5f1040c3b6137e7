#!/bin/sh
# Make the offline bundle: everything that an installation needs, in one directory, with checksums.
#
#   ./bundle.sh [--pull] [--lock FILE] [--images FILE] [--chart DIRECTORY] OUTPUT
#
#   --pull              pull the images of others first; ours has to be here, and without --pull all have. One that is
#                       optional is left out where it cannot be pulled
#   --lock FILE         the digests that pulled images must have, as lock-images.sh prints them; default:
#                       ../image/images.lock if it is there. An image without a line there ends it, too
#   --images FILE       other names of the images than those in images.txt
#   --chart DIRECTORY   of the Helm chart, to add it; default: ../helm/governlayer if it is there
#
# On the other machine: sha256sum --check SHA256SUMS, then ./install.sh. Carry SHA256SUMS (or its signature) on another
# way than the bundle.

set -eu
. "$(dirname -- "$0")/lib.sh"

pull='' lock='' list=$here/images.txt chart=$here/../helm/governlayer output=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --pull) pull=yes; shift; continue ;;
        --lock) lock=$(value "$@") ;;
        --images) list=$(value "$@") ;;
        --chart) chart=$(value "$@") ;;
        -*) fail "unknown option $1 (--help)" ;;
        *) output=$1; shift; continue ;;
    esac
    shift 2
done
[ -n "$output" ] || fail "say where the bundle goes (--help)"
[ ! -e "$output" ] || fail "$output is there already"
[ -n "$lock" ] || [ ! -f ../image/images.lock ] || lock=../image/images.lock
[ -z "$lock" ] || [ -r "$lock" ] || fail "--lock: $lock cannot be read"
locked=''
[ -z "$lock" ] || locked=$(cat "$lock")

# pull_image NAME [optional]: and hold it against the lock, if there is one.
pull_image() {
    docker pull --quiet "$1" || [ -n "$2" ] || fail "$1 cannot be pulled"
    { [ -n "$locked" ] && [ -n "$(image_id "$1")" ]; } || return 0
    digest=$(say "$locked" | awk -v name="${1%:*}@" -v tag="${1##*:}" \
        'index($1, name) == 1 && $3 == tag {print substr($1, length(name) + 1)}')
    [ -n "$digest" ] || fail "$1 is not in $lock: lock-images.sh $1 >>$lock"
    case "$(docker image inspect --format '{{join .RepoDigests " "}} ' "$1")" in
        *"@$digest "*) ;;
        *) fail "$1 is not $digest, which $lock says it is: no bundle was made" ;;
    esac
}

umask 022
mkdir -p "$output/files"

cp compose*.yaml ./*.sh README.md "$output"
# Not what Python leaves there.
find files -type f ! -path '*/__pycache__/*' -exec cp {} "$output/files" \;
cp "$list" "$output/images.txt"
[ ! -f "$chart/Chart.yaml" ] || cp -R "$chart" "$output/chart"
chmod 755 "$output"/*.sh
cd "$output"
chmod 644 images.txt

printf 'built=%s\n' "$(date +%s)" >VERSION
set --
while read -r variable name optional; do
    [ -z "$pull" ] || [ "$variable" = GOVERNLAYER_IMAGE ] || pull_image "$name" "$optional"
    [ -z "$optional" ] || [ -n "$(image_id "$name")" ] || continue
    docker image inspect --format "$name {{.Id}} {{.Architecture}}" "$name" >>VERSION
    set -- "$@" "$name"
done <<END
$(images)
END
docker save --output images.tar "$@"
chmod 644 images.tar
find . -type f | LC_ALL=C sort | xargs sha256sum >"$here/.sums.new"
mv "$here/.sums.new" SHA256SUMS
say "$output: $(du -sk . | cut -f 1) KiB, $(wc -l <SHA256SUMS) files"
