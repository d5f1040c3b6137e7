"""``gl-verify --self-test``: the vectors of ledger-v1, packaged with the verifier, so that an auditor can run them."""

import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from governlayer_verifier import ed25519, mldsa
from governlayer_verifier.canonical import read_canonical
from governlayer_verifier.chain import genesis_hash
from governlayer_verifier.cosignature import is_signed_by
from governlayer_verifier.note import MLDSA44, decode_hash, parse_checkpoint, parse_verifier_key
from governlayer_verifier.tree import Tree, leaf_hash, verify_consistency, verify_inclusion
from governlayer_verifier.verify import verify

_RECEIPTS = ("receipt-0.tlog-proof", "receipt-17.tlog-proof", "receipt-299.tlog-proof")


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How many checks ran, what went wrong in which, and why some were left out, None where none was."""

    checks: int
    faults: tuple[str, ...]
    unchecked: str | None


def run_self_test(vectors: Traversable | None = None) -> SelfTest:
    """
    Return the outcome of every packaged vector: hashes, trees, proofs, signatures, cosignatures, dumps and receipts.

    Args:
        vectors: a folder with ``ledger-v1``, ``ed25519`` and ``cosignature``; the packaged one where None.
    """
    folder = files("governlayer_verifier") / "vectors" if vectors is None else vectors
    ledger = folder / "ledger-v1"
    outcomes = [
        *_check_hashes(_load(ledger / "hashes.json")),
        *_check_tree(_load(ledger / "tree.json"), ledger / "dumps" / "three-hundred.gldump"),
        *_check_dumps(ledger),
        *_check_receipts(ledger),
        *_check_signatures(folder / "ed25519"),
        *_check_cosignatures(_load(folder / "cosignature" / "cosignatures.json")),
    ]
    faults = tuple(name for name, holds in outcomes if not holds)
    return SelfTest(len(outcomes), faults, mldsa.reason_unavailable())


_Outcomes = Iterator[tuple[str, bool]]


def _load(file: Traversable) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _check_hashes(vectors: Any) -> _Outcomes:
    yield "seed", hashlib.sha256(b"GOVERNLAYER_GENESIS").hexdigest() == vectors["seed"]
    for each in vectors["genesis"]:
        yield f"genesis of {each['origin']}", genesis_hash(each["origin"]) == each["hash"]
    for index, each in enumerate(vectors["records"]):
        line = each["canonical"].encode()
        yield f"canonical bytes {index}", read_canonical(each["canonical"])[1] is None
        yield f"record hash {index}", hashlib.sha256(line).hexdigest() == each["hash"]
        yield f"leaf hash {index}", leaf_hash(line).hex() == each["leaf_hash"]
    for index, each in enumerate(vectors["commitments"]):
        found = hmac.digest(bytes.fromhex(each["nonce"]), each["payload"].encode(), "sha256")
        yield f"commitment {index}", found.hex() == each["commitment"]


def _check_tree(vectors: Any, dump: Traversable) -> _Outcomes:
    tree = Tree(0)
    for line in dump.read_bytes().splitlines():
        if line.startswith(b'{"actor":'):
            tree.append(leaf_hash(line))
    for size, root in vectors["roots"].items():
        yield f"root of size {size}", tree.root(int(size)) == decode_hash(root)
    for each in vectors["inclusion"]:
        index, size = each["index"], each["size"]
        proof = [decode_hash(text) for text in each["hashes"]]
        holds = verify_inclusion(index, size, tree.leaf(index), proof, tree.root(size))
        yield f"inclusion of {index} in {size}", holds
    for each in vectors["consistency"]:
        size1, size2 = each["from"], each["to"]
        proof = [decode_hash(text) for text in each["hashes"]]
        holds = verify_consistency(size1, size2, tree.root(size1), tree.root(size2), proof)
        yield f"consistency from {size1} to {size2}", holds


def _check_dumps(ledger: Traversable) -> _Outcomes:
    for each in _load(ledger / "index.json")["dumps"]:
        stream = io.BytesIO((ledger / each["file"]).read_bytes())
        report = verify(stream, keys=each["trusted_keys"], checkpoints=each["checkpoints"])
        step = each.get("must_report")
        reported = step is None or report.step(step).status == "fail"
        yield each["file"], report.verdict == each["verdict"] and reported


def _check_receipts(ledger: Traversable) -> _Outcomes:
    key = _load(ledger / "index.json")["verifier_key"]
    dumps = ledger / "dumps"
    for name in _RECEIPTS:
        text = (ledger / name).read_text(encoding="utf-8")
        for dump, verdict in (("three-hundred.gldump", "valid"), ("twenty.gldump", "invalid")):
            stream = io.BytesIO((dumps / dump).read_bytes())
            yield f"{name} with {dump}", verify(stream, keys=[key], receipts=[text]).verdict == verdict


def _check_signatures(folder: Traversable) -> _Outcomes:
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".json"):
            continue
        for each in _load(file)["vectors"]:
            parts = [bytes.fromhex(each[name]) for name in ("public_key", "message", "signature")]
            yield f"{file.name}: {each['name']}", ed25519.verify(*parts) is each["valid"]


def _check_cosignatures(vectors: Any) -> _Outcomes:
    keys = {name: parse_verifier_key(vkey) for name, vkey in vectors["keys"].items()}
    for each in vectors["vectors"]:
        key, checkpoint = keys[each["key"]], parse_checkpoint(each["note"])
        if key.kind != MLDSA44 or mldsa.reason_unavailable() is None:
            holds = is_signed_by(key, checkpoint, checkpoint.signatures[-1].blob)
            yield f"cosignature: {each['name']}", holds is each["valid"]
