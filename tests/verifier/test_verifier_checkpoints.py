"""Steps 8 to 10 in full dumps: checkpoints, keys and their succession, checkpoints and receipts from outside."""

import base64
import hashlib

import pytest
from governlayer_verifier.errors import FormatError
from governlayer_verifier.keys import MAX_SPANS
from governlayer_verifier.note import parse_checkpoint, parse_verifier_key
from governlayer_verifier.receipt import parse_receipt
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import (
    KEY,
    SECOND_KEY,
    THIRD_KEY,
    Ledger,
    Signer,
    b64,
    sample_ledger,
    sign_note,
    to_line,
    tree_root,
)
from tests.verifier.verdicts import check, found, joined, lines_of, what

LEDGER = sample_ledger(20)
NOTE = LEDGER.note(13)
RECEIPT = LEDGER.receipt(4, 13)
WITNESS = Signer("witness.example.com/w1", bytes(range(3, 35)))


def with_key_records(*events: tuple[str, Signer] | None) -> Ledger:
    """One record per event: a ledger.key record, or a plain one for None."""
    ledger = Ledger()
    for event in events:
        if event is None:
            ledger.add()
        else:
            ledger.add("ledger.key", {"event": event[0], "vkey": event[1].vkey})
    return ledger


def dump_with(ledger: Ledger, *checkpoints: bytes) -> bytes:
    return ledger.dump(extra=checkpoints)


def test_checkpoints_may_stand_anywhere_after_their_last_record() -> None:
    sizes = [5, 1, 20, 13, 13, 0]
    assert check(dump_with(LEDGER, *map(LEDGER.checkpoint, sizes))).verdict == "valid"


def test_a_checkpoint_before_its_last_record_fails_step_8() -> None:
    lines = lines_of(LEDGER.dump())
    lines.insert(5, LEDGER.checkpoint(10))
    assert found(check(joined(lines))) == {(8, 9)}


def test_a_signed_root_of_other_records_fails_step_8_at_each_size() -> None:
    other = sample_ledger(20)
    other.leaves[3] = other.leaves[4]
    report = check(dump_with(LEDGER, other.checkpoint(3), other.checkpoint(4), other.checkpoint(20)))
    assert found(report) == {(8, 3), (8, 19)}


def test_without_a_trusted_key_signatures_are_not_checked_and_the_status_is_3() -> None:
    report = check(LEDGER.dump(), [], checkpoints=[NOTE], receipts=[RECEIPT])
    assert (report.verdict, report.exit_status) == ("incomplete", 3)
    assert [report.step(n).status for n in (9, 10)] == ["not_checked", "not_checked"]
    # A key that the ledger itself introduces is no trust either.
    report = check(with_key_records(("introduced", KEY), None).dump(), [])
    assert (report.verdict, found(report)) == ("incomplete", set())


def test_failures_outweigh_what_was_not_checked() -> None:
    assert check(LEDGER.dump().replace(b'"score":3}', b'"score":4}'), []).exit_status == 1


def test_a_checkpoint_by_an_unknown_key_alone_is_not_accepted() -> None:
    assert found(check(LEDGER.dump(), [SECOND_KEY.vkey])) == {(9, 19)}
    assert found(check(dump_with(LEDGER, LEDGER.checkpoint(20, WITNESS)))) == {(9, 19)}


def test_signatures_by_unknown_keys_are_ignored() -> None:
    assert check(dump_with(LEDGER, LEDGER.checkpoint(20, WITNESS, KEY, SECOND_KEY))).verdict == "valid"


def test_any_trusted_key_will_do() -> None:
    assert check(LEDGER.dump(), [SECOND_KEY.vkey, KEY.vkey, KEY.vkey]).verdict == "valid"


def test_a_wrong_signature_of_a_known_key_spoils_a_note_that_another_signed_well() -> None:
    other = sign_note(LEDGER.origin, 19, tree_root(LEDGER.leaves[:19]), SECOND_KEY).split("\n")
    bad = LEDGER.note(20, KEY) + other[4] + "\n"
    report = check(dump_with(LEDGER, to_line({"checkpoint": bad})), [KEY.vkey, SECOND_KEY.vkey])
    assert found(report) == {(9, 19)}
    assert "is wrong" in what(report, 9)
    assert check(dump_with(LEDGER, to_line({"checkpoint": bad})), [KEY.vkey]).verdict == "valid"


def test_a_checkpoint_of_another_ledger_by_the_same_key_fails() -> None:
    note = sign_note("gl.example.com/ledgers/other", 20, tree_root(LEDGER.leaves), KEY)
    assert found(check(dump_with(LEDGER, to_line({"checkpoint": note})))) == {(9, 19)}
    assert found(check(LEDGER.dump(), checkpoints=[note])) == {(9, 19)}


# --- key succession, ledger-v1 §5


def test_an_introduced_key_is_trusted_once_a_trusted_key_covers_its_record() -> None:
    ledger = with_key_records(None, ("introduced", SECOND_KEY), None, None)
    checkpoints = [ledger.checkpoint(2, KEY), ledger.checkpoint(4, SECOND_KEY)]
    assert check(dump_with(ledger, *checkpoints)).verdict == "valid"
    assert check(dump_with(ledger, *reversed(checkpoints))).verdict == "valid"


def test_an_introduced_key_alone_is_not_trusted() -> None:
    ledger = with_key_records(None, ("introduced", SECOND_KEY), None, None)
    for checkpoints in ([], [ledger.checkpoint(1, KEY)]):
        report = check(dump_with(ledger, *checkpoints, ledger.checkpoint(4, SECOND_KEY)))
        assert found(report) == {(9, 3)}
        assert "no trusted key covers" in what(report, 9)


def test_an_introduced_key_is_not_trusted_for_sizes_up_to_its_record() -> None:
    ledger = with_key_records(None, None, ("introduced", SECOND_KEY), None)
    extra = [ledger.checkpoint(2, SECOND_KEY), ledger.checkpoint(3, SECOND_KEY), ledger.checkpoint(4, KEY)]
    assert found(check(dump_with(ledger, *extra))) == {(9, 1)}


def test_a_retired_key_is_not_trusted_from_its_record_on() -> None:
    ledger = with_key_records(None, ("introduced", SECOND_KEY), ("retired", KEY), None)
    before = [ledger.checkpoint(2, KEY), ledger.checkpoint(4, SECOND_KEY)]
    assert check(dump_with(ledger, *before)).verdict == "valid"
    report = check(dump_with(ledger, *before, ledger.checkpoint(3, KEY)))
    assert found(report) == {(9, 2)}
    assert "not in service" in what(report, 9)


def test_trust_passes_along_a_chain_of_keys_whatever_the_order_of_checkpoints() -> None:
    ledger = with_key_records(
        ("introduced", SECOND_KEY), ("retired", KEY), ("introduced", THIRD_KEY), ("retired", SECOND_KEY), None
    )
    extra = [ledger.checkpoint(5, THIRD_KEY), ledger.checkpoint(3, SECOND_KEY), ledger.checkpoint(1, KEY)]
    assert check(dump_with(ledger, *extra)).verdict == "valid"
    assert found(check(dump_with(ledger, extra[0], extra[2]))) == {(9, 4)}
    assert found(check(dump_with(ledger, extra[0], extra[1]))) == {(9, 4), (9, 2)}


def test_two_new_keys_cannot_vouch_for_each_other() -> None:
    ledger = with_key_records(("introduced", SECOND_KEY), ("introduced", THIRD_KEY), None)
    extra = [ledger.checkpoint(3, SECOND_KEY), ledger.checkpoint(3, THIRD_KEY)]
    assert check(dump_with(ledger, *extra)).step(9).count == 2


def test_a_key_whose_checkpoint_differs_from_the_records_vouches_for_nothing() -> None:
    ledger = with_key_records(("introduced", SECOND_KEY), None)
    false = to_line({"checkpoint": sign_note(ledger.origin, 1, bytes(32), KEY)})
    assert found(check(dump_with(ledger, false, ledger.checkpoint(2, SECOND_KEY)))) == {(8, 0), (9, 1)}


def test_a_retired_key_vouches_for_nobody() -> None:
    ledger = with_key_records(None, ("retired", KEY), ("introduced", SECOND_KEY), None)
    extra = [ledger.checkpoint(1, KEY), ledger.checkpoint(3, KEY), ledger.checkpoint(4, SECOND_KEY)]
    assert found(check(dump_with(ledger, *extra))) == {(9, 2), (9, 3)}


def test_a_checkpoint_from_outside_may_vouch_for_an_introduced_key() -> None:
    ledger = with_key_records(("introduced", SECOND_KEY), None)
    dump = dump_with(ledger, ledger.checkpoint(2, SECOND_KEY))
    assert check(dump, checkpoints=[ledger.note(1, KEY)]).verdict == "valid"


def test_a_retired_key_may_be_introduced_again() -> None:
    ledger = with_key_records(
        ("introduced", SECOND_KEY), ("retired", KEY), ("introduced", KEY), ("introduced", KEY), None
    )
    extra = [ledger.checkpoint(1, KEY), ledger.checkpoint(4, SECOND_KEY), ledger.checkpoint(5, KEY)]
    assert check(dump_with(ledger, *extra)).verdict == "valid"


@pytest.mark.parametrize(
    "body",
    [
        {"event": "introduced"},
        {"event": "lost", "vkey": KEY.vkey},
        {"event": "introduced", "vkey": "nonsense"},
        {"event": ["introduced"], "vkey": KEY.vkey},
        {"vkey": KEY.vkey},
        {"event": "introduced", "vkey": KEY.vkey[:-2] + "5="},
    ],
)
def test_a_malformed_key_record_is_reported(body: object) -> None:
    ledger = Ledger()
    ledger.add("ledger.key", body)
    assert found(check(ledger.dump())) == {(9, 0)}


def test_a_key_of_another_algorithm_may_be_introduced_and_is_passed_over() -> None:
    data = b"\x06" + bytes(1312)
    key_id = hashlib.sha256(b"gl.example.com\n" + data).digest()[:4]
    ledger = Ledger()
    vkey = f"gl.example.com+{key_id.hex()}+{b64(data)}"
    ledger.add("ledger.key", {"event": "introduced", "vkey": vkey})
    note = ledger.note(1) + f"— gl.example.com {b64(key_id + bytes(2428))}\n"
    assert check(dump_with(ledger, to_line({"checkpoint": note}))).verdict == "valid"


def test_the_number_of_introduced_keys_is_bounded() -> None:
    ledger = Ledger()
    for index in range(MAX_SPANS + 1):
        data = b"\x01" + index.to_bytes(32, "big")
        key_id = hashlib.sha256(b"k\n" + data).digest()[:4].hex()
        ledger.add("ledger.key", {"event": "introduced", "vkey": f"k+{key_id}+{b64(data)}"})
    assert "too many keys" in what(check(ledger.dump()), 9)


# --- from outside


def test_a_checkpoint_from_outside_that_agrees_is_named_in_the_report() -> None:
    report = check(LEDGER.dump(), checkpoints=[NOTE, LEDGER.note(7)])
    assert (report.verdict, report.outside_size) == ("valid", 13)
    assert "first 13 records" in report.as_text()
    assert "cannot be excluded" in check(LEDGER.dump()).as_text()
    assert check(LEDGER.dump()).outside_size is None


def test_a_rewritten_ledger_is_found_by_a_checkpoint_or_receipt_from_before() -> None:
    rewritten = sample_ledger(20)
    rewritten.lines, rewritten.leaves = [], []
    for seq in range(20):
        rewritten.add(body={"decision": "allow", "seq": seq})
    dump = rewritten.dump()
    assert check(dump).verdict == "valid"
    assert found(check(dump, checkpoints=[NOTE])) == {(9, 12)}
    assert found(check(dump, receipts=[RECEIPT])) == {(10, 4)}
    assert check(dump, receipts=[RECEIPT]).step(10).count == 2


def test_a_cut_tail_is_found_by_a_checkpoint_or_receipt_from_before() -> None:
    dump = LEDGER.dump(0, 11)
    assert check(dump).verdict == "valid"
    report = check(dump, checkpoints=[NOTE])
    assert found(report) == {(9, 12)}
    assert "cut off" in what(report, 9)
    assert found(check(dump, receipts=[RECEIPT])) == {(10, 4)}


def test_a_checkpoint_from_outside_needs_a_trusted_signature() -> None:
    assert found(check(LEDGER.dump(), checkpoints=[LEDGER.note(13, SECOND_KEY)])) == {(9, 12)}
    assert found(check(LEDGER.dump(), receipts=[LEDGER.receipt(4, 13, SECOND_KEY)])) == {(10, 4)}


@pytest.mark.parametrize("index", [0, 4, 12])
def test_a_receipt_proves_its_record(index: int) -> None:
    report = check(LEDGER.dump(), receipts=[LEDGER.receipt(index, 13)])
    assert (report.verdict, report.step(10).status, report.outside_size) == ("valid", "pass", 13)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(RECEIPT) - 1), st.characters(codec="utf-8"))
def test_a_changed_receipt_is_never_accepted(at: int, character: str) -> None:
    assume(RECEIPT[at] != character)
    changed = RECEIPT[:at] + character + RECEIPT[at + 1 :]
    try:
        parse_receipt(changed)
    except FormatError:
        return
    assert check(LEDGER.dump(), receipts=[changed]).exit_status == 1


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_changed_checkpoint_is_never_accepted(at: int, character: str) -> None:
    assume(NOTE[at] != character)
    changed = NOTE[:at] + character + NOTE[at + 1 :]
    try:
        parse_checkpoint(changed)
    except FormatError:
        return
    assert check(LEDGER.dump(), checkpoints=[changed]).exit_status == 1


def test_a_receipt_for_another_index_or_with_another_record_fails() -> None:
    swapped = RECEIPT.replace(b64(LEDGER.lines[4]), b64(LEDGER.lines[5]))
    assert found(check(LEDGER.dump(), receipts=[swapped])) == {(10, 4)}
    moved = RECEIPT.replace("index 4\n", "index 5\n")
    assert found(check(LEDGER.dump(), receipts=[moved])) == {(10, 5)}
    spaced = RECEIPT.replace(b64(LEDGER.lines[4]), b64(b" " + LEDGER.lines[4]))
    assert "re-serialization" in what(check(LEDGER.dump(), receipts=[spaced]), 10)
    garbage = RECEIPT.replace(b64(LEDGER.lines[4]), b64(b"\xff"))
    assert "does not parse" in what(check(LEDGER.dump(), receipts=[garbage]), 10)
    beyond = RECEIPT.replace("index 4\n", "index 400\n")
    assert found(check(LEDGER.dump(), receipts=[beyond])) == {(10, 400)}


def test_a_receipt_whose_record_bears_another_seq_fails() -> None:
    ledger = Ledger()
    ledger.add()
    ledger.add(seq=5)
    assert "another seq" in what(check(ledger.dump(), receipts=[ledger.receipt(1, 2)]), 10)


# --- grammar


ROOT = b64(tree_root(LEDGER.leaves))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE.rstrip("\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE + "\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace("\n13\n", "\n013\n"),
        NOTE.replace("\n13\n", "\n-13\n"),
        NOTE.replace("\n13\n", "\n+13\n"),
        NOTE.replace("\n13\n", "\n１３\n"),
        NOTE.replace("\n13\n", "\n99999999999999999999\n"),
        NOTE.replace("\n13\n", "\n9223372036854775808\n"),
        NOTE.replace("\n13\n", "\n13\n13\n"),
        NOTE.replace("\n\n", "\nextension\n\n"),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("gl.example.com/ledgers/test", "has space"),
        NOTE.replace("— gl.example.com", "— gl+example"),
        NOTE.replace("— gl.example.com", "— gl\u00a0example"),
        NOTE.replace("— gl.example.com", "— "),
        NOTE.replace("=\n\n", "\n\n"),
        NOTE.replace("=\n\n", "==\n\n"),
        NOTE[:-3] + "\n",
        NOTE + "— x AAAA\n",
        NOTE + "— x AAAAAA==\n",
        NOTE + "\x00",
        NOTE + "— x AAAAAAB=\n",
        NOTE + "\ud800",
        NOTE + "— w AAAAAAAA\n" * 100,
        "x" * 1_000_001,
    ],
)
def test_malformed_notes_do_not_parse(note: str) -> None:
    with pytest.raises(FormatError):
        parse_checkpoint(note)


def test_a_note_may_bear_many_signatures() -> None:
    checkpoint = parse_checkpoint(NOTE + "— w.example.com AAAAAAAA\n" * 99)
    assert (checkpoint.size, len(checkpoint.signatures)) == (13, 100)


@pytest.mark.parametrize(
    "receipt",
    [
        "",
        RECEIPT.replace("@v1", "@v2"),
        RECEIPT.replace("extra ", "Extra "),
        RECEIPT.replace("index 4", "index 04"),
        RECEIPT.replace("index 4", "index -4"),
        RECEIPT.replace("index 4", "inde 4"),
        RECEIPT.replace("index 4\n", "index 4\nAAAA\n"),
        RECEIPT.replace("index 4\n", "index 4\n" + ROOT[:-1] + "\n"),
        RECEIPT.replace("index 4\n", "index 4\n" + (ROOT + "\n") * 64),
        RECEIPT.partition("\n\n")[0],
        RECEIPT.partition("\n")[0] + "\n" + RECEIPT.partition("\n")[2].partition("\n")[2],
    ],
)
def test_malformed_receipts_do_not_parse(receipt: str) -> None:
    with pytest.raises(FormatError):
        parse_receipt(receipt)


def test_known_answers_of_the_signed_note_specification() -> None:
    key = parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    blob = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert blob[:4] == key.key_id
    assert key.verifies(text, blob[4:])
    assert not key.verifies(text + b"x", blob[4:])
