# shellcheck shell=sh
# What the scripts of this bundle share. They run in its directory, whatever it is called from.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
cd "$here" || exit 1
umask 077

say() { printf '%s\n' "$@"; }
step() { printf '\n== %s\n' "$*"; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# usage: prints the comment at the top of the script.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$here/${0##*/}"; }

# value OPTION GIVEN...: the argument of an option, or the end.
value() {
    [ -n "${2-}" ] || fail "$1 needs a value"
    printf '%s' "$2"
}

# compose ARGUMENTS: without its lines about every container; what goes wrong is still said. The files are named, because
# Compose would read a compose.override.yaml that lies beside them by itself.
compose() {
    files=$(setting COMPOSE_FILE)
    COMPOSE_FILE=${files:-compose.yaml} docker compose --progress quiet "$@"
}

# setting NAME [DIRECTORY]: what .env says, here or there.
setting() { [ ! -f "${2:-.}/.env" ] || sed -n "s/^$1=//p" "${2:-.}/.env" | tail -n 1 | tr -d '"'; }

# set_setting NAME VALUE: in .env, whole or not at all.
set_setting() {
    rm -f .env.new
    { [ ! -f .env ] || grep -v "^$1=" .env || [ $? -eq 1 ]; } >.env.new
    printf '%s="%s"\n' "$1" "$2" >>.env.new
    mv .env.new .env
}

installed() {
    [ -f .env ] || fail "nothing is installed here: ./install.sh"
    refuse_foreign_settings
}

# An installation is marked in the engine, where no bundle brings anything: a volume has the label that .env repeats.
project=com.docker.compose.project=governlayer
mark=governlayer.installation
adopt=''

# refuse_foreign_settings: what is obeyed was made on this machine, and did not come along with a bundle. Sets $known to
# the mark that the engine has, or to nothing.
refuse_foreign_settings() {
    volumes=$(docker volume ls --filter "label=$project" --format "{{.Name}} {{.Label \"$mark\"}}") ||
        fail "no Docker Engine answers: nothing was done"
    known=$(say "$volumes" | sed -n 's/^governlayer_installation //p')
    way=''
    [ -n "$known" ] || way=". If both are yours, and the engine has lost its mark: ./install.sh --adopt"
    is_from_here || for one in .env config; do
        { [ ! -e "$one" ] && [ ! -L "$one" ]; } || fail "$one in $PWD is not from an installation on this machine, and \
would be obeyed. Nothing was changed. Move .env and config away (look where they come from), and run this again; what is \
yours in config goes back afterwards$way"
    done
}

# is_from_here: whether .env is of an installation on this machine. Where the engine has no mark, only who installs can say.
is_from_here() {
    [ -f .env ] && [ ! -L .env ] || return 1
    if [ -n "$known" ]; then [ "$(setting INSTALLATION)" = "$known" ]; else [ -n "$adopt" ]; fi
}

# images: the lines of images.txt, without comments.
images() { grep -v '^#' images.txt | grep . ; }

# image_id NAME: that the engine knows it by; nothing where it is not there.
image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

# have_images: whether the engine has the very images of this bundle.
have_images() {
    [ -f VERSION ] && sed 1d VERSION | while read -r name id _; do
        [ "$(image_id "$name")" = "$id" ] || exit 1
    done
}

# verify_bundle DIRECTORY: each file is what SHA256SUMS says, and none is here that it does not name, but for what
# installations make, and Compose files that .env in DIRECTORY names. A checkout has no SHA256SUMS.
verify_bundle() {
    if [ ! -f SHA256SUMS ]; then
        [ ! -f images.tar ] || fail "SHA256SUMS is missing: images.tar cannot be verified"
        return 0
    fi
    if [ -f images.tar ]; then cat SHA256SUMS; else grep -v ' \./images\.tar$' SHA256SUMS; fi |
        sha256sum --quiet --check --strict || fail "the bundle is damaged or was changed: nothing was loaded"
    foreign=$(foreign_files "$1")
    [ -z "$foreign" ] || fail "not of this bundle, by SHA256SUMS; nothing was loaded. Move away:
$foreign"
}

# listed: the names in SHA256SUMS.
listed() { sed -n 's/^[0-9a-f]\{64\} [ *]//p' SHA256SUMS; }

# foreign_files DIRECTORY: names that end in NUL until they are printed, because a name may hold anything else.
foreign_files() {
    own=${backups:-$(setting BACKUPS)}
    own=${own:-backups}
    own=${own#"$here"/}
    own=${own#./}
    named=$(listed && compose_files "$1" | sed 's|^\./||; s|^|./|')
    {
        find . -type d \( -path ./config -o -path './config.deleted-[0-9]*' -o -path "./${own%/}" \) -prune \
            -o -type l -printf '%p (a link)\0' \
            -o -type d \( -path ./.env.new -o -path './.env.before*' \) -printf '%p (a directory)\0' \
            -o ! -type d ! -type f -printf '%p (no regular file)\0' -o -type f -print0 || printf 'something that cannot be read\0'
    } | LC_ALL=C grep -azvxF -e "$named" |
        LC_ALL=C grep -azvxE '\./\.env(\.before|\.new|\.before\.new|\.deleted-[0-9TZ]+)?|\./SHA256SUMS(\.[A-Za-z0-9]+)?' |
        tr '\0\n' '\n?' | LC_ALL=C tr -c '[:print:]\n' '?'
}

# compose_files DIRECTORY: that .env there names, one a line.
compose_files() { setting COMPOSE_FILE "$1" | tr : '\n'; }

# load_images DIRECTORY: from images.tar, where it is beside this script, after everything was verified.
load_images() {
    verify_bundle "$1"
    [ ! -f images.tar ] || have_images || docker load --quiet --input images.tar
    images | while read -r _ name optional; do
        [ -n "$optional$(image_id "$name")" ] ||
            fail "the image $name is not here: put images.tar of the bundle beside this script, or docker pull it"
    done
}

# pin_images anew|keep: .env names each image by its digest from here on, so that no other one takes its place. With
# `keep` what it names stays, if the engine has it: another version comes by upgrade.sh alone.
pin_images() {
    images | while read -r variable name _; do
        pinned=$(setting "$variable")
        [ "$1" = anew ] || [ -z "$pinned" ] || [ -z "$(image_id "$pinned")" ] || continue
        id=$(image_id "$name")
        [ -n "$id" ] || continue
        set_setting "$variable" "$id"
        say "$variable  $name  $id"
    done
}

# readable: what is bound into containers can be read by their users, whatever the umask is here. Keys of one's own, in
# config/tls, and settings keep the modes that they have.
readable() {
    chmod 755 config files
    chmod 644 files/* config/policies.cedar
}

# start: everything, and wait for it; not for ever, where something ends and is started again and again.
start() {
    patience=$(setting WAIT_SECONDS)
    compose up --detach --wait --wait-timeout "${patience:-300}" --remove-orphans
}

# doctor: in the backup service, which sees all that the server sees, and the backups. Where everything has just started,
# or the machine is busy, something may not answer in time: it is looked at again for a while.
doctor() {
    tries=0
    until found=$(compose exec -T backup governlayer doctor 2>/dev/null); do
        tries=$((tries + 1))
        [ "$tries" -lt 6 ] || fail "the doctor still finds after a while:
$found"
        sleep 5
    done
    say "$found"
}

# backup_id_in: the id, out of what `governlayer backup … --json` printed.
backup_id_in() { sed -n 's/.*"id": "\([A-Za-z0-9.:_-]*\)".*/\1/p'; }

# first_backup: made and verified now, by this or by the schedule, which begins at the same time.
first_backup() {
    tries=0
    until compose exec -T backup governlayer backup list | grep -q -e ' whole ' -e ' verified '; do
        [ "$tries" -lt 20 ] || fail "no backup comes about: docker compose logs backup"
        tries=$((tries + 1))
        compose exec -T backup governlayer backup 2>/dev/null || sleep 3
    done
    compose exec -T backup governlayer backup verify
}

# confirm WORD QUESTION: a person types the word.
confirm() {
    printf '%s\nType "%s" to go on: ' "$2" "$1"
    read -r answer || answer=
    [ "$answer" = "$1" ] || fail "not confirmed: nothing was done"
}
