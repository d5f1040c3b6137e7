"""
The server writes, the verifier judges; they share a specification and no code.

The only place that imports both. What the server writes is accepted whole; and of what was changed afterwards, be it
one bit, not one change is accepted.
"""

import json
import re

import governlayer_verifier
import pytest
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.crosscheck.ledgers import Planned, Written, edits, spelled, write, write_decisions
from tests.fakes.strategies import objects, texts

# Their bodies have a meaning that the verifier checks.
MEANT = {"erasure", "retention", "ledger.key", "restore"}
kinds = st.sampled_from(["decision", "scan", "export", "key.created", "policy.published"]) | st.from_regex(
    r"[a-z_]{1,6}(\.[a-z_]{1,6}){0,3}", fullmatch=True
).filter(lambda kind: kind not in MEANT)
payload_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
plans = st.lists(
    st.builds(
        Planned,
        kind=kinds,
        actor_id=texts,
        actor_kind=st.sampled_from(ActorKind),
        body=objects(6),
        payloads=st.dictionaries(st.sampled_from(PAYLOAD_NAMES), payload_texts, max_size=4),
        elapsed_us=st.integers(-5_000_000, 5_000_000_000),
    ),
    max_size=12,
)
disclosed = st.lists(st.sampled_from(PAYLOAD_NAMES), unique=True)


@pytest.fixture(scope="module")
def written() -> Written:
    return write_decisions("allow", "deny", "redact", "approve")


def refused(written: Written, dump: bytes) -> bool:
    report = written.verdict(dump)
    assert report.verdict in {"valid", "invalid"}, "everything that was asked for could be checked"
    return report.verdict == "invalid"


@settings(max_examples=60)
@given(plans, disclosed)
def test_the_verifier_accepts_every_ledger_that_the_server_writes(plan: list[Planned], names: list[str]) -> None:
    made = write(plan, names)
    report = made.verdict(checkpoints=[made.checkpoint], receipts=made.receipts)
    assert report.verdict == "valid", report.as_text()
    assert report.records == len(plan) + 3
    assert report.payloads == sum(len(set(planned.payloads) & set(names)) for planned in plan)


@settings(max_examples=15)
@given(plans.filter(bool), st.data())
def test_the_verifier_refuses_any_edit_of_any_ledger(plan: list[Planned], data: st.DataObject) -> None:
    made = write(plan)
    lines = made.dump.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if line.startswith((b'{"actor":', b'{"payload":'))]
    for _ in range(12):
        place = data.draw(st.sampled_from(places))
        original = json.loads(lines[place])
        what, edited = data.draw(st.sampled_from([one for one in edits(original) if one[1] != original]))
        dump = b"".join([*lines[:place], spelled(edited), *lines[place + 1 :]])
        assert refused(made, dump), f"line {place}: {what}"


def test_a_ledger_of_decisions_is_accepted(written: Written) -> None:
    report = written.verdict(checkpoints=[written.checkpoint], receipts=written.receipts)
    assert report.verdict == "valid", report.as_text()
    assert (report.records, report.payloads) == (8, 16)


def test_every_single_edit_of_every_record_and_payload_is_refused(written: Written) -> None:
    lines = written.dump.splitlines(keepends=True)
    count, accepted = 0, []
    for place, line in enumerate(lines):
        original = json.loads(line)
        if not {"actor", "payload"} & set(original):
            continue
        assert spelled(original) == line
        for what, edited in edits(original):
            if edited == original and repr(edited) == repr(original):
                continue
            count += 1
            if not refused(written, b"".join([*lines[:place], spelled(edited), *lines[place + 1 :]])):
                accepted.append(f"line {place}: {what}")
    print(f"{count} edits refused over {len(lines)} lines")
    assert accepted == []
    assert count >= 2_800


def rests_on_nothing(what: str) -> bool:
    """Whether an edit of the header only changes the date or the keys, which are claims (ledger-v1 §7)."""
    return re.match(r"dump (created|keys) (?!removed|renamed|duplicated)", what) is not None


def test_every_edit_of_header_checkpoint_and_trailer_is_refused(written: Written) -> None:
    lines = written.dump.splitlines(keepends=True)
    count, accepted = 0, []
    for place in (0, len(lines) - 2, len(lines) - 1):
        original = json.loads(lines[place])
        for what, edited in edits(original):
            if rests_on_nothing(what):
                continue
            count += 1
            if not refused(written, b"".join([*lines[:place], spelled(edited), *lines[place + 1 :]])):
                accepted.append(f"line {place}: {what}")
    assert accepted == []
    assert count >= 100


def test_every_removed_repeated_moved_or_swapped_line_is_refused(written: Written) -> None:
    lines = written.dump.splitlines(keepends=True)
    checkpoint = len(lines) - 2
    dumps: dict[str, list[bytes]] = {}
    for place, line in enumerate(lines):
        rest = lines[:place] + lines[place + 1 :]
        dumps[f"{place} removed"] = rest
        # A checkpoint may stand anywhere after its last record, and more than once (ledger-v1 §7).
        if place != checkpoint:
            dumps[f"{place} repeated"] = [*lines[: place + 1], *lines[place:]]
        dumps[f"{place} emptied"] = [*lines[:place], b"\n", *lines[place + 1 :]]
        dumps[f"{place} without its end"] = [*lines[:place], line[:-2] + b"\n", *lines[place + 1 :]]
        dumps[f"{place} joined"] = [*lines[:place], line[:-1], *lines[place + 1 :]]
        for other in range(len(lines)):
            if other not in {place, place - 1}:
                dumps[f"{place} moved to {other}"] = [*rest[:other], line, *rest[other:]]
        dumps[f"all from {place} on cut off"] = lines[:place]
    # Without its newline the last line is still a whole line.
    del dumps[f"{len(lines) - 1} joined"]
    accepted = [
        what
        for what, dump in dumps.items()
        if b"".join(dump) != written.dump and refused(written, b"".join(dump)) is False
    ]
    print(f"{len(dumps)} rearrangements refused")
    assert accepted == []
    assert len(dumps) >= 500


def test_every_flipped_bit_is_refused() -> None:
    written = write_decisions("redact")
    header = written.dump.index(b"\n")
    created = written.dump.index(b'"created":') + len(b'"created":"')
    keys = written.dump.index(b'"keys":') + len(b'"keys":["')
    claims = {*range(created, created + 27), *range(keys, written.dump.index(b'"]', keys))}
    assert max(claims) < header
    count, accepted = 0, []
    for place in range(len(written.dump)):
        if place in claims:
            continue
        flipped = bytearray(written.dump)
        flipped[place] ^= 1 << (place * 5 % 8)
        count += 1
        if not refused(written, bytes(flipped)):
            accepted.append((place, bytes(flipped[max(0, place - 20) : place + 20])))
    print(f"{count} flipped bits refused in {len(written.dump)} bytes")
    assert accepted == []
    assert count >= 4_400


def test_a_dump_cut_off_anywhere_is_refused(written: Written) -> None:
    accepted = [length for length in range(0, len(written.dump) - 1, 7) if not refused(written, written.dump[:length])]
    assert accepted == []


def test_a_ledger_that_is_whole_but_another_one_is_refused(written: Written) -> None:
    other = write_decisions("allow", "deny", "redact", "approve", seed=b"other")
    assert other.verdict().verdict == "valid"
    assert refused(written, other.dump)
    for held_against in ({"receipts": other.receipts}, {"checkpoints": [other.checkpoint]}):
        assert written.verdict(**held_against).verdict == "invalid"


def test_a_ledger_that_was_written_anew_contradicts_older_receipts_and_checkpoints(written: Written) -> None:
    """Who holds the signing key can write another history; what was kept elsewhere tells (ledger-v1 §1)."""
    anew = write_decisions("allow", "allow", "allow", "allow")
    assert (anew.key, anew.origin) == (written.key, written.origin)
    assert anew.verdict().verdict == "valid"
    assert anew.verdict(checkpoints=[written.checkpoint]).verdict == "invalid"
    assert anew.verdict(receipts=[written.receipts[0]]).verdict == "valid"
    for receipt in written.receipts[1:]:
        assert anew.verdict(receipts=[receipt]).verdict == "invalid"


def test_receipts_are_refused_after_any_changed_character(written: Written) -> None:
    receipt = written.receipts[0]
    count = 0
    for place in range(0, len(receipt), 5):
        changed = receipt[:place] + chr(ord(receipt[place]) ^ 1) + receipt[place + 1 :]
        count += 1
        assert receipt_refused(written, changed), f"character {place}"
    assert count >= 250


def receipt_refused(written: Written, receipt: str) -> bool:
    try:
        return written.verdict(receipts=[receipt]).verdict == "invalid"
    except governlayer_verifier.ArgumentError:
        return True


def test_the_largest_payloads_are_accepted() -> None:
    largest = {"content": "\x01" * 1_048_576, "arguments": "\U0001f600" * 262_144, "context": "\x7f" * 1_048_576}
    plan = [Planned("decision", "k", ActorKind.API_KEY, {}, largest, 1)]
    report = write(plan).verdict()
    assert report.verdict == "valid", report.as_text()


def test_the_largest_record_is_accepted() -> None:
    body = {"text": "x" * 15_900, "deep": {"a": {"b": {"c": {"d": {"e": {}}}}}}}
    report = write([Planned("decision", "k", ActorKind.API_KEY, body, {}, 1)]).verdict()
    assert report.verdict == "valid", report.as_text()
