"""Sign checkpoints: only of what is durable, so that two of one ledger can never disagree (ledger-v1 §5)."""

from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.checkpoint import checkpoint_text, signed_note
from governlayer_server.domain.ledger.proofs import root_from_inclusion
from governlayer_server.domain.ledger.receipt import receipt_text
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import leaf_hash, root
from governlayer_server.ports import Signer
from governlayer_server.ports.ledger import Entry, StoredAnswer


def sign_checkpoint(signer: Signer, head: Head) -> str:
    """
    Return the signed note of *head*.

    Args:
        signer: the ledger's key.
        head: a state that has been committed; never one that may still be rolled back.
    """
    return sign_tree(signer, head.origin, head.size, root(head.edge))


def sign_tree(signer: Signer, origin: str, size: int, tree_root: bytes) -> str:
    """
    Return the signed note of a tree that has been committed.

    Args:
        signer: the ledger's key.
        origin: the ledger's origin.
        size: how many records.
        tree_root: 32 bytes.
    """
    text = checkpoint_text(origin, size, tree_root)
    return signed_note(text, signer.name, signer.public_key, signer.sign(text.encode()))


def receipt_for(signer: Signer, entry: Entry) -> str:
    """Return the receipt of a durable record; those that became durable together share one checkpoint."""
    growth, record = entry.growth, entry.record
    note = sign_tree(signer, growth.before.origin, growth.head.size, growth.root)
    return receipt_text(record, growth.inclusion_proof(record.seq), note)


def receipt_again(signer: Signer, origin: str, record: Record, stored: StoredAnswer) -> str:
    """
    Return the receipt that was given with an answer; while the signing key is the same, byte for byte.

    Args:
        signer: the ledger's key.
        origin: the ledger's origin.
        record: the record that the answer was given for.
        stored: the answer.

    Raises:
        ProofError: the stored proof is not one of this record.
    """
    tree_root = root_from_inclusion(leaf_hash(record.canonical), record.seq, stored.size, stored.proof)
    return receipt_text(record, stored.proof, sign_tree(signer, origin, stored.size, tree_root))
