#!/bin/sh
# Upgrade an installation to the version of this bundle, with a verified backup before anything changes.
#
#   ./upgrade.sh --from DIRECTORY   the directory that runs now; it stays as it is, for the way back
#   ./upgrade.sh                    new images for the same directory
#
# Doctor, backup, verification, images, plan of the migrations, migration, start, doctor. Whatever fails, the last
# lines say how to go back.

set -eu
. "$(dirname -- "$0")/lib.sh"
. "$here/preflight.sh"

from=$here
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --from) from=$(value "$@") ;;
        *) fail "unknown option $1 (--help)" ;;
    esac
    shift 2
done
from=$(CDPATH='' cd -- "$from" && pwd) || exit 1
[ -f "$from/.env" ] || fail "nothing is installed in $from"
[ "$from" = "$here" ] || [ ! -f .env ] || fail "$here has an .env already: an upgrade goes into a new directory"

reached=nothing backup_id='' saved=''
way_back() {
    status=$?
    [ "$status" -ne 0 ] || exit 0
    [ -z "$saved" ] || [ "$from" != "$here" ] || mv .env.before .env
    [ -z "$saved" ] || [ "$from" = "$here" ] || rm -f .env
    say "" "upgrade.sh: FAILED. The way back:"
    if [ "$reached" = migration ]; then
        say "The database may have the new version's schema. The old version takes the backup from before:" \
            "    cd $from && ./restore.sh --replace --backup $backup_id"
    else
        say "Nothing in the database has changed. The old version goes on:" \
            "    cd $from && docker compose up --detach --wait"
    fi
    exit "$status"
}
trap way_back EXIT

step "This machine"
preflight ""

step "What runs now"
(cd "$from" && doctor)

step "Backup"
backup_id=$(cd "$from" && compose exec -T backup governlayer backup --json 2>/dev/null | backup_id_in)
[ -n "$backup_id" ] || fail "no backup was made"
(cd "$from" && compose exec -T backup governlayer backup verify "$backup_id")

step "Images"
load_images
cp "$from/.env" .env.before
saved=yes
[ "$from" = "$here" ] || cp "$from/.env" .env
[ "$from" = "$here" ] || cp -Rp "$from/config" .
pin_images
readable

step "Migrations"
compose run --rm -T --no-deps migrate migrate --plan
if ! compose run --rm -T --no-deps migrate migrate --check >/dev/null 2>&1; then
    compose stop server backup
    reached=migration
    compose run --rm -T --no-deps migrate
fi

step "Start"
compose up --detach --wait --remove-orphans

step "Doctor"
doctor
rm -f .env.before
say "" "Upgraded. The backup $backup_id and $from are the way back; what is decided from now on is not in that backup." \
    "Backups are in $(setting BACKUPS): keep that, whatever becomes of $from."
