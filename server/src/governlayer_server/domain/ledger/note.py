"""
Signed notes as they are read: verifier keys, signature lines, checkpoints (c2sp.org/signed-note, tlog-checkpoint).

Nothing here verifies a signature: that takes a key's arithmetic, which ``usecases/verify_note.py`` is handed.
"""

import base64
import binascii
import re
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.chain import ORIGIN
from governlayer_server.domain.ledger.tree import HASH_BYTES

ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06
KEY_BYTES = 32
MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 32
MAX_SIZE = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_NAME = re.compile(r"[^\s+\ud800-\udfff]{1,255}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_ID_BYTES = 4
_DASH = "\N{EM DASH}"


class VerifierKey(Struct, frozen=True, kw_only=True):
    """A public key with its name; ``kind`` is the type byte, such as ``ED25519`` or ``COSIGNATURE``."""

    name: str
    kind: int
    public_key: bytes

    @property
    def id(self) -> bytes:
        """The 4-byte key id: SHA-256(name ‖ 0x0A ‖ type ‖ public key), its first 4 bytes."""
        return sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public_key).digest()[:_ID_BYTES]

    @property
    def identity(self) -> str:
        """Name and key id, ``<name>+<8 hex>``: what tells it from other keys."""
        return f"{self.name}+{self.id.hex()}"

    def __str__(self) -> str:
        """Return ``<name>+<8 hex of key id>+<base64(type ‖ public key)>``."""
        encoded = base64.b64encode(bytes((self.kind,)) + self.public_key).decode()
        return f"{self.identity}+{encoded}"


class SignatureLine(Struct, frozen=True, kw_only=True):
    """One signature of a note: by which key it says it is, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH} {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """Return whether it says that it is by *key*; whether it is remains to be verified."""
        return (self.name, self.key_id) == (key.name, key.id)


class ParsedCheckpoint(Struct, frozen=True, kw_only=True):
    """A checkpoint read from a note. ``text`` is what is signed; no signature has been verified yet."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[SignatureLine, ...]


def is_key_name(name: str) -> bool:
    """Return whether *name* can be that of a key: 1 to 255 characters, no white space, no ``+``."""
    return _KEY_NAME.fullmatch(name) is not None


def parse_verifier_key(text: str, *, kinds: tuple[int, ...] = (ED25519,)) -> VerifierKey:
    """
    Return the key written as *text* (c2sp.org/signed-note).

    Args:
        text: ``<name>+<8 hex of key id>+<base64(type ‖ public key)>``.
        kinds: the type bytes that are of use, out of those with keys of 32 bytes.

    Raises:
        NoteError: the grammar is broken, the id is not that of the key, or the type is none of *kinds*.

    >>> parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").id.hex()
    'c74f20a3'
    """
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not is_key_name(name) or not _KEY_ID.fullmatch(key_id):
        raise NoteError("a verifier key is <name>+<8 hex digits>+<base64>")
    data = decode_base64(encoded)
    if not data or data[0] not in kinds:
        listed = ", ".join(f"0x{kind:02x}" for kind in kinds)
        raise NoteError(f"the verifier key {name} must be of the type {listed}")
    if len(data) != 1 + KEY_BYTES:
        raise NoteError(f"the verifier key {name} must have {KEY_BYTES} bytes after its type")
    key = VerifierKey(name=name, kind=data[0], public_key=data[1:])
    if key.id.hex() != key_id:
        raise NoteError(f"the key id of {name} is not that of its key: a character is wrong or missing")
    return key


def parse_checkpoint(note: str) -> ParsedCheckpoint:
    """
    Return what *note* says: origin, size and root on three lines, then signatures (ledger-v1 §5).

    Raises:
        NoteError: it is no signed note of at most 65,536 bytes, or its text is not exactly these three lines.
    """
    text, lines = _split(note)
    parts = text.split("\n")
    if len(parts) != 4:
        raise NoteError("a checkpoint is origin, size and root on three lines, without extension lines")
    origin, size, encoded, _ = parts
    if not ORIGIN.fullmatch(origin):
        raise NoteError("an origin has 1 to 255 characters of [A-Za-z0-9._/-]")
    return ParsedCheckpoint(
        origin=origin,
        size=parse_size(size),
        root=decode_hash(encoded),
        text=text,
        signatures=parse_signatures(lines),
    )


def parse_signatures(text: str) -> tuple[SignatureLine, ...]:
    """
    Return the signature lines of *text*, in order; each ends with a newline.

    Raises:
        NoteError: there is none, there are more than 32, or one breaks the grammar.
    """
    if not text.endswith("\n"):
        raise NoteError("a signature line ends with a newline")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return tuple(map(_signature, lines))


def parse_size(text: str) -> int:
    """
    Return a tree size written in decimal, without sign and leading zeros, at most 2^63 - 1.

    Raises:
        NoteError: it is written in another way, or too large.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise NoteError("a size is a decimal number of at most 2^63 - 1 without leading zeros")
    return int(text)


def decode_hash(text: str) -> bytes:
    """
    Return the 32 bytes of a hash in base64.

    Raises:
        NoteError: it is not base64, or of another length.
    """
    value = decode_base64(text)
    if len(value) != HASH_BYTES:
        raise NoteError(f"a hash is the base64 of {HASH_BYTES} bytes")
    return value


def decode_base64(text: str) -> bytes:
    """
    Return the bytes of *text* in standard base64 with padding (RFC 4648 §4), in its one spelling.

    Raises:
        NoteError: it is not, or is another spelling of the same bytes.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("this is not standard base64") from None
    if base64.b64encode(value).decode() != text:
        raise NoteError("this is not the one spelling of its bytes in base64")
    return value


def _split(note: str) -> tuple[str, str]:
    """Return the signed text and the signature lines; the last empty line stands between them."""
    if len(note) > MAX_NOTE_BYTES or len(note.encode("utf-8", "replace")) > MAX_NOTE_BYTES:
        raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
    if any(character < " " and character != "\n" for character in note):
        raise NoteError("a note holds no control character but the newline")
    text, separator, lines = note.rpartition("\n\n")
    if not separator:
        raise NoteError("a signed note is a text, an empty line and signature lines")
    return text + "\n", lines


def _signature(line: str) -> SignatureLine:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != _DASH or not is_key_name(name):
        raise NoteError(f"a signature line is {_DASH} <key name> <base64>")
    blob = decode_base64(encoded)
    if len(blob) <= _ID_BYTES:
        raise NoteError(f"a signature has more than the {_ID_BYTES} bytes of its key id")
    return SignatureLine(name=name, key_id=blob[:_ID_BYTES], signature=blob[_ID_BYTES:])
