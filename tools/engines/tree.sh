#!/bin/bash
# A Debian 13 tree with container engines and servers, for the sessions that try the bundles on real ones: about 1.5 GB.
# Needs root and mmdebstrap; nothing is installed on this machine.
#
#   tree.sh FOLDER
set -eu

folder=$1
packages=docker.io,docker-cli,docker-compose,podman,buildah,skopeo,runc,containerd,containernetworking-plugins,netavark
packages+=,aardvark-dns,catatonit,iproute2,iptables,nftables,conntrack,socat,openssl,procps,curl,jq,ca-certificates,strace
packages+=,dnsmasq-base,etcd-server,etcd-client,patroni,python3-etcd,postgresql-17,redis-server,redis-sentinel,valkey-server

[ -x "$folder/usr/bin/buildah" ] && exit 0
[ "$(id -u)" = 0 ] || { echo "tree: needs root" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "tree: needs mmdebstrap (apt-get install mmdebstrap)" >&2; exit 1; }
mkdir -p "$(dirname "$folder")"
# Services of the packages must not start, and PostgreSQL not make a cluster of its own.
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --aptopt='APT::Install-Recommends "false"' \
    --essential-hook='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
    trixie "$folder.new" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
mv "$folder.new" "$folder"
