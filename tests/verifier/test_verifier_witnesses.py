"""Cosignatures (c2sp.org/tlog-cosignature) and the witness quorum of step 10, with negatives."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from governlayer_verifier import mldsa
from governlayer_verifier.cosignature import is_signed_by, shown_time, stated_time_s
from governlayer_verifier.errors import FormatError
from governlayer_verifier.note import Checkpoint, decode_base64, parse_checkpoint, parse_log_key, parse_verifier_key
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.cosigners import LOG_PQ, PQ, TIME, TIME_S, W1, W2, W3, Ed25519Cosigner, MlDsaCosigner, trust
from tests.verifier.ledger_writer import KEY, SECOND_KEY, Signer, b64, sample_ledger, sign_note, to_line, tree_root
from tests.verifier.verdicts import check, found, what

LEDGER = sample_ledger(20)
EXAMPLE = """ledger.example.com/org/acme
3
pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=

— ledger.example.com/org/acme 2LFrEW8az/YIz1kwfK5NJXhEIOd/YP0rVLk93Up9i7b3kRHcHBKhWe/moWrPkjuCHFhup4niH+PehT+/GFlQTw/kXQ4=
— witness.example.com/w1 7pd+VwAAAABpVbkAkBNzb8GgyjjOh4GhDclNX+JuWPgIDNG3zpiQdS7UWhSYbE759MpKEq+K/0dgLRSu8F5Nq0DOjqfKAOOJ+HwXDg==
"""
EXAMPLE_LOG = "ledger.example.com/org/acme+d8b16b11+AbLtPAxcZpfQ3YLxdZKn449LmFhxGN1IyEvLaZUfOuHC"
EXAMPLE_WITNESS = "witness.example.com/w1+ee977e57+BN5HA1CeOuY0ut2iQT1v40IGw2NpSspqUxSD5qC+7OSY"
AnySigner = Signer | Ed25519Cosigner


@pytest.fixture
def without_cryptography(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    mldsa.reason_unavailable.cache_clear()
    yield
    mldsa.reason_unavailable.cache_clear()


def note(size: int, *signers: AnySigner) -> str:
    """A checkpoint of the ledger at *size*."""
    return sign_note(LEDGER.origin, size, tree_root(LEDGER.leaves[:size]), *signers)  # type: ignore[arg-type]


def dump(*notes: str) -> bytes:
    return LEDGER.dump(extra=[to_line({"checkpoint": each}) for each in notes])


def judged(signer: Ed25519Cosigner, blob: bytes, text: str) -> bool:
    checkpoint = parse_checkpoint(text + f"\n— {signer.name} {b64(signer.key_id + blob)}\n")
    return is_signed_by(parse_verifier_key(signer.vkey), checkpoint, checkpoint.signatures[0].blob)


TEXT = note(20).removesuffix("\n")


# --- one signature


def test_the_worked_example_of_a_cosigned_checkpoint() -> None:
    checkpoint = parse_checkpoint(EXAMPLE)
    by_log, by_witness = (each.blob for each in checkpoint.signatures)
    log, witness = parse_verifier_key(EXAMPLE_LOG), parse_verifier_key(EXAMPLE_WITNESS)
    assert is_signed_by(log, checkpoint, by_log)
    assert is_signed_by(witness, checkpoint, by_witness)
    assert (stated_time_s(witness, by_witness), stated_time_s(log, by_log)) == (TIME_S, None)
    assert not is_signed_by(witness, checkpoint, by_log)
    assert not is_signed_by(log, checkpoint, by_witness[8:])
    assert not is_signed_by(witness, checkpoint, by_witness[:7] + b"\1" + by_witness[8:])
    assert not is_signed_by(witness, replace(checkpoint, text=checkpoint.text + b"x\n"), by_witness)


@pytest.mark.parametrize("signer", [W1, PQ], ids=["ed25519", "ml-dsa-44"])
def test_a_cosignature_holds_for_its_time_text_and_key_only(signer: Ed25519Cosigner) -> None:
    blob = signer.blob(TEXT)
    assert judged(signer, blob, TEXT)
    assert not judged(signer, (TIME_S + 1).to_bytes(8, "big") + blob[8:], TEXT)
    assert not judged(signer, blob, TEXT.replace("\n20\n", "\n19\n"))
    assert not judged(signer, blob, TEXT.replace("ledgers/test", "ledgers/tesu"))
    assert not judged(replace(signer, seed=bytes(32)), blob, TEXT)
    for cut in (blob[:-1], blob + b"\0", blob[:8], blob[:7], blob[:71]):
        assert not judged(signer, cut, TEXT)


def test_ml_dsa_commits_to_the_name_of_the_cosigner_and_ed25519_does_not() -> None:
    assert not judged(replace(PQ, name="witness.example.com/other"), PQ.blob(TEXT), TEXT)
    assert judged(replace(W1, name="witness.example.com/other"), W1.blob(TEXT), TEXT)


def test_a_plain_signature_is_no_cosignature_nor_the_other_way_round() -> None:
    plain = Signer(W1.name, W1.seed)
    signature = decode_base64(plain.line(TEXT).split(" ")[2].rstrip("\n"))[4:]
    assert not judged(W1, W1.blob(TEXT)[:8] + signature, TEXT)
    assert not parse_verifier_key(plain.vkey).verifies(TEXT.encode(), W1.blob(TEXT)[8:])


@pytest.mark.parametrize("signer", [W1, PQ], ids=["ed25519", "ml-dsa-44"])
def test_a_time_beyond_63_bits_is_refused(signer: Ed25519Cosigner) -> None:
    last = replace(signer, time_s=2**63 - 1)
    assert judged(last, last.blob(TEXT), TEXT)
    beyond = replace(signer, time_s=2**63)
    assert not judged(beyond, beyond.blob(TEXT), TEXT)


def test_a_name_too_long_for_the_structure_is_refused() -> None:
    longest = replace(PQ, name="w" * 255)
    assert judged(longest, longest.blob(TEXT), TEXT)
    key = replace(parse_verifier_key(PQ.vkey), name="w" * 256)
    assert not is_signed_by(key, parse_checkpoint(note(20, PQ)), PQ.blob(TEXT))


def test_times_are_shown_whatever_they_are() -> None:
    assert [shown_time(each) for each in (None, 0, TIME_S)] == [None, None, TIME]
    assert shown_time(2**63 - 1) == "9223372036854775807 seconds after 1970"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(W1.blob(TEXT)) * 8 - 1))
def test_any_flipped_bit_of_a_cosignature_is_found(bit: int) -> None:
    blob = bytearray(W1.blob(TEXT))
    blob[bit // 8] ^= 1 << bit % 8
    assert not judged(W1, bytes(blob), TEXT)


@pytest.mark.parametrize("kind", [b"\x04" + bytes(31), b"\x04" + bytes(33), b"\x06" + bytes(1311), b"\x01" + bytes(31)])
def test_a_public_key_of_the_wrong_length_is_refused(kind: bytes) -> None:
    with pytest.raises(FormatError, match="length"):
        parse_verifier_key(f"k+00000000+{b64(kind)}")


# --- the quorum


TWO = trust("group g 2 w1 w2 w3", "quorum g")


def test_a_quorum_on_the_newest_checkpoint_passes_and_says_who_and_when() -> None:
    later = replace(W2, time_s=TIME_S + 60)
    report = check(dump(note(10, KEY), note(20, KEY, W1, later)), (), trust=TWO)
    witnesses = report.trust.witnesses
    assert (report.verdict, report.step(10).status) == ("valid", "pass")
    assert witnesses is not None
    assert (witnesses.status, witnesses.rule, witnesses.largest_size) == ("pass", "g: 2 of w1, w2, w3", 20)
    assert [(each.name, each.time) for each in witnesses.judged[0].cosigners] == [
        ("w1", TIME),
        ("w2", "2026-01-01T00:01:00Z"),
    ]
    text = report.as_text()
    assert "cosigned by w1 (2026-01-01T00:00:00Z), w2 (2026-01-01T00:01:00Z)" in text


def test_what_the_quorum_cosigned_bounds_what_cannot_be_excluded() -> None:
    assert "first 10 records agree" in check(dump(note(10, KEY, W1, W2), note(20, KEY)), (), trust=TWO).limits
    assert check(dump(note(20, KEY)), (), trust=TWO).limits.startswith("Nothing from outside")
    false = sign_note(LEDGER.origin, 10, bytes(32), KEY, W1, W2)  # type: ignore[arg-type]
    assert check(dump(false, note(20, KEY)), (), trust=TWO).limits.startswith("Nothing from outside")


def test_too_few_cosignatures_fail_step_10_and_say_how_far_the_quorum_reached() -> None:
    report = check(dump(note(10, KEY, W1, W3), note(20, KEY, W1)), (), trust=TWO)
    assert found(report) == {(10, 19)}
    failure = report.step(10).failures[0]
    assert failure.what == "the newest checkpoint of size 20 lacks the witness quorum"
    assert failure.expected == "g: 2 of w1, w2, w3"
    assert failure.found == "cosigned by w1; the quorum cosigned up to size 10"
    assert "no witness of the trust file" in str(check(dump(note(20, KEY)), (), trust=TWO).step(10).failures[0].found)


def test_cosignatures_on_two_lines_of_one_checkpoint_count_together() -> None:
    report = check(dump(note(20, KEY, W1), note(20, KEY, W2)), (), trust=TWO)
    assert report.verdict == "valid"
    assert report.trust.witnesses is not None
    assert report.trust.witnesses.largest_size == 20


def test_one_witness_that_signs_twice_counts_once() -> None:
    assert found(check(dump(note(20, KEY, W1, replace(W1, time_s=5), W1)), (), trust=TWO)) == {(10, 19)}


def test_a_wrong_cosignature_of_a_known_witness_spoils_the_note() -> None:
    bad = note(20, KEY, W1, W2) + W3.line(note(19).removesuffix("\n"))
    report = check(dump(bad), (), trust=TWO)
    assert (9, 19) in found(report)
    assert "the cosignature of witness.example.com/w3" in what(report, 9)
    assert report.trust.witnesses is not None
    assert report.trust.witnesses.judged == ()
    # Nobody knows that witness where there is no trust file.
    assert check(dump(bad)).verdict == "valid"


def test_cosignatures_by_unknown_witnesses_are_ignored() -> None:
    stranger = Ed25519Cosigner("witness.example.com/w1", bytes([9]) * 32)
    assert found(check(dump(note(20, KEY, stranger, PQ)), (), trust=TWO)) == {(10, 19)}
    assert check(dump(note(20, KEY, stranger, W1, PQ, W2)), (), trust=TWO).verdict == "valid"


def test_a_witness_is_no_log() -> None:
    report = check(dump(note(20, W1, W2)), (), trust=TWO)
    assert found(report) == {(9, 19)}


def test_each_checkpoint_from_outside_needs_the_quorum_and_a_receipt_does_not() -> None:
    good = dump(note(20, KEY, W1, W2))
    assert check(good, (), trust=TWO, checkpoints=[note(7, KEY, W1, W2, W3)]).verdict == "valid"
    report = check(good, (), trust=TWO, checkpoints=[note(7, KEY, W1)])
    assert found(report) == {(10, 6)}
    assert "checkpoint 1 from outside of size 7 lacks" in what(report, 10)
    # It was handed out before any witness could have seen its checkpoint.
    assert check(good, (), trust=TWO, receipts=[LEDGER.receipt(4, 13)]).verdict == "valid"


def test_a_dump_without_checkpoint_leaves_the_quorum_unchecked() -> None:
    report = check(sample_ledger(0).dump(), (), trust=TWO)
    assert (report.exit_status, report.step(10).status) == (3, "not_checked")
    assert report.trust.witnesses is not None
    assert report.trust.witnesses.status == "not_checked"


def test_quorum_none_asks_for_nothing_and_its_logs_are_trusted() -> None:
    report = check(dump(note(20, KEY)), (), trust=trust("quorum none"))
    assert (report.verdict, report.step(10).status, report.trust.witnesses) == ("valid", "not_asked", None)
    assert [(each.key_id, each.source) for each in report.trust.keys] == [(KEY.key_id.hex(), "trust file, line 1")]
    assert found(check(dump(note(20, SECOND_KEY)), (), trust=trust("quorum none"))) == {(9, 19)}


def test_without_a_log_key_the_quorum_is_judged_and_signatures_are_not() -> None:
    lone = f"witness w {W1.vkey}\nquorum w\n".encode()
    report = check(dump(note(20, KEY, W1)), (), trust=lone)
    assert [report.step(n).status for n in (9, 10)] == ["not_checked", "pass"]
    assert report.exit_status == 3


# --- ML-DSA-44


WITH_PQ = trust(f"witness pq {PQ.vkey}", "quorum pq")


def test_a_post_quantum_witness_makes_a_quorum() -> None:
    assert check(dump(note(20, KEY, PQ)), (), trust=WITH_PQ).verdict == "valid"
    report = check(dump(note(20, KEY) + PQ.line(note(19).removesuffix("\n"))), (), trust=WITH_PQ)
    assert (9, 19) in found(report)
    timeless = replace(PQ, time_s=0)
    report = check(dump(note(20, KEY, timeless)), (), trust=WITH_PQ)
    assert report.verdict == "valid"
    assert report.trust.witnesses is not None
    assert report.trust.witnesses.judged[0].cosigners[0].time is None


def test_the_log_s_own_ml_dsa_signature_is_trusted_and_shown() -> None:
    report = check(dump(note(10, KEY, LOG_PQ), note(20, KEY)), [KEY.vkey, LOG_PQ.vkey])
    assert report.verdict == "valid"
    ed25519, post_quantum = report.trust.keys
    assert (ed25519.algorithm, ed25519.signed, ed25519.size, ed25519.time) == ("Ed25519", 2, 20, None)
    assert (post_quantum.algorithm, post_quantum.signed, post_quantum.size) == ("ML-DSA-44", 1, 10)
    assert (post_quantum.time, post_quantum.unchecked) == (TIME, None)
    assert check(dump(note(20, LOG_PQ)), [LOG_PQ.vkey]).verdict == "valid"
    assert found(check(dump(note(20, KEY)), [LOG_PQ.vkey])) == {(9, 19)}


def test_a_wrong_ml_dsa_signature_of_the_log_spoils_the_note() -> None:
    bad = note(20, KEY) + LOG_PQ.line(note(19).removesuffix("\n"))
    assert found(check(dump(bad), [KEY.vkey, LOG_PQ.vkey])) == {(9, 19)}
    assert check(dump(bad), [KEY.vkey]).verdict == "valid"


def test_a_retired_ml_dsa_key_is_not_trusted_any_more() -> None:
    ledger = sample_ledger(2)
    ledger.add("ledger.key", {"event": "retired", "vkey": LOG_PQ.vkey})
    root = tree_root(ledger.leaves)
    signed = to_line({"checkpoint": sign_note(ledger.origin, 3, root, LOG_PQ)})  # type: ignore[arg-type]
    assert found(check(ledger.dump(extra=[signed]), [LOG_PQ.vkey])) == {(9, 2)}


@pytest.mark.usefixtures("without_cryptography")
class TestWithoutCryptography:
    """What cannot be verified is neither good nor wrong."""

    def test_the_log_s_signature_is_not_checked(self) -> None:
        report = check(dump(note(20, KEY, LOG_PQ)), [KEY.vkey, LOG_PQ.vkey])
        assert (report.exit_status, report.step(9).status) == (3, "not_checked")
        assert "needs the package cryptography" in str(report.step(9).reason)
        assert [each.unchecked is None for each in report.trust.keys] == [True, False]
        assert check(dump(note(20, LOG_PQ)), [LOG_PQ.vkey]).exit_status == 3
        assert check(dump(note(20, KEY)), [KEY.vkey, LOG_PQ.vkey]).verdict == "valid"

    def test_garbage_under_its_name_is_never_a_pass_and_a_missing_signature_fails(self) -> None:
        garbage = f"— {LOG_PQ.name} {b64(LOG_PQ.key_id + bytes(2428))}\n"
        assert check(dump(note(20, SECOND_KEY) + garbage), [LOG_PQ.vkey]).exit_status == 3
        assert found(check(dump(note(20, SECOND_KEY)), [LOG_PQ.vkey])) == {(9, 19)}

    def test_a_checkpoint_from_outside_is_not_checked(self) -> None:
        report = check(dump(note(20, KEY)), [KEY.vkey, LOG_PQ.vkey], checkpoints=[note(7, LOG_PQ)])
        assert report.exit_status == 3
        assert report.trust.outside[0].status == "not_checked"

    def test_a_quorum_that_hangs_on_it_is_not_checked_and_one_that_does_not_passes(self) -> None:
        assert check(dump(note(20, KEY, PQ)), (), trust=WITH_PQ).step(10).status == "not_checked"
        either = trust(f"witness pq {PQ.vkey}", "group g any w1 pq", "quorum g")
        report = check(dump(note(20, KEY, PQ, W1)), (), trust=either)
        assert report.verdict == "valid"
        assert report.trust.witnesses is not None
        assert [each.checked for each in report.trust.witnesses.judged[0].cosigners] == [True, False]
        assert found(check(dump(note(20, KEY, W1)), (), trust=WITH_PQ)) == {(10, 19)}

    def test_an_introduced_key_of_that_kind_changes_nothing(self) -> None:
        ledger = sample_ledger(2)
        ledger.add("ledger.key", {"event": "introduced", "vkey": LOG_PQ.vkey})
        root = tree_root(ledger.leaves)
        both = to_line({"checkpoint": sign_note(ledger.origin, 3, root, KEY, LOG_PQ)})  # type: ignore[arg-type]
        assert check(ledger.dump(extra=[both])).verdict == "valid"


def test_a_package_that_lacks_ml_dsa_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        class MLDSA44PublicKey:
            @staticmethod
            def from_public_bytes(data: bytes) -> None:
                raise RuntimeError(data)

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", Old)  # type: ignore[arg-type]
    mldsa.reason_unavailable.cache_clear()
    try:
        assert "not supported by the package cryptography here: RuntimeError" in str(mldsa.reason_unavailable())
        with pytest.raises(mldsa.UnavailableError):
            mldsa.verify(bytes(1312), b"", bytes(2420))
    finally:
        mldsa.reason_unavailable.cache_clear()


def test_ml_dsa_refuses_other_lengths() -> None:
    signer = MlDsaCosigner("x", bytes(32))
    assert not mldsa.verify(bytes(1311), b"", bytes(2420))
    assert not mldsa.verify(signer.data[1:], b"", bytes(2419))


# --- what came from outside, in the report


def test_what_came_from_outside_is_listed_with_its_outcome() -> None:
    other = sign_note(LEDGER.origin, 9, bytes(32), KEY)
    swapped = LEDGER.receipt(4, 13).replace("index 4\n", "index 5\n")
    report = check(
        LEDGER.dump(),
        checkpoints=[note(7, KEY), other, note(8, SECOND_KEY), sign_note(LEDGER.origin, 30, bytes(32), KEY)],
        receipts=[LEDGER.receipt(4, 13), swapped],
    )
    rows = [(each.label, each.seq, each.size, each.status, each.reason) for each in report.trust.outside]
    assert rows == [
        ("checkpoint 1 from outside", 6, 7, "pass", None),
        ("checkpoint 2 from outside", 8, 9, "fail", "its root is not that of the records"),
        ("checkpoint 3 from outside", 7, 8, "fail", "no trusted key signed it"),
        ("checkpoint 4 from outside", 29, 30, "fail", "the dump ends before it: its tail was cut off"),
        ("receipt 1", 4, 13, "pass", None),
        ("receipt 2", 5, 13, "fail", "its record or its proof is wrong"),
    ]
    unasked = check(LEDGER.dump(), (), checkpoints=[note(7, KEY)]).trust.outside[0]
    assert (unasked.status, unasked.reason) == ("not_checked", "no trusted key was given (--key)")


def test_introduced_and_retired_keys_are_listed() -> None:
    ledger = sample_ledger(1)
    ledger.add("ledger.key", {"event": "introduced", "vkey": SECOND_KEY.vkey})
    ledger.add("ledger.key", {"event": "retired", "vkey": KEY.vkey})
    ledger.add()
    report = check(ledger.dump(extra=[ledger.checkpoint(2, KEY), ledger.checkpoint(4, SECOND_KEY)]))
    rows = [(each.source, each.after, each.until, each.signed) for each in report.trust.keys]
    assert rows == [("--key", None, 2, 1), ("introduced by record 1", 1, None, 1)]


def test_a_name_in_the_report_is_safe_on_a_terminal() -> None:
    ledger, hostile = sample_ledger(1), Signer("\x1b[2J" + "x" * 500, SECOND_KEY.seed)
    ledger.add("ledger.key", {"event": "introduced", "vkey": hostile.vkey})
    report = check(ledger.dump())
    assert report.trust.keys[1].name == "\\x1b[2J" + "x" * 96 + "…"
    assert "\x1b" not in report.as_text()


def test_what_is_wrong_from_outside_anchors_nothing() -> None:
    root = tree_root(LEDGER.leaves)
    elsewhere = sign_note("gl.example.com/ledgers/other", 20, root, KEY)
    unsigned = note(20, SECOND_KEY)
    spoiled = note(20, KEY) + KEY.line("another text")
    for each in (elsewhere, unsigned, spoiled):
        report = check(LEDGER.dump(), checkpoints=[each])
        assert (report.outside_size, report.exit_status) == (None, 1)
        assert report.limits.startswith("Nothing that was brought from outside agrees")
    wrong_record = LEDGER.receipt(4, 13).replace(b64(LEDGER.lines[4]), b64(LEDGER.lines[5]))
    assert check(LEDGER.dump(), receipts=[wrong_record]).outside_size is None
    assert check(LEDGER.dump(), (), checkpoints=[note(20, KEY)]).outside_size == 20


def test_a_log_key_is_ed25519_or_ml_dsa() -> None:
    assert [parse_log_key(each).algorithm for each in (KEY.vkey, LOG_PQ.vkey)] == ["Ed25519", "ML-DSA-44"]
    with pytest.raises(FormatError, match="not a key of a log"):
        parse_log_key(W1.vkey)
    assert isinstance(parse_checkpoint(EXAMPLE), Checkpoint)
