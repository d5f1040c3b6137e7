#!/bin/bash
# Kubernetes 1.20 for the session `cluster`: its programs, built from the source package of Debian 12, into TARGET (about ten
# minutes on two cores, 400 MB; 4 GB of scratch). It is the newest Kubernetes whose whole source a Debian release has.
#
#   kubernetes.sh TARGET
#
# Nothing is installed: sources and Go come by apt into a scratch folder. DEBIAN_SOURCES names the apt sources (deb822) of
# Debian 12 where /etc/apt/sources.list.d/debian.sources is another's.
set -eu

target=$1
sources=${DEBIAN_SOURCES:-/etc/apt/sources.list.d/debian.sources}
programs="kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl"

is_complete() {
    local program
    for program in $programs; do [ -x "$target/$program" ] || return 1; done
}

# apt with lists of its own, so that the machine's are left alone.
apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$scratch/sources.sources" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o APT::Sandbox::User=root "$@"
}

fetch() {
    mkdir -p "$scratch"/{lists/partial,cache/archives/partial,go/src/k8s.io,toolchain}
    sed 's/^Types: .*/Types: deb deb-src/' "$sources" >"$scratch/sources.sources"
    apt update
    (cd "$scratch" && apt source --download-only kubernetes && apt download golang-1.19-go golang-1.19-src)
    for archive in "$scratch"/golang-*.deb; do dpkg-deb -x "$archive" "$scratch/toolchain"; done
    # apt has checked the hashes along the signed lists.
    dpkg-source --no-check -x "$scratch"/kubernetes_*.dsc "$scratch/go/src/k8s.io/kubernetes"
}

go() {
    GOROOT="$scratch/toolchain/usr/lib/go-1.19" GOPATH="$scratch/go" GOCACHE="${GOCACHE:-$scratch/gocache}" \
        GO111MODULE=off CGO_ENABLED=0 "$scratch/toolchain/usr/lib/go-1.19/bin/go" "$@"
}

# The packages that are marked for it, as import paths separated by commas.
marked_packages() {
    grep -rlE --include='*.go' '^// *\+k8s:openapi-gen=true' pkg staging/src/k8s.io cmd | grep -v '_test\.go$' |
        xargs -n 1 dirname | sort -u | grep -vE 'testdata|code-generator|sample-|_examples' |
        sed -E 's#^staging/src/#k8s.io/kubernetes/vendor/#; t; s#^#k8s.io/kubernetes/#' | paste -s -d ,
}

# Debian's source leaves the OpenAPI definitions to the build.
generate_openapi() {
    go build -o "$scratch/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    GOROOT="$scratch/toolchain/usr/lib/go-1.19" GOPATH="$scratch/go" GO111MODULE=off \
        PATH="$scratch/toolchain/usr/lib/go-1.19/bin:$PATH" "$scratch/openapi-gen" \
        -i "$(marked_packages)" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        -h hack/boilerplate/boilerplate.generatego.txt -r "$scratch/violations"
}

build() {
    local version=k8s.io/kubernetes/vendor/k8s.io/component-base/version program
    mkdir -p "$target"
    for program in $programs; do
        go build -p 2 -ldflags "-s -w -X $version.gitVersion=v1.20.2 -X $version.gitMajor=1 -X $version.gitMinor=20" \
            -o "$scratch/$program" "./cmd/$program"
        mv "$scratch/$program" "$target/$program"
        echo "kubernetes: built $program"
    done
}

is_complete && exit 0
mkdir -p "$(dirname "$target")"
scratch=$(mktemp -d -p "$(dirname "$target")")
trap 'chmod -R u+w "$scratch" && rm -rf "$scratch"' EXIT
fetch
cd "$scratch/go/src/k8s.io/kubernetes"
generate_openapi
build
