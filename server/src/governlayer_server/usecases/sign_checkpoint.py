"""Sign checkpoints: only of what is durable, so that two of one ledger can never disagree (ledger-v1 §5)."""

from collections.abc import Collection

from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.checkpoint import checkpoint_text, signed_note
from governlayer_server.domain.ledger.proofs import root_from_inclusion
from governlayer_server.domain.ledger.receipt import receipt_text
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import leaf_hash, root
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Signers
from governlayer_server.ports.ledger import Entry, LedgerStore, StoredAnswer
from governlayer_server.usecases.record_key_event import KeyEvent, key_record


def sign_checkpoint(signer: Signers, head: Head) -> str:
    """
    Return the signed note of *head*.

    Args:
        signer: the ledger's keys.
        head: a state that has been committed; never one that may still be rolled back.
    """
    return sign_tree(signer, head.origin, head.size, root(head.edge))


def sign_for_keeping(signer: Signers, head: Head, now_us: int) -> str:
    """
    Return the signed note of *head* with post-quantum signatures beside the others, as of now (ledger-v1 §5).

    Args:
        signer: the ledger's keys.
        head: a state that has been committed; never one that may still be rolled back.
        now_us: microseconds since the Unix epoch.
    """
    cosigned = signer.cosign(head.origin, head.size, root(head.edge), now_us // SECOND_US)
    return sign_checkpoint(signer, head) + "".join(cosigned)


def sign_tree(signer: Signers, origin: str, size: int, tree_root: bytes, also: Collection[str] = ()) -> str:
    """
    Return the signed note of a tree that has been committed.

    Args:
        signer: the ledger's keys.
        origin: the ledger's origin.
        size: how many records.
        tree_root: 32 bytes.
        also: verifier keys of retired keys that sign too (``keys_of_then``).
    """
    text = checkpoint_text(origin, size, tree_root)
    return signed_note(text, signer.sign(text, also))


async def keys_of_then(signer: Signers, ledger: LedgerStore, ledger_id: str, size: int) -> Collection[str]:
    """
    Return the verifier keys that the ledger retired only after it had *size* records.

    Who trusts one of them and never saw its successor accepts that size by it alone (ledger-v1 §5, key succession).

    Args:
        signer: the ledger's keys.
        ledger: where it is kept.
        ledger_id: which ledger.
        size: how many records.

    Raises:
        LedgerUnavailable: the database is away.
    """
    retirements = {vkey: await key_record(ledger, ledger_id, vkey, KeyEvent.RETIRED) for vkey in signer.retired}
    return [vkey for vkey, record in retirements.items() if record is not None and size <= record.seq]


def receipt_for(signer: Signers, entry: Entry) -> str:
    """Return the receipt of a durable record; those that became durable together share one checkpoint."""
    growth, record = entry.growth, entry.record
    note = sign_tree(signer, growth.before.origin, growth.head.size, growth.root)
    return receipt_text(record, growth.inclusion_proof(record.seq), note)


def receipt_again(
    signer: Signers, origin: str, record: Record, stored: StoredAnswer, also: Collection[str] = ()
) -> str:
    """
    Return the receipt that was given with an answer; while the signing keys are the same, byte for byte.

    Args:
        signer: the ledger's keys.
        origin: the ledger's origin.
        record: the record that the answer was given for.
        stored: the answer.
        also: verifier keys of retired keys that sign too (``keys_of_then``).

    Raises:
        ProofError: the stored proof is not one of this record.
    """
    tree_root = root_from_inclusion(leaf_hash(record.canonical), record.seq, stored.size, stored.proof)
    return receipt_text(record, stored.proof, sign_tree(signer, origin, stored.size, tree_root, also))
