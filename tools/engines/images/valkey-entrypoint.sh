#!/bin/sh
# Options, or a configuration, are for valkey-server; root becomes valkey.
set -eu
case ${1:-} in -* | *.conf) set -- valkey-server "$@" ;; esac
if [ "${1:-}" = valkey-server ] && [ "$(id -u)" = 0 ]; then
    chown -R valkey .
    exec setpriv --reuid=valkey --regid=valkey --init-groups "$0" "$@"
fi
exec "$@"
