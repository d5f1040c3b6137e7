"""Password verifiers against the example of RFC 7677 §3."""

import hmac
from base64 import b64decode
from hashlib import sha256

import pytest
from governlayer_server.adapters.embedded.scram import matches, verifier
from hypothesis import given
from hypothesis import strategies as st

SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CONVERSATION = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}"


def test_the_keys_verify_the_proof_and_make_the_signature_of_rfc_7677() -> None:
    stored_key, server_key = map(b64decode, verifier("pencil", SALT).rpartition("$")[2].split(":"))
    proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored_key, CONVERSATION.encode(), "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert sha256(client_key).digest() == stored_key
    assert hmac.digest(server_key, CONVERSATION.encode(), "sha256") == b64decode(
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )


@given(st.text("abcABC019-_", min_size=1, max_size=43), st.binary(min_size=16, max_size=16))
def test_a_verifier_matches_its_password_and_no_other(password: str, salt: bytes) -> None:
    stored = verifier(password, salt)
    assert matches(password, stored)
    assert not matches(password + "x", stored)


@pytest.mark.parametrize("stored", [None, "", "md5abc", "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$x:y"])
def test_what_is_no_verifier_matches_nothing(stored: str | None) -> None:
    assert not matches("pencil", stored)
