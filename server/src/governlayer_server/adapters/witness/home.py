"""The directory of a witness: ``witness.key``, made once, and ``witness.sqlite``, without which it does not sign."""

import base64
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.embedded.directory import private_directory, read_private, write_once
from governlayer_server.adapters.witness.state import SqliteWitnessState
from governlayer_server.domain.errors import ConfigurationError, NoteError
from governlayer_server.domain.ledger.note import COSIGNATURE, KEY_BYTES, VerifierKey, decode_base64, is_key_name
from governlayer_server.ports import Entropy

_PREFIX = "PRIVATE+KEY+"


@contextmanager
def open_witness(
    directory: Path, name: str | None, entropy: Entropy
) -> Iterator[tuple[SqliteWitnessState, Ed25519Signer]]:
    """
    Open the memory and the key of the witness in *directory*; both are made at the first start.

    Args:
        directory: of this user alone (0700); made if it is missing.
        name: the witness's key name; None for the one that it has. It never changes.
        entropy: for a new key.

    Raises:
        ConfigurationError: there is no name yet, the key has another one, or the memory is gone while the key is there:
            a witness that has forgotten what it signed must not sign again. Nothing was made.
        UnsafeDirectoryError: the directory or the key is open to others.
    """
    key, memory = directory / "witness.key", directory / "witness.sqlite"
    if not key.exists() and (name is None or not is_key_name(name)):
        raise ConfigurationError("a new witness needs --name: a DNS name of yours, without white space and +")
    if key.exists() and not memory.exists():
        raise ConfigurationError(
            f"{memory} is gone: without it the witness could sign two histories. Restore the newest state, or remove "
            f"{key} and give the new key to those who trust the old one"
        )
    private_directory(directory)
    memory.touch(0o600)
    try:
        with closing(SqliteWitnessState(memory, new=not key.exists())) as state:
            yield state, _signer(key, name, entropy)
    except sqlite3.Error:
        raise ConfigurationError(f"{memory} is damaged or cannot be read: restore the newest state") from None


def _signer(file: Path, name: str | None, entropy: Entropy) -> Ed25519Signer:
    if not file.exists() and name is not None:
        write_once(file, _spelled(name, entropy.bytes(KEY_BYTES)))
    signer = _read(file)
    if name not in {None, signer.name}:
        raise ConfigurationError(f"this witness is {signer.name}, which never changes")
    return signer


def _spelled(name: str, seed: bytes) -> str:
    """Return a private key as golang.org/x/mod/sumdb/note writes it, with the type of cosignatures."""
    key_id = _key_of(Ed25519Signer(name, seed)).id.hex()
    return f"{_PREFIX}{name}+{key_id}+{base64.b64encode(bytes((COSIGNATURE,)) + seed).decode()}"


def _read(file: Path) -> Ed25519Signer:
    text = read_private(file)
    name, _, rest = text.removeprefix(_PREFIX).partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        data = decode_base64(encoded)
        signer = Ed25519Signer(name, data[1:])
    except (NoteError, ValueError):
        raise ConfigurationError(f"{file} is damaged: restore it") from None
    if not text.startswith(_PREFIX) or data[0] != COSIGNATURE or _key_of(signer).id.hex() != key_id:
        raise ConfigurationError(f"{file} is damaged: restore it")
    return signer


def _key_of(signer: Ed25519Signer) -> VerifierKey:
    return VerifierKey(name=signer.name, kind=COSIGNATURE, public_key=signer.public_key)
