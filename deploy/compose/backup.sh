#!/bin/sh
# Back up now, and verify what was written. By schedule the service `backup` does it by itself.
#
#   ./backup.sh                back up and verify
#   ./backup.sh --list         list the backups
#   ./backup.sh --passphrase   print the passphrase that opens them: keep it where this machine is not

set -eu
. "$(dirname -- "$0")/lib.sh"

case ${1:-} in
    --help | -h) usage; exit 0 ;;
    --list | --passphrase | '') installed ;;
    *) fail "unknown option $1 (--help)" ;;
esac
case ${1:-} in
    --list) compose exec -T backup governlayer backup list ;;
    --passphrase)
        compose exec -T backup python3 -I -c 'print(open("/run/governlayer/owner/backup-passphrase").read())'
        ;;
    '')
        compose exec -T backup governlayer backup 2>/dev/null
        compose exec -T backup governlayer backup verify
        ;;
esac
