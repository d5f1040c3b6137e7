"""
A ledger, and dumps of any part of it, in the bytes of the server's code.

What is honest and what is forged is written by the same functions: a forger has the server too.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.checkpoint import checkpoint_text, signed_note, verifier_key
from governlayer_server.domain.ledger.commitment import Payload
from governlayer_server.domain.ledger.dump import checkpoint_line, end_line, header_line, payload_line
from governlayer_server.domain.ledger.receipt import receipt_text
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import grow, leaf_hash, root
from governlayer_server.domain.times import time_text

from tests.crosscheck.ledgers import spelled
from tests.verifier.ledger_writer import consistency_path, inclusion_path

NAME = "gl.example.com"
WITNESS = Ed25519Signer("witness.example.org", bytes(range(100, 132)))
CREATED = time_text(1_795_456_800_000_001)


def vkey(signer: Ed25519Signer) -> str:
    return verifier_key(signer.name, signer.public_key)


@dataclass(frozen=True)
class Ledger:
    """Records as stored, the payloads that are still there, and who signs."""

    origin: str
    records: tuple[Record, ...]
    # By seq, in name order.
    payloads: Mapping[int, tuple[Payload, ...]]
    # By the seq of the record that introduces the signer; -1 for the first. They serve in this order.
    signers: tuple[tuple[int, Ed25519Signer], ...]
    # What erasure and retention records destroyed: an operator may have kept a copy all the same.
    destroyed: Mapping[int, tuple[Payload, ...]]

    @cached_property
    def heads(self) -> list[Head]:
        """The state after 0, 1, 2, … records."""
        heads = [empty_head(self.origin)]
        for record in self.records:
            edge = grow(heads[-1].edge, leaf_hash(record.canonical))
            heads.append(Head(origin=self.origin, hash=record.hash, time_us=record.time_us, edge=edge))
        return heads

    @cached_property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(record.canonical) for record in self.records]

    def signer(self, size: int) -> Ed25519Signer:
        """Who signs at *size*: the key that introduces another signs the checkpoint right behind it as well."""
        return [signer for introduced, signer in self.signers if introduced + 1 < size or introduced < 0][-1]

    def trusted(self, first: int = 0) -> list[str]:
        """The keys that a reader of a dump from *first* on has to know already."""
        return [vkey(signer) for introduced, signer in self.signers if introduced < first]

    def note(self, size: int, signer: Ed25519Signer | None = None) -> str:
        """A checkpoint; every fifth has a signature more, by a key that nobody knows (§5)."""
        text = checkpoint_text(self.origin, size, root(self.heads[size].edge))
        signers = [signer or self.signer(size), *([WITNESS] if size % 5 == 0 else [])]
        return signed_note(text, [by.line(text) for by in signers])

    def receipt(self, seq: int, size: int) -> str:
        return receipt_text(self.records[seq], inclusion_path(seq, self.leaves[:size]), self.note(size))


@dataclass(frozen=True)
class Cut:
    """Which part of a ledger a dump holds, and what stands beside the records."""

    first: int
    last: int
    names: tuple[str, ...] = ()
    # (seq after which it stands, size)
    checkpoints: tuple[tuple[int, int], ...] = ()
    # Of a dump that starts later: the size that the inclusion proof leads to, and (from, to).
    included_in: int | None = None
    consistencies: tuple[tuple[int, int], ...] = ()
    proofs_after: int = -1


def write_lines(ledger: Ledger, cut: Cut, notes: Mapping[int, str] | None = None) -> list[bytes]:
    """
    Return the lines of a dump.

    Args:
        ledger: what is dumped.
        cut: which part of it.
        notes: checkpoints by size to put in instead of the ledger's own.
    """
    notes = {size: ledger.note(size) for _, size in cut.checkpoints} | dict(notes or {})
    lines = [_header(ledger, cut), *_beside(ledger, cut, cut.first - 1, notes)]
    for seq in range(cut.first, cut.last + 1):
        lines.append(ledger.records[seq].canonical + b"\n")
        lines += [payload_line(seq, each) for each in ledger.payloads.get(seq, ()) if each.name in cut.names]
        lines += _beside(ledger, cut, seq, notes)
    return [*lines, end_line(ledger.heads[cut.last + 1].hash.hex(), cut.last + 1 - cut.first)]


def write_dump(ledger: Ledger, cut: Cut, notes: Mapping[int, str] | None = None) -> bytes:
    return b"".join(write_lines(ledger, cut, notes))


def _header(ledger: Ledger, cut: Cut) -> bytes:
    return header_line(
        created=CREATED,
        first=cut.first,
        last=cut.last,
        origin=ledger.origin,
        genesis_hash=ledger.heads[0].hash.hex(),
        keys=[vkey(signer) for _, signer in ledger.signers],
        names=cut.names,
    )


def _beside(ledger: Ledger, cut: Cut, seq: int, notes: Mapping[int, str]) -> Iterator[bytes]:
    """What stands after record *seq* and its payloads."""
    if seq == cut.proofs_after or (cut.proofs_after < cut.first and seq == cut.first - 1):
        if cut.included_in is not None:
            hashes = _base64(inclusion_path(cut.first, ledger.leaves[: cut.included_in]))
            yield spelled({"inclusion": {"hashes": hashes, "seq": cut.first, "size": cut.included_in}})
        for size1, size2 in cut.consistencies:
            hashes = _base64(consistency_path(size1, ledger.leaves[:size2]))
            yield spelled({"consistency": {"from": size1, "hashes": hashes, "to": size2}})
    for after, size in cut.checkpoints:
        if after == seq:
            yield checkpoint_line(notes[size])


def _base64(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]
