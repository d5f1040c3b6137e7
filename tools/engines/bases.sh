#!/bin/bash
# Root file systems of stand-ins for images that cannot be had without a registry, out of Debian packages: python.tar,
# postgres.tar, valkey.tar, haproxy.tar in FOLDER. The same package lists and SOURCE_DATE_EPOCH give the same bytes. Needs root and mmdebstrap.
#
#   bases.sh FOLDER
set -eu

folder=$1
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1760000000}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

base() { # NAME SUITE PACKAGES OPTION…
    local target="$folder/$1.tar" suite=$2 packages=$3
    shift 3
    [ -s "$target" ] && return
    mmdebstrap --quiet --mode=root --variant=apt --include="$packages" --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$@" "$suite" "$target.new.tar" "$mirror"
    mv "$target.new.tar" "$target"
    echo "bases: $(sha256sum "$target")"
}

# The official images' user; Debian's packages take the account that is there.
account() { # NAME HOME
    echo "echo '$1:x:999:999::$2:/bin/bash' >>\"\$1/etc/passwd\"; echo '$1:x:999:' >>\"\$1/etc/group\""
}

mkdir -p "$folder"
# pip stands where the official image has it, and not as a package of Debian.
base python bookworm python3,python3-pip-whl,ca-certificates,netbase,tzdata --customize-hook='chroot "$1" sh -c "
    PYTHONDONTWRITEBYTECODE=1 python3 -m zipfile -e /usr/share/python-wheels/pip-*.whl /usr/local/lib/python3.11/dist-packages
    dpkg --purge python3-pip-whl
    ln -s /usr/bin/python3 /usr/local/bin/python3"'
base postgres trixie postgresql-17 --essential-hook="$(account postgres /var/lib/postgresql)" \
    --essential-hook='mkdir -p "$1/etc/postgresql-common"; echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"'
base valkey trixie valkey-server --essential-hook="$(account valkey /data)"
base haproxy trixie haproxy
