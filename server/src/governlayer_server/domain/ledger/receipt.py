"""Receipts: one file that proves one record offline (ledger-v1 §5, c2sp.org/tlog-proof)."""

import base64
from collections.abc import Sequence

from governlayer_server.domain.ledger.record import Record


def receipt_text(record: Record, proof: Sequence[bytes], note: str) -> str:
    """
    Return the ``.tlog-proof`` of *record*.

    Args:
        record: the record; its exact bytes go into the ``extra`` line.
        proof: inclusion proof of leaf ``record.seq``, 32 bytes a hash, leaf's sibling first.
        note: the signed checkpoint that the proof leads to.
    """
    lines = [
        "c2sp.org/tlog-proof@v1",
        f"extra {base64.b64encode(record.canonical).decode()}",
        f"index {record.seq}",
        *(base64.b64encode(node).decode() for node in proof),
        "",
    ]
    return "\n".join(lines) + "\n" + note
