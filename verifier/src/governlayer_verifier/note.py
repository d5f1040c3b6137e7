"""Verifier keys, signed notes and checkpoints: c2sp.org/signed-note, tlog-checkpoint, ledger-v1 §5."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from governlayer_verifier import ed25519
from governlayer_verifier.chain import is_origin
from governlayer_verifier.errors import FormatError

ED25519 = 1
COSIGNATURE = 4
MLDSA44 = 6
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_MAX_SIZE = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, MLDSA44: 1312}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name: ``<name>+<8 hex of key id>+<base64(type byte ‖ public key)>``."""

    name: str
    key_id: bytes
    kind: int
    public_key: bytes

    @property
    def algorithm(self) -> str:
        """The name of the algorithm, for people."""
        return {ED25519: "Ed25519", COSIGNATURE: "Ed25519 cosignature", MLDSA44: "ML-DSA-44"}.get(self.kind, "unknown")

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether *signature* is this key's over *text*; only plain Ed25519 keys (0x01) ever say yes."""
        return self.kind == ED25519 and ed25519.verify(self.public_key, text, signature)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A parsed checkpoint; nothing in it is verified yet."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[Signature, ...]


def decode_base64(text: str) -> bytes:
    """
    Return the bytes of *text* in standard base64 with padding; every other spelling is refused.

    Raises:
        FormatError: not base64, or not the one spelling of its bytes.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("not standard base64") from None
    if base64.b64encode(value).decode() != text:
        raise FormatError("not the canonical base64 of its bytes")
    return value


def decode_hash(text: object) -> bytes:
    """
    Return the 32 bytes that *text* spells in standard base64.

    Raises:
        FormatError: not a string, not base64, or another length.
    """
    value = decode_base64(text) if isinstance(text, str) else b""
    if len(value) != hashlib.sha256().digest_size:
        raise FormatError("not the base64 of 32 bytes")
    return value


def decode_decimal(text: str) -> int:
    """
    Return the number that *text* spells in decimal without sign or leading zero, below 2^63.

    Raises:
        FormatError: another spelling, or too large.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > _MAX_SIZE:
        raise FormatError("not a decimal number below 2^63 without leading zeros")
    return int(text)


def parse_verifier_key(text: str) -> VerifierKey:
    """
    Return the key written as *text*, whatever its algorithm; its id is recomputed (ledger-v1 §5).

    Raises:
        FormatError: the grammar is broken, or the id is not that of the key.
    """
    parts = text.split("+", 2)
    if len(parts) != 3 or not _is_key_name(parts[0]) or _KEY_ID.fullmatch(parts[1]) is None:
        raise FormatError("a verifier key is <name>+<8 hex digits>+<base64>")
    data = decode_base64(parts[2])
    if len(data) < 2 or len(data) - 1 != _KEY_BYTES.get(data[0], len(data) - 1):
        raise FormatError("the public key has the wrong length")
    key_id = hashlib.sha256(parts[0].encode() + b"\n" + data).digest()[:4]
    if key_id.hex() != parts[1]:
        raise FormatError(f"the key id is not that of the key, expected {key_id.hex()}")
    return VerifierKey(parts[0], key_id, data[0], data[1:])


def parse_log_key(text: str) -> VerifierKey:
    """
    Return the key of a log written as *text*: Ed25519 (type byte 0x01) or ML-DSA-44 (0x06), ledger-v1 §5.

    Raises:
        FormatError: as ``parse_verifier_key``, or a key of another algorithm, with which no log signs.
    """
    key = parse_verifier_key(text)
    if key.kind not in (ED25519, MLDSA44):
        raise FormatError("not a key of a log: Ed25519 (type byte 0x01) or ML-DSA-44 (0x06)")
    return key


def parse_witness_key(text: str) -> VerifierKey:
    """
    Return the key of a witness written as *text*: a cosigner's, Ed25519 (type byte 0x04) or ML-DSA-44 (0x06).

    Raises:
        FormatError: as ``parse_verifier_key``, or a key of another algorithm, with which no witness signs.
    """
    key = parse_verifier_key(text)
    if key.kind not in (COSIGNATURE, MLDSA44):
        raise FormatError("not a key of a witness: Ed25519 (type byte 0x04) or ML-DSA-44 (0x06)")
    return key


def parse_checkpoint(note: str) -> Checkpoint:
    """
    Return the parts of the signed *note*: three lines of text, then signatures (ledger-v1 §5).

    Raises:
        FormatError: not a signed note, or its text is not exactly origin, size and root.
    """
    text, signatures = split_note(note)
    lines = text.split("\n")
    if len(lines) != 4:
        raise FormatError("a checkpoint is origin, size and root on three lines, without extension lines")
    origin, size, root = lines[:3]
    if not is_origin(origin):
        raise FormatError("the checkpoint's origin breaks its grammar")
    return Checkpoint(origin, decode_decimal(size), decode_hash(root), text.encode(), signatures)


def split_note(note: str, limit: int = MAX_NOTE_BYTES) -> tuple[str, tuple[Signature, ...]]:
    """
    Return the text of a signed note, with its last newline, and its signatures.

    Args:
        note: the whole.
        limit: bytes that it may have.

    Raises:
        FormatError: it is none, or longer.
    """
    try:
        too_long = len(note.encode()) > limit
    except UnicodeEncodeError:
        raise FormatError("the note is not UTF-8 text") from None
    if too_long:
        raise FormatError(f"the note is longer than {limit} bytes")
    if any(each < " " and each != "\n" for each in note):
        raise FormatError("the note holds a control character")
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise FormatError("not a signed note: text, an empty line, signature lines")
    spelled = lines[:-1].split("\n")
    if len(spelled) > MAX_SIGNATURES:
        raise FormatError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text + "\n", tuple(_parse_signature(line) for line in spelled)


def _parse_signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _is_key_name(parts[1]):
        raise FormatError("a signature line is — <key name> <base64>")
    blob = decode_base64(parts[2])
    if len(blob) < 5:
        raise FormatError("a signature is shorter than 5 bytes")
    return Signature(parts[1], blob[:4], blob[4:])


def _is_key_name(name: str) -> bool:
    # A lone surrogate could not be hashed into a key id.
    return bool(name) and "+" not in name and not any(each.isspace() or "\ud800" <= each <= "\udfff" for each in name)
