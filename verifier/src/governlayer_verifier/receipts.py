"""Step 10 of ledger-v1 §8: receipts that the user brings."""

from governlayer_verifier.canonical import decode_utf8, read_canonical
from governlayer_verifier.checkpoints import CheckpointCheck
from governlayer_verifier.errors import FormatError
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.receipt import Receipt
from governlayer_verifier.record import facts_of, fault_of
from governlayer_verifier.tree import Tree, leaf_hash, verify_inclusion


def judge_receipt(findings: Findings, tree: Tree, checkpoints: CheckpointCheck, label: str, receipt: Receipt) -> None:
    """
    Hold *receipt* against itself, against the record of the dump and, by its checkpoint, against the tree.

    Args:
        findings: where failures go.
        tree: the records of the dump.
        checkpoints: judges the receipt's checkpoint as in step 9.
        label: what to call the receipt in messages.
        receipt: parsed, not verified.
    """
    seq, before = receipt.index, findings.count(Step.RECEIPTS)
    fault = _record_fault(receipt)
    if fault is not None:
        findings.fail(Step.RECEIPTS, f"the record of {label} {fault}", seq=seq)
    leaf, checkpoint = leaf_hash(receipt.record), receipt.checkpoint
    if not verify_inclusion(seq, checkpoint.size, leaf, receipt.proof, checkpoint.root):
        what = f"the proof of {label} does not lead from its record to the root of its checkpoint"
        findings.fail(Step.RECEIPTS, what, seq=seq)
    # Equal leaf hashes are equal bytes (§8: byte for byte), short of a collision of SHA-256.
    if tree.first <= seq < tree.size:
        if leaf != tree.leaf(seq):
            findings.fail(Step.RECEIPTS, f"the record of {label} is not the record of the dump", seq=seq)
    elif seq < tree.first:
        findings.cannot(Step.RECEIPTS, f"the dump begins after record {seq} of {label}")
    wrong = findings.count(Step.RECEIPTS) > before
    reason = "its record or its proof is wrong" if wrong else None
    checkpoints.judge_outside(Step.RECEIPTS, label, checkpoint, seq, reason)


def _record_fault(receipt: Receipt) -> str | None:
    try:
        value, fault = read_canonical(decode_utf8(receipt.record))
    except FormatError as error:
        return f"does not parse: {error}"
    if fault is None:
        fault = fault_of(value)
    if fault is None and facts_of(value).seq != receipt.index:
        return "has another seq than the receipt's index"
    return fault
