#!/bin/sh
# Back up now, and verify what was written. By schedule the service `backup` does it by itself.
#
#   ./backup.sh                back up and verify
#   ./backup.sh --list         list the backups
#   ./backup.sh --passphrase   print the passphrase that opens them: keep it where this machine is not

set -eu
. "$(dirname -- "$0")/lib.sh"
installed

case ${1:-} in
    --help | -h) usage ;;
    --list) docker compose exec -T backup governlayer backup list ;;
    --passphrase)
        docker compose exec -T backup python3 -I -c 'print(open("/run/governlayer/owner/backup-passphrase").read())'
        ;;
    '')
        docker compose exec -T backup governlayer backup 2>/dev/null
        docker compose exec -T backup governlayer backup verify
        ;;
    *) fail "unknown option $1 (--help)" ;;
esac
