"""Dumps for tests that compare one way of verifying with another: clean ones, and ones changed at random."""

from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, SECOND_KEY, Ledger, sample_ledger, to_line
from tests.verifier.verdicts import joined, lines_of

NAMES = ("content", "context")


def varied_ledger() -> Ledger:
    """Records of several types, with erasures and keys, of which some withhold a payload."""
    ledger = sample_ledger(14)
    ledger.add("erasure", {"basis": "asked", "names": ["content"], "ranges": [[3, 3]]})
    ledger.add("ledger.key", {"event": "introduced", "vkey": SECOND_KEY.vkey})
    ledger.add(body={"decision": None, "text": 'a "quoted" \\ word\nand ✓', "n": -5})
    ledger.add("scan", {"findings": [{"kind": "a"}, {"kind": "b"}], "more": {}})
    for seq in range(12):
        ledger.add(body={"decision": "allow", "list": list(range(seq % 4))}, payloads={"content": "x" * seq})
    ledger.add("retention", {"basis": "age", "names": ["*"], "ranges": [[0, 2], [20, 22]]})
    ledger.add("ledger.key", {"event": "retired", "vkey": KEY.vkey})
    return ledger


LEDGER = varied_ledger()
WHOLE = LEDGER.dump(
    names=NAMES, extra=[LEDGER.checkpoint(16), LEDGER.inclusion(3, 16), LEDGER.checkpoint(32, KEY, SECOND_KEY)]
)
PARTIAL = LEDGER.dump(
    9, 25, names=NAMES, extra=[LEDGER.inclusion(9, 26), LEDGER.consistency(26, 32), LEDGER.checkpoint(32, SECOND_KEY)]
)
# Nothing stands between its records.
PLAIN = sample_ledger(40).dump()
_ODD_LINES = [
    b"", b"{}", b"\xff", b'{"x":1}', b'{"actor":', b'{"actor":{}}', b' {"actor":{"id":"a"}}',
    to_line({"payload": {"name": "content", "nonce": "ab" * 32, "seq": 3, "text": "?"}}),
    to_line({"payload": {"name": "other", "nonce": "ab" * 32, "seq": 3, "text": "?"}}),
    LEDGER.checkpoint(4), LEDGER.end(0, 7), LEDGER.lines[2], LEDGER.lines[14],
    LEDGER.lines[5].replace(b'"seq":5', b'"seq":"5"'),
    LEDGER.lines[6].replace(b'"time":"2026', b'"time":"3026'),
    LEDGER.lines[7].replace(b".000000Z", b"Z"),
    LEDGER.lines[8].replace(b'"v":1', b'"v": 1'),
]  # fmt: skip


@st.composite
def mutated_dumps(draw: st.DrawFn) -> bytes:
    """A dump in which up to four lines are dropped, repeated, moved, replaced, or have a byte changed."""
    lines = lines_of(draw(st.sampled_from([WHOLE, PARTIAL, PLAIN])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(1, len(lines) - 1))
        match draw(st.sampled_from(["drop", "repeat", "move", "odd", "byte"])):
            case "drop":
                del lines[at]
            case "repeat":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(draw(st.integers(1, len(lines) - 1)), lines.pop(at))
            case "odd":
                lines.insert(at, draw(st.sampled_from(_ODD_LINES)))
            case _ if lines[at]:
                place = draw(st.integers(0, len(lines[at]) - 1))
                changed = draw(st.integers(32, 126))
                lines[at] = lines[at][:place] + bytes([changed]) + lines[at][place + 1 :]
        if len(lines) < 3:
            break
    dump = joined(lines)
    return dump if draw(st.booleans()) else dump[:-1]
