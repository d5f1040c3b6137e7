"""
Which keys may sign a ledger's checkpoints, and how that changes (ledger-v1 §5, key succession).

A key is trusted because the operator named it, because it was there at first use, or because a trusted key vouches for
it. The last is accepted in one form only: a record of type ``ledger.key`` that introduces the key, proven by its
receipt to lie under a checkpoint that an already trusted key signed. The new key then counts for checkpoints that
cover the record. A ``ledger.key`` record that retires a key, proven in the same way, ends the trust in it from there
on; so does the first checkpoint that a successor signed and it did not.

That is safe because the holder of the old key signed a tree in which the new key stands: nobody else can make one.
What is not accepted is a checkpoint that merely bears both signatures, not even where the server lists the new key.
A signature line covers the checkpoint's text and not the other lines, so whoever sits between appliance and client
can add a line of his own to a genuine checkpoint, and can answer for the server's list as well. Both signatures are
only the sign that there is something to ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ._note import FormatError, SignedCheckpoint, parse_key, signers
from ._receipt import Receipt, proven_record
from ._record import Record
from .errors import LedgerKeyError, ReceiptError


class PinnedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A key in its time of service.

    Attributes:
        vkey: the verifier key.
        after: it counts for checkpoints of more records than this: the seq of the record that introduced it.
        until: and of at most so many; None while it is in service.
    """

    vkey: str
    after: int = 0
    until: int | None = None

    def serves(self, size: int) -> bool:
        """Return whether the key counts for checkpoints of *size*."""
        return self.after < size and (self.until is None or size <= self.until)


def trusted_signers(keys: Iterable[PinnedKey], checkpoint: SignedCheckpoint) -> tuple[PinnedKey, ...]:
    """
    Return those of *keys* that signed *checkpoint* while in service.

    Raises:
        ReceiptError: a signature under the name and id of a known key is not by it.
    """
    known = {parse_key(key.vkey): key for key in keys}
    try:
        signed = [known[key] for key in signers(checkpoint, known)]
    except FormatError as error:
        raise ReceiptError(f"the receipt is refused: {error}") from None
    return tuple(key for key in signed if key.serves(checkpoint.size))


def hints_at_successor(keys: Sequence[PinnedKey], checkpoint: SignedCheckpoint) -> bool:
    """Return whether *checkpoint* bears a signature under a known key's name that may be by a newer key."""
    known = [parse_key(key.vkey) for key in keys]
    names, ids = {key.name for key in known}, {key.key_id for key in known}
    return any(each.name in names and each.key_id not in ids and each.may_be_ed25519 for each in checkpoint.signatures)


def succession(keys: tuple[PinnedKey, ...], origin: str, receipts: Iterable[Receipt]) -> tuple[PinnedKey, ...]:
    """
    Return *keys* after all that *receipts* prove of them; a receipt that proves nothing changes nothing.

    Args:
        keys: the keys that are known.
        origin: the ledger.
        receipts: of its records, in order; nothing of them needs to be verified before.
    """
    for receipt in receipts:
        try:
            record = proven_record(receipt)
            signed = trusted_signers(keys, receipt.checkpoint)
        except (FormatError, ReceiptError):
            continue
        if signed and receipt.checkpoint.origin == origin and record.type == "ledger.key":
            keys = vouched(keys, record)
    return keys


def wrong_key(checkpoint: SignedCheckpoint, trusted: Iterable[str]) -> LedgerKeyError:
    """Return the error that stands for a checkpoint that none of the *trusted* keys signed."""
    names = ", ".join(vkey.rpartition("+")[0] for vkey in trusted) or "none"
    return LedgerKeyError(
        f"the checkpoint of {checkpoint.origin} is signed by no trusted key (trusted: {names}). If the operator has "
        "changed the key, ask for the new one by another way and pass it as ledger_key"
    )


def vouched(keys: tuple[PinnedKey, ...], record: Record) -> tuple[PinnedKey, ...]:
    """
    Return *keys* after what *record* says of them.

    Args:
        keys: the keys that are known.
        record: of type ``ledger.key``, proven under a checkpoint that one of *keys* signed in service.
    """
    vkey, event = record.body.get("vkey"), record.body.get("event")
    if event == "retired":
        return tuple(_ended(key, record.seq) if key.vkey == vkey else key for key in keys)
    if event != "introduced" or not isinstance(vkey, str) or any(key.vkey == vkey for key in keys):
        return keys
    try:
        parse_key(vkey)
    except FormatError:
        return keys  # of an algorithm that this version cannot check
    return (*keys, PinnedKey(vkey, after=record.seq))


def superseded(keys: tuple[PinnedKey, ...], signed: Sequence[PinnedKey], size: int) -> tuple[PinnedKey, ...]:
    """
    Return *keys* after a checkpoint of *size* that the keys *signed*: predecessors that did not are out of service.

    While keys overlap, checkpoints bear both signatures, so the overlap has ended.
    """
    newest = max((key.after for key in signed), default=0)
    return tuple(key if key in signed or key.after >= newest else _ended(key, size - 1) for key in keys)


def _ended(key: PinnedKey, size: int) -> PinnedKey:
    until = size if key.until is None else min(key.until, size)
    return msgspec.structs.replace(key, until=until)
