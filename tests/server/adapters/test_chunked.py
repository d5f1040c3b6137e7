"""Chunked encryption against published vectors, against the specification read anew, and what it refuses."""

import json
import zlib
from hashlib import sha512
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from governlayer_server.adapters.crypto.chunked import ChunkedOpener, ChunkedSealer, seal
from governlayer_server.domain.errors import CipherError
from hypothesis import given
from hypothesis import strategies as st

VECTORS = json.loads(Path("tests/vectors/chunked-encryption/aes_256_gcm.json").read_text("utf-8"))["vectors"]
KEY, CHUNK = bytes(range(32)), 16_384
lengths = st.sampled_from([0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])


def open_sealed(key: bytes, context: bytes, ciphertext: bytes) -> bytes:
    opener = ChunkedOpener(key, context)
    return opener.update(ciphertext) + opener.finish()


def by_the_specification(key: bytes, context: bytes, message: bytes, salt: bytes) -> bytes:
    """Encrypt as c2sp.org/chunked-encryption says."""
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    derived = HKDFExpand(SHA512(), 32 + 12 + 32, info).derive(key)
    cipher, base, commitment = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big"), derived[44:]
    chunks = [message[at : at + CHUNK] for at in range(0, len(message) + 1, CHUNK)]
    sealed = [cipher.encrypt((base ^ n).to_bytes(12, "big"), chunk, b"") for n, chunk in enumerate(chunks)]
    return salt + commitment + b"".join(sealed)


@pytest.mark.parametrize("vector", VECTORS, ids=[one["comment"] for one in VECTORS])
def test_published_vectors(vector: dict[str, Any]) -> None:
    given_ = bytes.fromhex(vector["key"]), bytes.fromhex(vector["ctx"]), zlib.decompress(bytes.fromhex(vector["ct"]))
    if "msgLength" not in vector:
        with pytest.raises(CipherError):
            open_sealed(*given_)
        return
    opened = open_sealed(*given_)
    assert (len(opened), sha512(opened).hexdigest()) == (vector["msgLength"], vector["msgSha512"])


@given(lengths, st.binary(max_size=40), st.integers(1, 50_000))
def test_it_is_what_the_specification_says(length: int, context: bytes, step: int) -> None:
    message = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    sealer = ChunkedSealer(KEY, context)
    sealed = b"".join(sealer.update(message[at : at + step]) for at in range(0, length, step)) + sealer.finish()
    assert sealed == by_the_specification(KEY, context, message, sealed[:24])
    assert open_sealed(KEY, context, sealed) == message


@given(lengths, st.data())
def test_what_was_changed_or_cut_off_does_not_open(length: int, data: st.DataObject) -> None:
    sealed = seal(KEY, b"here", bytes(length))
    cut = data.draw(st.integers(0, len(sealed) - 1))
    at = data.draw(st.integers(0, len(sealed) - 1))
    flipped = sealed[:at] + bytes([sealed[at] ^ 1 << data.draw(st.integers(0, 7))]) + sealed[at + 1 :]
    for wrong in (sealed[:cut], flipped, sealed + b"\0"):
        with pytest.raises(CipherError):
            open_sealed(KEY, b"here", wrong)


def test_it_opens_under_its_own_key_and_context_alone() -> None:
    sealed = seal(KEY, b"here", b"text")
    for key, context in ((bytes(32), b"here"), (KEY, b"there")):
        with pytest.raises(CipherError):
            open_sealed(key, context, sealed)
