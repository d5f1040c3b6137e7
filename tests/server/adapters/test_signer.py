"""The signing keys: RFC 8032, tlog-cosignature, no key material shown, and no signing with keys of long ago."""

import base64
import struct

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from governlayer_server.adapters.crypto.signer import MAX_AGE_S, Ed25519Signer, KeysInService, MlDsa44Signer
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.domain.ledger.cosigned import cosigned_tree

from tests.fakes.clock import FakeClock, WallClock

# RFC 8032 §7.1, tests 1 to 3: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), RFC_8032)
def test_signatures_are_those_of_rfc_8032(seed: str, public_key: str, message: str, signature: str) -> None:
    signer = Ed25519Signer("name", bytes.fromhex(seed))
    assert signer.public_key.hex() == public_key
    assert signer.sign(bytes.fromhex(message)).hex() == signature


def test_no_key_material_is_shown() -> None:
    assert repr(Ed25519Signer("gl.example.com", b"S" * 32)) == "Ed25519Signer('gl.example.com')"
    assert repr(MlDsa44Signer("gl.example.com", b"S" * 32)) == "MlDsa44Signer('gl.example.com')"
    assert "S" * 8 not in repr(KeysInService([Ed25519Signer("a", b"S" * 32)], FakeClock()))


def test_the_message_of_a_cosignature_is_the_structure_of_its_specification() -> None:
    """Byte by byte, as c2sp.org/tlog-cosignature lays it out: lengths in front of names, numbers of 64 bits."""
    root = bytes(range(32))
    expected = (
        bytes.fromhex("737562747265652f76310a00")
        + b"\x0egl.example.com"
        + bytes.fromhex("0000000065920080")
        + b"\x10gl.example.com/1"
        + bytes.fromhex("000000000000000000000000000001ff")
        + root
    )
    assert cosigned_tree("gl.example.com", "gl.example.com/1", 511, root, 0x65920080) == expected


def test_a_post_quantum_signature_holds_for_its_tree_its_time_and_its_name_alone() -> None:
    key, root = MlDsa44Signer("gl.example.com", bytes(range(32))), bytes(range(32))
    dash, name, encoded = key.line("gl.example.com/1", 7, root, 1_000).split()
    blob = base64.b64decode(encoded)
    assert (dash, name, len(blob)) == ("\u2014", "gl.example.com", 4 + 8 + 2_420)
    assert blob[:4].hex() == key.vkey.split("+")[1]
    assert struct.unpack(">Q", blob[4:12]) == (1_000,)
    public = MLDSA44PublicKey.from_public_bytes(key.public_key)
    public.verify(blob[12:], cosigned_tree("gl.example.com", "gl.example.com/1", 7, root, 1_000))
    for other in (
        cosigned_tree("gl.example.org", "gl.example.com/1", 7, root, 1_000),
        cosigned_tree("gl.example.com", "gl.example.com/2", 7, root, 1_000),
        cosigned_tree("gl.example.com", "gl.example.com/1", 8, root, 1_000),
        cosigned_tree("gl.example.com", "gl.example.com/1", 7, root[::-1], 1_000),
        cosigned_tree("gl.example.com", "gl.example.com/1", 7, root, 1_001),
    ):
        with pytest.raises(InvalidSignature):
            public.verify(blob[12:], other)


def test_the_verifier_key_of_ml_dsa_44_names_its_type() -> None:
    key = MlDsa44Signer("gl.example.com", bytes(32))
    name, key_id, encoded = key.vkey.split("+", 2)
    assert (name, len(key_id), base64.b64decode(encoded)) == ("gl.example.com", 8, b"\x06" + key.public_key)


def test_all_keys_in_service_sign_ed25519_first_and_of_a_kind_the_oldest_first() -> None:
    post_quantum, old, new = MlDsa44Signer("a", bytes(32)), Ed25519Signer("a", bytes(32)), Ed25519Signer("a", b"n" * 32)
    signer = KeysInService([post_quantum, old, new], FakeClock())
    assert signer.vkeys == [old.vkey, new.vkey, post_quantum.vkey]
    assert signer.sign("text\n") == [old.line("text\n"), new.line("text\n")]
    assert len(signer.cosign("a/1", 1, bytes(32), 0)) == 1
    signer.renew([new])
    assert signer.vkeys == [new.vkey]
    assert signer.sign("text\n") == [new.line("text\n")]
    assert signer.cosign("a/1", 1, bytes(32), 0) == []


def test_keys_that_were_not_read_for_a_minute_sign_no_more_until_they_are() -> None:
    clock = FakeClock()
    key = Ed25519Signer("a", bytes(32))
    signer = KeysInService([key], WallClock(clock))
    clock.advance(MAX_AGE_S * 1_000_000)
    assert signer.sign("text\n")
    clock.advance(1)
    with pytest.raises(LedgerUnavailable):
        signer.sign("text\n")
    with pytest.raises(LedgerUnavailable):
        signer.cosign("a/1", 1, bytes(32), 0)
    assert signer.vkeys == [key.vkey], "what the keys are may be told"
    signer.renew([key])
    assert signer.sign("text\n")
