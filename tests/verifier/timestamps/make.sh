#!/bin/sh
# Made the files of this folder, once, with OpenSSL 3: a time stamp authority of our own, and its stamps over the texts of
# two checkpoints that tests/verifier/test_verifier_timestamps.py holds against them. Keys are thrown away.
#
#     sh make.sh TEXT-OF-SIZE-13 TEXT-OF-SIZE-20
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/tsa.cnf" <<END
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[leaf]
extendedKeyUsage = critical,timeStamping
[stamps]
serial = $work/serial
signer_cert = $work/tsa.pem
signer_key = $work/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
END
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$1" \
        -config "$work/tsa.cnf" -extensions ca -keyout "$work/ca.key" -out "$here/$1.pem"
}
stamp() {
    openssl ts -query -config "$work/tsa.cnf" -data "$1" "-$2" -cert -out "$work/query"
    openssl ts -reply -config "$work/tsa.cnf" -section stamps -queryfile "$work/query" -out "$here/$3.tsr"
}
authority other-ca
authority ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=tsa -config "$work/tsa.cnf" \
    -keyout "$work/tsa.key" -out "$work/tsa.csr"
openssl x509 -req -in "$work/tsa.csr" -CA "$here/ca.pem" -CAkey "$work/ca.key" -set_serial 2 -days 36500 \
    -extfile "$work/tsa.cnf" -extensions leaf -out "$work/tsa.pem"
echo 01 > "$work/serial"
stamp "$1" sha256 size-13
stamp "$2" sha256 size-20
stamp "$2" sha512 sha-512
stamp "$2" sha1 refused || true
