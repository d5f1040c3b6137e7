#!/bin/bash
# The inner half of enter.sh: makes the tree the root of this mount namespace, and becomes the command.
set -eu

cd "$ENTER_STATE"
mount -t overlay overlay -o "lowerdir=$ENTER_TREE,upperdir=$ENTER_STATE/upper,workdir=$ENTER_STATE/work" root
mkdir -p root/.old root/mnt/data
mount --bind data root/mnt/data
for bind in $ENTER_BINDS; do
    if [ -d "${bind%%:*}" ]; then mkdir -p "root${bind#*:}"; else mkdir -p "$(dirname "root${bind#*:}")" && touch "root${bind#*:}"; fi
    mount --bind "${bind%%:*}" "root${bind#*:}"
done
cd root
mount --rbind /dev dev
mount -t proc proc proc
mount --rbind /sys sys
[ -n "$ENTER_NETWORK" ] || cp /etc/resolv.conf etc/resolv.conf
pivot_root . .old
cd /
umount -l /.old
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
[ -z "$ENTER_NETWORK" ] || ip link set lo up
exec env -i HOME=/root LANG=C.UTF-8 TERM=dumb PODMAN_IGNORE_CGROUPSV1_WARNING=1 \
    PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
