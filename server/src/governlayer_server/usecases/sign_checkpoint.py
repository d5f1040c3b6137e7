"""Sign checkpoints: only of what is durable, so that two of one ledger can never disagree (ledger-v1 §5)."""

from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.checkpoint import checkpoint_text, signed_note
from governlayer_server.domain.ledger.receipt import receipt_text
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import Edge, grow, leaf_hash, newest_leaf_proof
from governlayer_server.ports import Signer


def sign_checkpoint(signer: Signer, head: Head) -> str:
    """
    Return the signed note of *head*.

    Args:
        signer: the ledger's key.
        head: a state that has been committed; never one that may still be rolled back.
    """
    text = checkpoint_text(head)
    return signed_note(text, signer.name, signer.public_key, signer.sign(text.encode()))


def receipt_for(signer: Signer, origin: str, record: Record, before: Edge) -> str:
    """
    Return the receipt of a durable record, against the tree that ends with it.

    Args:
        signer: the ledger's key.
        origin: the ledger's origin.
        record: the record.
        before: the tree's edge before it.
    """
    head = Head(
        origin=origin,
        hash=record.hash,
        time_us=record.time_us,
        edge=grow(before, leaf_hash(record.canonical)),
    )
    return receipt_text(record, newest_leaf_proof(before), sign_checkpoint(signer, head))
