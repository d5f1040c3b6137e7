# shellcheck shell=sh
# Looks at the machine and changes nothing. Sourced by install.sh, restore.sh and upgrade.sh after lib.sh.
wrong=0
ok() { printf 'ok    %-9s %s\n' "$1" "$2"; }
warn() { printf 'warn  %-9s %s\n' "$1" "$2"; }
bad() {
    printf 'FAIL  %-9s %s\n' "$1" "$2"
    wrong=$((wrong + 1))
}

# at_least VERSION MAJOR MINOR
at_least() {
    major=${1#v}
    minor=${major#*.}
    major=${major%%.*}
    minor=${minor%%[!0-9]*}
    [ "${major:-0}" -gt "$2" ] 2>/dev/null || { [ "${major:-0}" -eq "$2" ] && [ "${minor:-0}" -ge "$3" ]; } 2>/dev/null
}

check_engine() {
    engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null) || engine=
    if [ -z "$engine" ]; then
        bad engine "no Docker Engine answers: is it installed and started, and may you use it (docker version)?"
        return
    fi
    if at_least "$engine" 25 0; then ok engine "$engine"; else bad engine "$engine; 25.0 or newer is needed"; fi
    compose=$(docker compose version --short 2>/dev/null) || compose=
    if at_least "${compose:-0}" 2 24; then
        ok compose "$compose"
    else
        bad compose "${compose:-not there}; the plugin docker compose 2.24 or newer is needed"
    fi
}

check_resources() {
    memory=$(($(docker info --format '{{.MemTotal}}') / 1000000))
    if [ "$memory" -lt 1900 ]; then
        bad memory "$memory MB; 2 GB are needed"
    elif [ "$memory" -lt 3900 ]; then
        warn memory "$memory MB; 4 GB are better"
    else
        ok memory "$memory MB"
    fi
    processors=$(docker info --format '{{.NCPU}}')
    if [ "$processors" -lt 2 ]; then warn cpu "$processors; 2 are better"; else ok cpu "$processors"; fi
    check_disk docker "$(docker info --format '{{.DockerRootDir}}')" 5
    check_disk backups "${backups:-$here}" 1
}

# check_disk NAME DIRECTORY GIGABYTES
check_disk() {
    place=$2
    while [ ! -d "$place" ] && [ "$place" != / ]; do place=$(dirname -- "$place"); done
    free=$(df -Pk "$place" | awk 'NR == 2 {print int($4 * 1024 / 1000000000)}')
    if [ "$free" -lt "$3" ]; then
        bad disk "$free GB free for $1 in $place; $3 are needed"
    else
        ok disk "$free GB free for $1 in $place"
    fi
}

check_port() {
    if [ -n "$(docker ps -q --filter label=com.docker.compose.project=governlayer --filter status=running)" ]; then
        ok port "$1 (GovernLayer runs)"
        return
    fi
    wanted=$(printf ':%04X' "$1")
    if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$wanted" \
        '$4 == "0A" && substr($2, length($2) - 4) == port {found = 1} END {exit !found}'; then
        bad port "$1 is used by another program: choose another with --port"
    else
        ok port "$1"
    fi
}

# check_ports RANGE: REPLICAS have one.
check_ports() {
    low=${1%-*} high=${1#*-}
    case $low:$high in
        *[!0-9:]* | :* | *: | 0* | *:0* | ??????*:* | *:??????*) low=1 high=0 ;;
    esac
    if [ "$high" -gt 65535 ] || [ "$high" -lt "$low" ] || [ $((high - low)) -ge 100 ]; then
        bad port "$1 is neither a port nor a range of at most 100"
        return
    fi
    for one in $(seq "$low" "$high"); do check_port "$one"; done
}

# check_files: what others may change, the containers would obey. Backups, and keys of one's own, belong to the server.
check_files() {
    own=${backups#"$here"/}
    open=$(find . -type d \( -path "./${own:-backups}" -o -path './config*/tls' \) -prune -o ! -type l \
        \( ! -user "$(id -u)" ! -user 0 -o -perm -002 \) -print -quit 2>/dev/null | LC_ALL=C tr -c '[:print:]\n' '?') || open=
    [ -z "$open" ] || warn files "$open is of another user, or others may write to it: see who they are, then chown, chmod o-w"
}

check_clock() {
    built=$(sed -n 's/^built=//p' VERSION 2>/dev/null) || built=
    if [ "$(date +%s)" -lt "${built:-1760000000}" ]; then
        bad clock "$(date -u) is before this bundle was made: set the clock"
    elif [ "$(timedatectl show --property NTPSynchronized --value 2>/dev/null)" = no ]; then
        warn clock "$(date -u), not synchronised: decisions and one-time codes carry its time"
    else
        ok clock "$(date -u)"
    fi
}

# preflight PORT: says all that is wrong, and returns 1 if anything is.
preflight() {
    check_engine
    if [ -n "$engine" ]; then
        check_resources
        [ -z "$1" ] || check_ports "$1"
    fi
    check_files
    check_clock
    [ "$wrong" -eq 0 ] || fail "$wrong of these must be mended first; nothing was changed"
}
