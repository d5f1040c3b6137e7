#!/bin/sh
# PostgreSQL and Redis as Debian packages them, both with TLS, for the tests: wrappers in .tools/debian/bin.
# Nothing is installed and no service starts: what is missing is downloaded by apt and unpacked below .tools/debian.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/.tools/debian
programs="initdb postgres redis-server redis-cli"

find_program() {
    find "$home"/usr/lib/postgresql/*/bin "$home/usr/bin" /usr/lib/postgresql/*/bin /usr/bin \
        -name "$1" 2>/dev/null | head -n 1
}

packages=
[ -n "$(find_program postgres)" ] || packages="$packages postgresql"
[ -n "$(find_program redis-server)" ] || packages="$packages redis-server"
if [ -n "$packages" ]; then
    mkdir -p "$home/archives/partial"
    apt-get -qq update
    # shellcheck disable=SC2086  # a list of packages
    apt-get -qq --yes --no-install-recommends --download-only -o Dir::Cache::archives="$home/archives" \
        -o APT::Sandbox::User=root install $packages
    for archive in "$home"/archives/*.deb; do
        dpkg-deb -x "$archive" "$home"
    done
    rm -r "$home/archives"
fi

libraries=$(find "$home" -name '*.so.*' 2>/dev/null | sed 's|/[^/]*$||' | sort -u | paste -s -d : -)
mkdir -p "$home/bin"
for name in $programs; do
    found=$(find_program "$name")
    [ -n "$found" ] || { echo "debian_servers: $name was not found" >&2; exit 1; }
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$libraries" "$found" >"$home/bin/$name.new"
    chmod 755 "$home/bin/$name.new"
    mv "$home/bin/$name.new" "$home/bin/$name"
    echo "debian_servers: $("$home/bin/$name" --version)"
done
