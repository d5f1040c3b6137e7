"""XAES-256-GCM against the vectors of c2sp.org/XAES-256-GCM, and what it refuses."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from governlayer_server.adapters.crypto.xaes import NONCE_BYTES, XAES256GCM
from governlayer_server.domain.errors import CipherError
from hypothesis import given
from hypothesis import strategies as st

NONCE = b"ABCDEFGHIJKLMNOPQRSTUVWX"
PLAINTEXT = b"XAES-256-GCM"
AAD = b"c2sp.org/XAES-256-GCM"


@pytest.mark.parametrize(
    ("key", "associated", "expected"),
    [
        (b"\x01" * 32, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (b"\x03" * 32, AAD, "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ],
)
def test_the_vectors_of_the_specification(key: bytes, associated: bytes, expected: str) -> None:
    cipher = XAES256GCM(key)
    assert cipher.encrypt_with_nonce(NONCE, PLAINTEXT, associated).hex() == expected
    assert cipher.decrypt(NONCE + bytes.fromhex(expected), associated) == PLAINTEXT


def cmac_of(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=24, max_size=24),
    st.binary(max_size=80),
    st.binary(max_size=40),
)
def test_it_is_aes_256_gcm_under_a_key_derived_by_cmac(
    key: bytes, nonce: bytes, text: bytes, associated: bytes
) -> None:
    """The definition in the specification: Kx = CMAC(K, 00 01 58 00 ‖ N[:12]) ‖ CMAC(K, 00 02 58 00 ‖ N[:12])."""
    derived = b"".join(cmac_of(key, bytes([0, count, 0x58, 0]) + nonce[:12]) for count in (1, 2))
    expected = AESGCM(derived).encrypt(nonce[12:], text, associated)
    assert XAES256GCM(key).encrypt_with_nonce(nonce, text, associated) == expected


def test_every_bit_of_the_sealed_bytes_and_of_the_associated_data_counts() -> None:
    cipher = XAES256GCM(bytes(range(32)))
    sealed = cipher.encrypt(PLAINTEXT, AAD)
    for flipped in flips(sealed):
        with pytest.raises(CipherError):
            cipher.decrypt(flipped, AAD)
    for flipped in flips(AAD):
        with pytest.raises(CipherError):
            cipher.decrypt(sealed, flipped)


def test_every_bit_of_the_key_counts() -> None:
    sealed = XAES256GCM(bytes(range(32))).encrypt(PLAINTEXT, AAD)
    for key in flips(bytes(range(32))):
        with pytest.raises(CipherError):
            XAES256GCM(key).decrypt(sealed, AAD)


def test_cut_and_empty_ciphertexts_are_refused() -> None:
    cipher = XAES256GCM(bytes(32))
    sealed = cipher.encrypt(b"", b"")
    for length in range(len(sealed)):
        with pytest.raises(CipherError):
            cipher.decrypt(sealed[:length], b"")


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(CipherError):
        XAES256GCM(bytes(length))


def test_nonces_are_fresh() -> None:
    cipher = XAES256GCM(bytes(32))
    assert len({cipher.encrypt(b"x", b"")[:NONCE_BYTES] for _ in range(100)}) == 100


def test_no_key_is_shown() -> None:
    assert repr(XAES256GCM(b"K" * 32)) == "XAES256GCM(…)"


def flips(data: bytes) -> list[bytes]:
    """*data* with one bit changed, for each of its bits."""
    return [
        data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :] for bit in range(len(data) * 8)
    ]
