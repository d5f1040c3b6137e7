#!/bin/bash
# At the first start: a cluster in PGDATA, the user and database that the environment names, and what
# /docker-entrypoint-initdb.d says; then the command. Run as postgres, or as root who becomes postgres.
set -eu

setting() { # NAME DEFAULT: of NAME, or of the file that NAME_FILE names
    local file="$1_FILE"
    if [ -n "${!file:-}" ]; then cat "${!file}"; else echo "${!1:-$2}"; fi
}

run_script() {
    case $1 in
    *.sh) if [ -x "$1" ]; then "$1"; else . "$1"; fi ;;
    *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$1" ;;
    esac
}

first_start() {
    POSTGRES_USER=$(setting POSTGRES_USER postgres)
    POSTGRES_DB=$(setting POSTGRES_DB "$POSTGRES_USER")
    POSTGRES_PASSWORD=$(setting POSTGRES_PASSWORD "")
    export POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD
    [ -n "$POSTGRES_PASSWORD" ] || { echo "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be given" >&2; exit 1; }
    # shellcheck disable=SC2086  # options
    initdb -U "$POSTGRES_USER" --pwfile=<(echo "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl -w start -o "-c listen_addresses='' $*"
    export PGPASSWORD=$POSTGRES_PASSWORD # where pg_hba.conf asks for it on the socket too
    [ "$POSTGRES_DB" = postgres ] || createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*; do run_script "$script"; done
    pg_ctl -w -m fast stop
    unset POSTGRES_PASSWORD PGPASSWORD
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ]; then
    mkdir -p "$PGDATA"
    if [ "$(id -u)" = 0 ]; then
        chown -R postgres "$PGDATA" /var/run/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    chmod 0700 "$PGDATA" || true
    [ -s "$PGDATA/PG_VERSION" ] || first_start "${@:2}"
fi
exec "$@"
