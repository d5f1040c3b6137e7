#!/bin/bash
# Run a command in a Debian 13 tree, as root and in namespaces of its own (mounts, processes, network): what it starts ends
# with it, and nothing outside is changed.
#
#   enter.sh [--host-network] [--bind SOURCE:PLACE]… [--state FOLDER] TREE COMMAND…
#
# An overlay lies over TREE, which stays as it is. Without --host-network there is a loopback device and no way out. PLACE
# is below / of the tree. What is written to the tree lands in FOLDER (a real disk; default: a temporary folder that is
# removed); container engines keep their data there in FOLDER/data, which is /mnt/data inside.
set -eu

binds=() network=--net state=
while [ "${1#--}" != "$1" ]; do
    case $1 in
    --host-network) network= ;;
    --bind) binds+=("$2"); shift ;;
    --state) state=$2; shift ;;
    *) echo "enter: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done
tree=$(realpath "$1")
shift

# Nothing to clean up: the caller's child is then what ends the machine when it is killed.
become=exec
if [ -z "$state" ]; then
    become= state=$(mktemp -d /var/tmp/governlayer-engines.XXXXXX)
    trap 'rm -rf --one-file-system "$state"' EXIT
fi
mkdir -p "$state"/{root,upper,work,data}
state=$(realpath "$state")
exec 9>"$state/lock"
flock --nonblock 9 || { echo "enter: another machine runs on $state" >&2; exit 1; }

export ENTER_TREE=$tree ENTER_STATE=$state ENTER_BINDS="${binds[*]}" ENTER_NETWORK=$network
# shellcheck disable=SC2086  # perhaps empty
$become unshare --mount $network --pid --fork --kill-child --mount-proc --propagation private \
    "$(dirname "$(realpath "$0")")/inside.sh" "$@"
