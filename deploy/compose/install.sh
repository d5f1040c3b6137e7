#!/bin/sh
# Install GovernLayer on this machine, or complete an installation that was cut off. Safe to run again.
#
#   ./install.sh [--name HOST]... [--port N] [--bind ADDRESS] [--deployment NAME] [--backups DIRECTORY]
#   ./install.sh --check     look at the machine, change nothing
#
#   --name HOST         DNS name or IP address under which clients reach it, besides localhost; the first is in links
#   --port N            on this machine; default 8600
#   --bind ADDRESS      to listen on; default 127.0.0.1: this machine only. 0.0.0.0: all
#   --deployment NAME   stands in every ledger for ever; default: the first name
#   --backups DIRECTORY where backups go, best on another disk; default ./backups
#   --adopt             take the .env and config that are here for yours, where the engine has lost the mark of the
#                       installation (the volume governlayer_installation). Look at both first: they are obeyed
#
# What it needs is in this directory: images.tar (or images that were pulled). Nothing is fetched from a network.
# Settings are kept in .env, which a later run leaves as it is, and no secret is in it.

set -eu
. "$(dirname -- "$0")/lib.sh"
. "$here/preflight.sh"

names='' port=8600 bind=127.0.0.1 deployment='' backups="$here/backups" only=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --check | --prepare) only=$1; shift; continue ;; # the second is for restore.sh
        --adopt) adopt=yes; shift; continue ;;
        --name) names="$names $(value "$@")" ;;
        --port) port=$(value "$@") ;;
        --bind) bind=$(value "$@") ;;
        --deployment) deployment=$(value "$@") ;;
        --backups)
            backups=$(value "$@")
            case $backups in *[!A-Za-z0-9./_-]*) fail "--backups: letters, digits, dots, slashes, _ and - only" ;; esac
            ;;
        *) fail "unknown option $1 (--help)" ;;
    esac
    shift 2
done
case $names$bind$deployment in *[!A-Za-z0-9.:\ _-]*) fail "names have letters, digits, dots, colons and - only" ;; esac
case $port in '' | *[!0-9]*) fail "--port takes a number" ;; esac
case $backups in /*) ;; *) backups=$here/$backups ;; esac

# make_settings MARK: .env, whole or not at all.
make_settings() {
    first=${names# }
    first=${first%% *}
    rm -f .env.new
    cat >.env.new <<END
INSTALLATION="$1"
DEPLOYMENT="${deployment:-${first:-localhost}}"
PUBLIC_URL="https://${first:-localhost}:$port"
SERVER_NAMES="localhost 127.0.0.1$names"
BIND="$bind"
PORT="$port"
BACKUPS="$backups"
COMPOSE_FILE="compose.yaml"
END
    mv .env.new .env
}

step "This machine"
# Before a line of them is read; where no engine answers, preflight says so.
! docker version >/dev/null 2>&1 || refuse_foreign_settings
if [ -f .env ]; then
    port=$(setting PORT)
    backups=$(setting BACKUPS)
fi
preflight "$port"
[ "$only" != --check ] || exit 0

step "Images"
load_images .

step "Settings"
known=${known:-$(setting INSTALLATION)}
known=${known:-$(od -A n -N 16 -t x1 /dev/urandom | tr -d ' \n')}
# One that was adopted may have none.
[ ! -f .env ] || set_setting INSTALLATION "$known"
docker volume create --label "$project" --label "$mark=$known" governlayer_installation >/dev/null
if [ -f .env ]; then
    say "kept: .env"
else
    make_settings "$known"
    say "made: .env"
fi
pin_images keep
mkdir -p config "$backups"
if [ ! -f config/policies.cedar ]; then
    docker run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges --user 10001:10001 \
        "$(setting GOVERNLAYER_IMAGE)" policy show-default >config/policies.cedar.new
    mv config/policies.cedar.new config/policies.cedar
    say "made: config/policies.cedar (default)"
fi
readable

[ "$only" != --prepare ] || exit 0

step "Keys, passwords, certificates"
compose run --rm -T init

step "Start"
start
compose cp server:/run/governlayer/tls/ca.crt config/ca.crt >/dev/null
chmod 644 config/ca.crt

step "Backup"
first_backup

step "Doctor"
doctor

step "Next"
say "Browsers and SDKs have to trust the authority in $here/config/ca.crt."
if compose exec -T server governlayer orgs list --json 2>/dev/null | grep -q '"id"'; then
    say "Organizations are here already: docker compose exec server governlayer orgs --help"
    exit 0
fi
say "1. Found the first organization: open this link within 30 minutes. Whoever opens it first is the owner."
compose exec -T server governlayer orgs set-up-link 2>/dev/null | sed 's/^/   /'
say "   Later: docker compose exec server governlayer orgs set-up-link"
say "2. Keep the passphrase of the backups where this machine is not:   ./backup.sh --passphrase"
say "3. Take the key of the authority away from this machine:           README.md, \"Certificates\""
