"""Ed25519: RFC 8032 vectors, edge cases as data, and agreement with another implementation."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from governlayer_verifier import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

VECTORS = Path(__file__).parents[1] / "vectors" / "ed25519"
RFC = json.loads((VECTORS / "rfc8032.json").read_text())["vectors"]
EDGES = json.loads((VECTORS / "edge_cases.json").read_text())["vectors"]
SEEDS = st.binary(min_size=32, max_size=32)


def parts(vector: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    return tuple(bytes.fromhex(vector[name]) for name in ("public_key", "message", "signature"))  # type: ignore[return-value]  # three names


def other_implementation(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("vector", RFC + EDGES, ids=lambda each: each["name"])
def test_vector(vector: dict[str, Any]) -> None:
    assert ed25519.verify(*parts(vector)) is vector["valid"]


def test_the_vectors_hold_what_they_are_said_to_hold() -> None:
    assert len(RFC) == 5
    assert all(vector["valid"] for vector in RFC)
    assert sum(not vector["valid"] for vector in EDGES) >= 75
    for topic in ("torsion point", "not canonical", "malleable", "S = L", "mixed order", "empty signature"):
        assert any(topic in vector["name"] for vector in EDGES)


@pytest.mark.parametrize("vector", RFC + EDGES, ids=lambda each: each["name"])
def test_nothing_is_accepted_that_another_implementation_refuses(vector: dict[str, Any]) -> None:
    if vector["valid"]:
        assert other_implementation(*parts(vector))


def test_some_edge_cases_are_refused_here_alone() -> None:
    """Small-order keys let anyone sign; the other implementation accepts such signatures, this one must not."""
    assert sum(other_implementation(*parts(vector)) and not vector["valid"] for vector in EDGES) > 5


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.binary(max_size=200), st.integers(0, 8 * 64 - 1))
def test_both_implementations_agree_on_signatures_and_on_flipped_bits(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public_key, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519.verify(public_key, message, signature)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not ed25519.verify(public_key, message, bytes(flipped))
    assert not other_implementation(public_key, message, bytes(flipped))
    assert not ed25519.verify(public_key, message + b"!", signature)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=20), st.binary(min_size=64, max_size=64))
def test_random_bytes_are_no_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    assert not ed25519.verify(public_key, message, signature)


@pytest.mark.parametrize("y", range(19))
@pytest.mark.parametrize("sign", [0, 1])
def test_no_coordinate_beyond_the_field_decodes(y: int, sign: int) -> None:
    """Nobody knows a secret key for most of these points, so no signature could show it."""
    beyond = (2**255 - 19 + y) | sign << 255
    assert ed25519._decode(beyond.to_bytes(32, "little")) is None


@pytest.mark.parametrize("y", [1, 2**255 - 20])
def test_minus_zero_does_not_decode(y: int) -> None:
    assert ed25519._decode(y.to_bytes(32, "little")) is not None
    assert ed25519._decode((y | 1 << 255).to_bytes(32, "little")) is None
