"""Verifier keys and signed checkpoints (ledger-v1 §5; c2sp.org/signed-note, c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ._tree import HASH_BYTES

MAX_SIZE: Final = 2**53 - 1  # a seq is a JSON integer (ledger-v1 §2.1)
_MAX_SIGNATURES: Final = 100
_ED25519: Final = b"\x01"
_ED25519_BYTES: Final = 64
_ORIGIN: Final = re.compile(r"[A-Za-z0-9._/-]{1,255}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")


class FormatError(ValueError):
    """A text does not have the form that its specification gives it."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key under a name; *text* is ``<name>+<8 hex of key id>+<base64(0x01 ‖ key)>``."""

    name: str
    key_id: bytes
    public_key: bytes
    text: str

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether *signature* is this key's over *text* (RFC 8032)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    blob: bytes

    @property
    def may_be_ed25519(self) -> bool:
        """Whether it is as long as a plain Ed25519 signature: cosignatures and ML-DSA ones are longer."""
        return len(self.blob) == _ED25519_BYTES


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as it was read. Nothing in it is verified by that."""

    origin: str
    size: int
    root: bytes
    note: str
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> bytes:
        """The signed text: three lines, each with its line end."""
        return (self.note.rpartition("\n\n")[0] + "\n").encode()


def parse_key(text: str) -> VerifierKey:
    """
    Return the Ed25519 key that *text* spells; the key id is computed again.

    Raises:
        FormatError: another form, another algorithm, or an id that is not the key's.
    """
    name, _, rest = text.partition("+")
    hint, separator, encoded = rest.partition("+")
    if not separator or not _is_key_name(name):
        raise FormatError("a ledger key is <name>+<8 hex digits>+<base64>")
    data = decode_base64(encoded)
    if data[:1] != _ED25519 or len(data) != 1 + 32:
        raise FormatError("the ledger key is not an Ed25519 key")
    key_id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if key_id.hex() != hint:
        raise FormatError("the id in the ledger key is not that of the key")
    return VerifierKey(name, key_id, data[1:], text)


def parse_checkpoint(note: str) -> SignedCheckpoint:
    """
    Return the parts of a signed checkpoint: origin, size and root, then signatures.

    Raises:
        FormatError: not a signed note, or its text is not exactly these three lines.
    """
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n") or not _is_printable(note):
        raise FormatError("not a signed note")
    signatures = lines[:-1].split("\n")
    if len(signatures) > _MAX_SIGNATURES:
        raise FormatError(f"the note has more than {_MAX_SIGNATURES} signatures")
    said = text.split("\n")
    if len(said) != 3 or _ORIGIN.fullmatch(said[0]) is None:
        raise FormatError("a checkpoint is an origin, a size and a root on three lines")
    return SignedCheckpoint(
        origin=said[0],
        size=decode_decimal(said[1]),
        root=decode_hash(said[2]),
        note=note,
        signatures=tuple(_signature(line) for line in signatures),
    )


def signers(checkpoint: SignedCheckpoint, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    """
    Return those of *keys* that signed *checkpoint*; signatures by other keys are ignored (signed-note).

    Raises:
        FormatError: a signature that bears the name and id of one of *keys* is not by that key.
    """
    found = []
    for key in keys:
        bearing = [each for each in checkpoint.signatures if (each.name, each.key_id) == (key.name, key.key_id)]
        if not all(key.verifies(checkpoint.text, each.blob) for each in bearing):
            raise FormatError(f"the checkpoint's signature by {key.name}+{key.key_id.hex()} is wrong")
        found += [key] if bearing else []
    return tuple(found)


def decode_base64(text: str) -> bytes:
    """
    Return the bytes that *text* spells in standard base64; each has one spelling only.

    Raises:
        FormatError: any other spelling.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if not value or base64.b64encode(value).decode() != text:
        raise FormatError("not the standard base64 of anything")
    return value


def decode_hash(text: str) -> bytes:
    """
    Return the 32 bytes that *text* spells in standard base64.

    Raises:
        FormatError: another spelling or length.
    """
    value = decode_base64(text)
    if len(value) != HASH_BYTES:
        raise FormatError(f"a hash is not {HASH_BYTES} bytes long")
    return value


def decode_decimal(text: str) -> int:
    """
    Return the number that *text* spells in decimal, 0 to 2^53 − 1, without sign or leading zero.

    Raises:
        FormatError: another spelling, or a larger number.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > MAX_SIZE:
        raise FormatError("not a decimal number below 2^53")
    return int(text)


def _signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _is_key_name(parts[1]):
        raise FormatError("a signature is — <key name> <base64>")
    blob = decode_base64(parts[2])
    if len(blob) < 5:
        raise FormatError("a signature is shorter than 5 bytes")
    return Signature(parts[1], blob[:4], blob[4:])


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _is_printable(note: str) -> bool:
    """Return whether *note* is UTF-8 text without control characters but line ends."""
    return not any((each < " " and each != "\n") or "\ud800" <= each <= "\udfff" for each in note)
