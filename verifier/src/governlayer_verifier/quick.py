"""``--quick``: what the steps need of a record line is read from its end; its form is not checked.

In the canonical bytes of a record the members stand in the order of their names, so the line ends with
``,"commitments":{…},"prev_hash":"…","seq":N,"time":"…","type":"…","v":1}`` and nothing after it. The expression below
is held against exactly that end of the line, from the last ``,"commitments":{`` on. Text inside the record cannot
stand in for it: within a JSON string every quote follows a backslash, so only members of some object can spell
``,"commitments":{``; an object inside ``body`` ends before the record's own ``commitments`` begins; and after those
nothing but hex digits, digits, a time and a type may follow, none of which holds a quote. So of every line that is
canonical the expression reads what a parser reads. Of a line that is not, it reads what its end says, or nothing: then
the careful way is taken. Whether a line is canonical is what ``--quick`` leaves out; its bytes are hashed as they are.
"""

import re

from governlayer_verifier.chain import is_hex
from governlayer_verifier.record import MEANT, TIME_PATTERN, Facts, is_moment

_START = '{"actor":'
_COMMITMENTS = ',"commitments":{'
_END = re.compile(
    r',"commitments":\{([^}]*+)\},"prev_hash":"([^"]{64})","seq":(0|[1-9][0-9]{0,14}+),'
    rf'"time":"({TIME_PATTERN})","type":"([a-z_.]{{1,64}}+)","v":1\}}',
    re.ASCII,
)
_COMMITMENT = re.compile(r'"([a-z_]{1,32}+)":"([0-9a-f]{64})"(?:,(?=")|\Z)')


def read_end(text: str) -> Facts | None:
    """
    Return the facts of the record line *text*, without its body, by its end alone.

    None where the end is not that of a record, or the type is one whose body is needed.
    """
    match = _END.fullmatch(text, text.rfind(_COMMITMENTS)) if text.startswith(_START) else None
    if match is None:
        return None
    spelled, prev_hash, seq, time, kind = match.groups()
    commitments = _read_commitments(spelled)
    if commitments is None or kind in MEANT or not is_hex(prev_hash) or not is_moment(time):
        return None
    return Facts(int(seq), time, prev_hash, kind, commitments, {})


def _read_commitments(spelled: str) -> dict[str, str] | None:
    commitments = dict(_COMMITMENT.findall(spelled))
    # Name, 64 digits, four quotes, colon and comma each, but for the last comma: then nothing else stands there.
    length = sum(len(name) + 70 for name in commitments)
    return commitments if len(spelled) == max(length - 1, 0) else None
