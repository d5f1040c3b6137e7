#!/bin/sh
# Upgrade an installation to the version of this bundle, with a verified backup before anything changes.
#
#   ./upgrade.sh --from DIRECTORY   the directory that runs now; it stays as it is, for the way back
#   ./upgrade.sh                    new images for the same directory
#
# Doctor, images, plan of the migrations; where there are none: backup, verification, start. Else the servers stop first,
# so that the backup has every decision that was answered: stop, backup, verification, migration, start. The doctor ends
# it. Whatever fails, the last lines say how to go back, and what is lost then.

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
# What an upgrade left that was killed is known by its copy of the settings.
left=''
if [ "$from" != "$here" ] && [ -f .env.before ] && cmp -s .env.before "$from/.env"; then
    left=yes
elif [ "$from" != "$here" ]; then
    for one in .env config; do
        { [ ! -e "$one" ] && [ ! -L "$one" ]; } || fail "$here has $one already: an upgrade goes into a new directory. If one \
was cut off here, remove .env, .env.before and config of $here and begin again; what ran before starts with: \
cd $from && docker compose up --detach --wait"
    done
fi
(cd "$from" && installed)
compose_files "$from" | while read -r file; do
    [ -f "$file" ] || fail "COMPOSE_FILE of $from names $file: put that into $here first; nothing was changed"
    case $file in /*) continue ;; esac
    [ ! -f SHA256SUMS ] || listed | grep -qxF -e "./${file#./}" || cmp -s "$from/$file" "$file" ||
        fail "$file in $here is not of the bundle and differs from the one that runs: copy $from/$file; nothing was changed"
done
backups=$(setting BACKUPS "$from")

backup_id='' copied='' migrating='' started=''

# old ARGUMENTS: Compose for the version of before, with its files and images.
old() { (cd "$from" && compose --env-file "$here/.env.before" "$@"); }

# old_knows: whether the database has the schema of the version of before.
old_knows() { old run --rm -T --no-deps migrate migrate --check </dev/null >/dev/null 2>&1; }

# old_fits: whether it still has it; without a migration nothing is asked.
old_fits() { [ -z "$migrating" ] || old_knows; }

# put_back: the settings as they were; a copy of them goes, so that this can be tried again.
put_back() {
    rm -f .env.before.new
    [ -n "$copied" ] || return 0
    if [ "$from" = "$here" ]; then mv .env.before .env; else rm -rf .env .env.before config; fi
}

# begin_again: without what the one left that was cut off, unless it had begun to migrate.
begin_again() {
    old_knows || fail "an upgrade was cut off here, and the database does not answer, or has the new version's schema. \
Nothing was changed. Run this again after: cd $from && docker compose up --detach --wait. Where that fails because the \
schema is newer, ./install.sh in $here goes on with the upgrade; cd $from && ./restore.sh --replace goes back to a backup"
    rm -rf .env .env.before config
    say "removed: .env and config, which an upgrade copied that was cut off"
}

way_back() {
    status=$?
    trap - EXIT HUP INT TERM
    [ "$status" -ne 0 ] || exit 0
    if old_fits; then
        say "" "upgrade.sh: FAILED. The way back: the database has the schema that it had, and nothing is lost." \
            "The old version goes on:" "    cd $from && docker compose up --detach --wait"
    else
        say "" "upgrade.sh: FAILED. The way back: the database has the new version's schema, or does not answer." \
            "The old version takes the backup from before. ${started:-Nothing is lost: nothing was decided since.}" \
            "    cd $from && ./restore.sh --replace --backup $backup_id"
    fi
    put_back
    exit "$status"
}
[ -z "$left" ] || begin_again
trap way_back EXIT
trap 'exit 130' HUP INT TERM

# back_up WAY...: by a command of the service `backup`, and verify it.
back_up() {
    step "Backup"
    backup_id=$(old "$@" backup --json </dev/null | backup_id_in)
    [ -n "$backup_id" ] || fail "no backup was made"
    old "$@" backup verify "$backup_id" </dev/null
}

step "This machine"
preflight ""

step "What runs now"
(cd "$from" && doctor)

step "Images"
load_images "$from"
# Whole or not at all, and only from then on is it what is put back: an .env.before of an earlier upgrade never is.
rm -f .env.before.new
cp "$from/.env" .env.before.new
mv .env.before.new .env.before
copied=yes
[ "$from" = "$here" ] || cp .env.before .env
[ "$from" = "$here" ] || cp -Rp "$from/config" .
pin_images anew
readable

step "Plan"
compose run --rm -T --no-deps migrate migrate --plan
if compose run --rm -T --no-deps migrate migrate --check >/dev/null 2>&1; then
    back_up exec -T backup governlayer
else
    step "Stop"
    old stop server backup
    back_up run --rm -T --no-deps backup
    step "Migration"
    migrating=yes
    compose run --rm -T --no-deps migrate
fi

step "Start"
started="What was decided since the new version started is lost then."
start

step "Doctor"
doctor
back="cd $from"
if [ "$from" = "$here" ]; then back="$back && mv .env.before .env"; else rm .env.before; fi
if [ -n "$migrating" ]; then
    say "" "Upgraded. The way back: $back && ./restore.sh --replace --backup $backup_id" \
        "What is decided from now on is not in that backup, and would be lost."
else
    say "" "Upgraded, without a migration. The way back, on which nothing is lost: $back && docker compose up --detach --wait"
fi
say "Backups are in $backups: keep that, whatever becomes of $from."
