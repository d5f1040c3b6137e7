"""Signed notes, checkpoints, cosignatures and requests to witnesses are read as their specifications say."""

import base64
from hashlib import sha256

import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.cosignature import (
    Cosignature,
    cosignature_line,
    cosigned_message,
    parse_cosignature,
)
from governlayer_server.domain.ledger.note import (
    COSIGNATURE,
    ED25519,
    VerifierKey,
    parse_checkpoint,
    parse_signatures,
    parse_verifier_key,
)
from governlayer_server.domain.ledger.witness import parse_add_checkpoint
from governlayer_server.usecases.verify_note import log_signatures, verified_cosignature
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.witness import Log

# Made once with golang.org/x/mod/sumdb/note (the log's signature); the cosignature is Ed25519 over the message below.
LOG = "ledger.example.com/org/acme+d8b16b11+AbLtPAxcZpfQ3YLxdZKn449LmFhxGN1IyEvLaZUfOuHC"
WITNESS = "witness.example.com/w1+ee977e57+BN5HA1CeOuY0ut2iQT1v40IGw2NpSspqUxSD5qC+7OSY"
TEXT = "ledger.example.com/org/acme\n3\npkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=\n"
LOG_LINE = (
    "— ledger.example.com/org/acme "
    "2LFrEW8az/YIz1kwfK5NJXhEIOd/YP0rVLk93Up9i7b3kRHcHBKhWe/moWrPkjuCHFhup4niH+PehT+/GFlQTw/kXQ4=\n"
)
WITNESS_LINE = (
    "— witness.example.com/w1 7pd+VwAAAABpVbkAkBNzb8GgyjjOh4GhDclNX+JuWPgIDNG3zpiQdS7UWhSYbE759MpKEq+K/0dgLRSu8F5Nq0DO"
    "jqfKAOOJ+HwXDg==\n"
)
NOTE = f"{TEXT}\n{LOG_LINE}{WITNESS_LINE}"
WITNESS_SEED = sha256(b"governlayer example witness key").digest()


def test_the_example_is_read_and_both_its_signatures_hold() -> None:
    checkpoint = parse_checkpoint(NOTE)
    assert (checkpoint.origin, checkpoint.size, checkpoint.text) == ("ledger.example.com/org/acme", 3, TEXT)
    assert base64.b64encode(checkpoint.root).decode() == "pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs="
    assert [str(line) for line in checkpoint.signatures] == [LOG_LINE, WITNESS_LINE]
    log, witness = parse_verifier_key(LOG), parse_verifier_key(WITNESS, kinds=(COSIGNATURE,))
    assert [str(line) for line in log_signatures(checkpoint, [log], verify_ed25519)] == [LOG_LINE]
    assert verified_cosignature(TEXT, checkpoint.signatures, witness, verify_ed25519).time_s == 1_767_225_600


def test_the_example_cosignature_is_made_again_byte_for_byte() -> None:
    signer = Ed25519Signer("witness.example.com/w1", WITNESS_SEED)
    key = VerifierKey(name=signer.name, kind=COSIGNATURE, public_key=signer.public_key)
    assert str(key) == WITNESS
    made = Cosignature(time_s=1_767_225_600, signature=signer.sign(cosigned_message(TEXT, 1_767_225_600)))
    assert str(cosignature_line(key, made)) == WITNESS_LINE


def test_the_example_of_the_note_package_is_verified() -> None:
    key = parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    (line,) = parse_signatures(
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert line.is_by(key)
    assert verify_ed25519(key.public_key, text.encode(), line.signature)
    assert not verify_ed25519(key.public_key, text.encode() + b"\n", line.signature)


@pytest.mark.parametrize(
    "changed",
    [
        NOTE.replace("\n3\n", "\n03\n"),
        NOTE.replace("\n3\n", "\n-3\n"),
        NOTE.replace("\n3\n", f"\n{2**63}\n"),
        NOTE.replace("pkvybgkSj2", "pkvybgkS"),
        NOTE.replace("8cs=\n", "8ct=\n"),
        NOTE.replace("8cs=\n", "8cs=\nextension\n"),
        NOTE.replace("ledger.example.com/org/acme\n3", "ledger example com\n3"),
        NOTE.replace("ledger.example.com/org/acme\n3", "\n3"),
        NOTE.replace("— witness", "- witness"),
        NOTE.replace("— witness.example.com/w1", "— wit+ness"),
        NOTE.replace("\n3\n", "\n3\r\n"),
        NOTE.replace("— witness.example.com/w1", "—  witness.example.com/w1"),
        NOTE[:-1],
        TEXT,
        TEXT + "\n",
        f"{TEXT}\n— name AAAAAA==\n",
        NOTE + WITNESS_LINE * 32,
        NOTE + "\n",
        "\ud800" + NOTE,
        "x" * 70_000 + NOTE,
    ],
)
def test_a_note_that_breaks_the_grammar_is_refused(changed: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(changed)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_as_a_note(text: str) -> None:
    for given_text in (text, f"{TEXT}\n{text}", f"{text}\n{LOG_LINE}"):
        try:
            parse_checkpoint(given_text)
        except NoteError:
            continue


@pytest.mark.parametrize(
    "changed",
    [
        LOG.replace("+d8b16b11", "+d8b16b12"),
        LOG.replace("+d8b16b11", "+D8B16B11"),
        LOG.replace("acme", "acmf"),
        LOG[:-4],
        "",
        "name",
        "a b" + LOG,
        WITNESS,
    ],
)
def test_a_verifier_key_that_is_not_what_it_says_is_refused(changed: str) -> None:
    with pytest.raises(NoteError):
        parse_verifier_key(changed)


@given(st.binary(min_size=32, max_size=32), st.sampled_from([ED25519, COSIGNATURE]))
def test_a_verifier_key_is_read_back_as_it_is_written(public_key: bytes, kind: int) -> None:
    key = VerifierKey(name="example.com/é", kind=kind, public_key=public_key)
    assert parse_verifier_key(str(key), kinds=(kind,)) == key


def test_a_known_signature_that_does_not_hold_spoils_the_note_and_an_unknown_one_does_not() -> None:
    key = parse_verifier_key(LOG)
    forged = parse_checkpoint(NOTE.replace("\n3\n", "\n4\n"))
    with pytest.raises(NoteError, match="does not hold"):
        log_signatures(forged, [key], verify_ed25519)
    with pytest.raises(NoteError, match="not signed"):
        log_signatures(parse_checkpoint(NOTE), [Log().key], verify_ed25519)
    good = Log().grown(3)
    spoiled = parse_checkpoint(good.note() + good.note().rpartition("\n\n")[2].replace("/", "+"))
    assert len(spoiled.signatures) == 2
    with pytest.raises(NoteError):
        log_signatures(spoiled, [good.key], verify_ed25519)


def test_a_cosignature_of_another_text_time_or_length_is_refused() -> None:
    witness = parse_verifier_key(WITNESS, kinds=(COSIGNATURE,))
    (line,) = parse_signatures(WITNESS_LINE)
    later = cosignature_line(witness, Cosignature(time_s=1_767_225_601, signature=parse_cosignature(line).signature))
    for text, lines in ((TEXT.replace("\n3\n", "\n4\n"), [line]), (TEXT, [later]), (TEXT, [])):
        with pytest.raises(NoteError):
            verified_cosignature(text, lines, witness, verify_ed25519)
    (short,) = parse_signatures("— witness.example.com/w1 7pd+VwAAAABpVbkA\n")
    with pytest.raises(NoteError):
        parse_cosignature(short)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"old 2\n", b"old 02\n"),
        (b"old 2\n", b"old -2\n"),
        (b"old 2\n", b"size 2\n"),
        (b"old 2\n", b"old 2\n" + b"A" * 44 + b"\n"),
        (b"old 2\n", b"old 2\n" + (base64.b64encode(bytes(32)) + b"\n") * 63),
        (b"\n\n", b"\n"),
        (b"example", b"ex\xffmple"),
    ],
)
def test_a_request_that_breaks_the_grammar_is_refused(old: bytes, new: bytes) -> None:
    body = Log().grown(3).request(2)
    assert parse_add_checkpoint(body).old == 2
    changed = body.replace(old, new)
    assert changed != body
    with pytest.raises(NoteError):
        parse_add_checkpoint(changed)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_as_a_request(body: bytes) -> None:
    try:
        parse_add_checkpoint(body)
    except NoteError:
        return
