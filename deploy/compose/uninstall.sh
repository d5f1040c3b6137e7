#!/bin/sh
# Stop GovernLayer and remove its containers and networks. Data, keys, settings and backups stay, unless told.
#
#   ./uninstall.sh                 ./install.sh starts it again, with all its data
#   ./uninstall.sh --delete-data   remove the volumes too: database, keys, certificates. Backups stay; without their
#                                  passphrase (./backup.sh --passphrase) nothing opens them any more. .env and config/
#                                  are put aside, under names with the time.

set -eu
. "$(dirname -- "$0")/lib.sh"

case ${1:-} in
    --help | -h) usage ;;
    --delete-data)
        installed
        confirm "delete $(setting DEPLOYMENT)" "This destroys the database, all keys and certificates of this installation."
        compose --profile restore down --volumes --remove-orphans
        # Those of a compose.*.yaml that is not in use any more too; the mark last, so that this can be run again.
        docker volume ls --quiet --filter "label=$project" | grep -vx governlayer_installation |
            xargs -r docker volume rm >/dev/null
        now=$(date -u +%Y%m%dT%H%M%SZ)
        [ ! -d config ] || mv config "config.deleted-$now"
        mv .env ".env.deleted-$now"
        docker volume rm --force governlayer_installation >/dev/null
        say "removed. Backups are still in their directory; images stay: docker image rm."
        ;;
    '')
        installed
        compose --profile restore down --remove-orphans
        say "stopped. The data is still there: ./install.sh starts it again."
        ;;
    *) fail "unknown option $1 (--help)" ;;
esac
