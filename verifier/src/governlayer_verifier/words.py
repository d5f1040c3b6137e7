"""The steps of ledger-v1 §8 in plain words, for people who read a report and not the specification."""

from typing import NamedTuple

from governlayer_verifier.findings import Step


class Words(NamedTuple):
    """A step: what it is called, and what it means that it passed."""

    title: str
    meaning: str


WORDS = {
    Step.FORMAT: Words(
        "Format",
        "Every line can be read, is of a known kind and within its limits; the file has a beginning and an end.",
    ),
    Step.GENESIS: Words("Genesis", "The ledger is the one that it says it is: the chain starts from its name."),
    Step.CANONICAL: Words("Canonical form", "Every record is written, byte for byte, in the one way that is allowed."),
    Step.SEQUENCE: Words("Sequence", "No record is missing, repeated or out of order."),
    Step.LINK: Words(
        "Link", "Every record holds the fingerprint of the one before: none was edited, moved, removed or inserted."
    ),
    Step.TIME: Words("Time", "Time never runs backwards from one record to the next."),
    Step.PAYLOAD: Words("Payloads", "Every disclosed payload is the one that its record committed to."),
    Step.TREE: Words("Tree", "The fingerprint over all records is the one that the checkpoints state."),
    Step.SIGNATURES: Words(
        "Signatures", "Every checkpoint is signed by a trusted key; those from outside agree with the records."
    ),
    Step.RECEIPTS: Words(
        "Receipts and witnesses",
        "Every receipt from outside proves a record of this ledger, and the witnesses asked for have cosigned.",
    ),
    Step.ERASURE: Words(
        "Erasure", "A payload that is missing was erased by a record that says so; what was erased is gone."
    ),
    Step.END: Words("End", "The dump is whole: the count and the last fingerprint are those of its last line."),
}
