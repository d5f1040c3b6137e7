#!/bin/sh
# Docker Compose as Debian 13 packages it, and shellcheck, for the tests of deploy/compose: programs in
# .tools/debian/bin. Nothing is installed, and no engine is needed: the plugin alone checks Compose files.
# Debian 12 has only the first, incompatible, Compose; so the package comes from the suite trixie of the mirror that
# apt uses on this machine, with apt's signatures, and lists of its own.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/.tools/debian
state=$home/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fetch() { # fetch PACKAGE [OPTION]...
    package=$1
    shift
    (cd "$state" && apt-get -qq -o APT::Sandbox::User=root "$@" download "$package" && dpkg-deb -x "$package"_*.deb .)
}

mkdir -p "$home/bin" "$state/lists/partial"
if [ ! -x "$home/bin/docker-compose" ]; then
    # shellcheck disable=SC2016  # apt's own variable
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    [ -n "$mirror" ] || { echo "debian_compose: apt of this machine has no mirror of Debian" >&2; exit 1; }
    echo "deb [signed-by=$keyring] $mirror trixie main" >"$state/sources.list"
    set -- -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$state/lists"
    apt-get -qq -o APT::Sandbox::User=root "$@" update
    fetch docker-compose "$@"
    mv "$state/usr/libexec/docker/cli-plugins/docker-compose" "$home/bin/docker-compose"
fi
if [ ! -x "$home/bin/shellcheck" ]; then
    apt-get -qq update
    fetch shellcheck
    mv "$state/usr/bin/shellcheck" "$home/bin/shellcheck"
fi
rm -r "$state"
echo "debian_compose: $("$home/bin/docker-compose" version)"
echo "debian_compose: $("$home/bin/shellcheck" --version | sed -n 2p)"
