#!/usr/bin/env bash
# Recomputes the hashes of the ledger-v1 vectors with bash, coreutils, sed and grep alone, so that nobody has to
# trust code of this project for them. Prints what it checked; exits with 1 at the end if anything differed.
set -euo pipefail
export LC_ALL=C.UTF-8

cd "${1:-$(dirname "$0")/ledger-v1}"
declare -A counts=()
failures=0

# same <kind> <what> <expected> <found>
same() {
  counts[$1]=$((${counts[$1]:-0} + 1))
  [[ $3 == "$4" ]] && return
  failures=$((failures + 1))
  echo "DIFFERS $1 $2: expected $3, found $4"
}

sha256() { local sum; sum=$(sha256sum); echo "${sum%% *}"; }
raw() { printf "$(sed 's/../\\x&/g' <<<"$1")"; }                # hex digits to bytes
hex() { od -An -v -tx1 | tr -d ' \n'; }                         # bytes to hex digits
unquote() { sed 's/\\\(["\\]\)/\1/g'; }                         # the JSON escapes that stand in hashes.json
leaf() { { printf '\0'; printf %s "$1"; } | sha256; }           # RFC 6962 2.1
node() { { printf '\1'; raw "$1$2"; } | sha256; }
base64_of() { raw "$1" | base64; }

# Sets root to the hash of leaves[$1 .. $1+$2-1]; complete subtrees are remembered.
merkle() {
  local first=$1 count=$2 k=1 left
  if ((count == 1)); then root=${leaves[first]}; return; fi
  if [[ -n ${known[$first,$count]:-} ]]; then root=${known[$first,$count]}; return; fi
  while ((2 * k < count)); do k=$((2 * k)); done
  merkle "$first" "$k"; left=$root
  merkle $((first + k)) $((count - k))
  root=$(node "$left" "$root")
  known[$first,$count]=$root
}

# hmac <key of 64 hex digits>, the message on standard input
hmac() {
  local key inner='' outer='' i byte
  key=$1$(printf %064d 0)
  for ((i = 0; i < 64; i++)); do
    byte=$((16#${key:2*i:2}))
    inner+=$(printf %02x $((byte ^ 0x36)))
    outer+=$(printf %02x $((byte ^ 0x5c)))
  done
  inner=$({ raw "$inner"; cat; } | sha256)
  { raw "$outer"; raw "$inner"; } | sha256
}

# Every object of hashes.json: its string members, then what they must give.
check_hashes() {
  local line
  local -A object=()
  same seed GOVERNLAYER_GENESIS "$(sed -n 's/^ "seed": "\(.*\)",$/\1/p' hashes.json)" \
    "$(printf GOVERNLAYER_GENESIS | sha256)"
  while IFS= read -r line; do
    if [[ $line =~ ^\ +\"([a-z_]+)\":\ \"(.*)\",?$ ]]; then
      object[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
    elif [[ $line =~ ^\ \ \},?$ ]]; then
      check_object
      object=()
    fi
  done <hashes.json
}

check_object() {
  local canonical
  canonical=$(unquote <<<"${object[canonical]:-}")
  if [[ -v object[origin] ]]; then
    same genesis "${object[origin]}" "${object[hash]}" "$(printf %s "$canonical" | sha256)"
    same genesis "${object[origin]}, put together" "${object[hash]}" "$(genesis "${object[origin]}")"
  elif [[ -v object[leaf_hash] ]]; then
    same record "${canonical:0:60}" "${object[hash]}" "$(printf %s "$canonical" | sha256)"
    same leaf "${canonical:0:60}" "${object[leaf_hash]}" "$(leaf "$canonical")"
  else
    same commitment "${object[payload]}" "${object[commitment]}" \
      "$(printf %b "$(unquote <<<"${object[payload]}")" | hmac "${object[nonce]}")"
  fi
}

# check_dump <file>: genesis, links, roots of all checkpoints, trailer
check_dump() {
  local file=$1 line head linked origin size expected n=0
  leaves=()
  known=()
  while IFS= read -r line; do
    case $line in
      '{"dump":'*)
        origin=$(sed 's/.*"origin":"\([^"]*\)".*/\1/' <<<"$line")
        head=$(genesis "$origin")
        same header "$file" "$(sed 's/.*"genesis_hash":"\([^"]*\)".*/\1/' <<<"$line")" "$head"
        ;;
      '{"actor":'*)
        linked=${line##*\"prev_hash\":\"}
        linked=${linked:0:64}
        same link "$file record $n" "$linked" "$head"
        head=$(printf %s "$line" | sha256)
        leaves+=("$(leaf "$line")")
        n=$((n + 1))
        ;;
      '{"checkpoint":'*)
        read -r size expected < <(sed 's/^{"checkpoint":"[^\\]*\\n\([0-9]*\)\\n\([^\\]*\)\\n.*/\1 \2/' <<<"$line")
        merkle 0 "$size"
        same root "$file size $size" "$expected" "$(base64_of "$root")"
        ;;
      '{"end":'*)
        same trailer "$file" "$(sed 's/.*"head_hash":"\([^"]*\)","records":\([0-9]*\).*/\1 \2/' <<<"$line")" "$head $n"
        ;;
    esac
  done <"$file"
}

genesis() {
  local seed
  seed=$(printf GOVERNLAYER_GENESIS | sha256)
  printf '{"canonicalization":"RFC8785","hash":"SHA-256","origin":"%s","prev_hash":"%s","type":"genesis","v":1}' \
    "$1" "$seed" | sha256
}

# check_receipt <file>: from the record, by its proof, to the root of its checkpoint (RFC 9162 2.1.3.2)
check_receipt() {
  local file=$1 lines at index last hash sibling
  mapfile -t lines <"$file"
  hash=$({ printf '\0'; base64 -d <<<"${lines[1]#extra }"; } | sha256)
  index=${lines[2]#index }
  at=3
  while [[ -n ${lines[at]} ]]; do at=$((at + 1)); done
  last=$((${lines[at + 2]} - 1))
  for sibling in "${lines[@]:3:at-3}"; do
    sibling=$(base64 -d <<<"$sibling" | hex)
    if ((index & 1 || index == last)); then
      hash=$(node "$sibling" "$hash")
      while ((index && !(index & 1))); do index=$((index >> 1)) last=$((last >> 1)); done
    else
      hash=$(node "$hash" "$sibling")
    fi
    index=$((index >> 1)) last=$((last >> 1))
  done
  same receipt "$file" "${lines[at + 3]}" "$(base64_of "$hash")"
}

declare -a leaves=()
declare -A known=()
check_hashes
for file in dumps/[!b]*.gldump; do check_dump "$file"; done
for file in receipt-*.tlog-proof; do check_receipt "$file"; done

for kind in seed genesis record leaf commitment header link root trailer receipt; do
  echo "$kind: ${counts[$kind]:-0} checked"
  # A kind that was not met at all means that this script no longer understands the files.
  ((${counts[$kind]:-0} > 0)) || failures=$((failures + 1))
done
echo "$failures differ"
((failures == 0))
