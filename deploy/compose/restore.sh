#!/bin/sh
# Restore a backup: as a new installation, or in place of this one's database.
#
#   ./restore.sh --passphrase-file FILE [--settings FILE] [--backup ID] [options of install.sh]
#                                            on a machine without an installation
#   ./restore.sh --replace [--backup ID]     throw away the database that is here; keys and certificates stay
#
#   --settings FILE       the config/settings.env that was kept, because no backup has it
#   --backups DIRECTORY   where the backups are; they stay there, and the schedule goes on there; default ./backups
#   --backup ID           which one (./backup.sh --list); default: the newest whole one
#
# Everything is checked before it is used. Every ledger gets a record of the restore, is verified, and is closed to
# writing if it is not sound. What was decided after the backup is lost; the record says so.

set -eu
. "$(dirname -- "$0")/lib.sh"

passphrase='' settings='' chosen='' replace='' options=''
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --replace) replace=yes; shift; continue ;;
        --passphrase-file) passphrase=$(value "$@") ;;
        --settings) settings=$(value "$@") ;;
        --backup) chosen=$(value "$@") ;;
        --name | --port | --bind | --deployment | --backups)
            option_value=$(value "$@")
            case $option_value in *[!A-Za-z0-9.:/_-]*) fail "$1 cannot be $option_value" ;; esac
            options="$options $1 $option_value"
            ;;
        *) fail "unknown option $1 (--help)" ;;
    esac
    shift 2
done
case $chosen in *[!A-Za-z0-9.:_-]*) fail "--backup takes an id" ;; esac

if [ -n "$replace" ]; then
    [ -z "$passphrase$settings$options" ] ||
        fail "--replace takes --backup alone: keys, certificates, .env and config/ stay as they are"
    installed
    # install.sh, which ends this, would refuse a bundle that was changed when the database is gone.
    verify_bundle .
    step "Backup"
    # Before anything is destroyed: that the backup is there, opens and is whole. The one that was verified is restored.
    # shellcheck disable=SC2086  # an id without blanks, or nothing
    found=$(compose run --rm -T --no-deps backup backup verify --json $chosen </dev/null) ||
        fail "the backup ${chosen:-in $(setting BACKUPS)} cannot be restored: nothing was changed"
    chosen=$(printf '%s' "$found" | backup_id_in)
    [ -n "$chosen" ] || fail "it was not said which backup was verified: nothing was changed"
    confirm "replace $(setting DEPLOYMENT)" "The database of this installation is destroyed, and restored from the backup $chosen."
    compose --profile restore down --remove-orphans
    docker volume rm --force governlayer_database >/dev/null
else
    [ -r "$passphrase" ] || fail "--passphrase-file FILE is needed: the backup's passphrase, as ./backup.sh --passphrase printed it"
    [ -z "$settings" ] || [ -r "$settings" ] || fail "--settings: $settings cannot be read"
    refuse_foreign_settings
    [ ! -f .env ] || fail "an installation is here: --replace throws its database away and keeps its keys"
    # shellcheck disable=SC2086  # checked above: no blanks within
    ./install.sh --prepare $options
    [ -z "$settings" ] || cp "$settings" config/settings.env
    compose run --rm -T init make-for-restore <"$passphrase"
fi

step "PostgreSQL and Valkey"
compose up --detach --wait postgres redis

step "Restore"
# shellcheck disable=SC2086  # an id without blanks, or nothing
compose run --rm -T restore restore --secrets /run/governlayer/secrets ${chosen:+--backup $chosen}

step "Start"
if [ -z "$replace" ]; then
    compose create server
    compose cp server:/run/governlayer/secrets/default.cedar config/policies.cedar
    compose cp server:/run/governlayer/secrets/deployment config/deployment
    chmod 644 config/policies.cedar
    set_setting DEPLOYMENT "$(cat config/deployment)"
fi
./install.sh

step "Ledgers"
compose exec -T server governlayer ledger fsck --all
