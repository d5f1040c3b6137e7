"""
The score of one action by the method ``glrs-1``: bounded, explainable, the same number on every machine.

The method, with weights in hundredths and factors combined as "one minus the product of what is left":

1. impact ``I`` from data, reversibility, scope, rights and value;
2. exposure ``E`` from injection, untrusted content, unknown tool and anomaly;
3. ``base = min(10, 6.1 I + 3.9 E)``, a floor that no mitigation takes away;
4. ``score = base + (10 - base) * F/10 * threat * oversight``, times ten, rounded half up, once.

Everything is integer arithmetic over powers of ten, so nothing is rounded on the way.

The vector names each factor by a letter, in this order (neutral values first):

====== ===================== ==========================================
letter factor                values
====== ===================== ==========================================
D      data                  N none, I internal, P personal, S special
R      reversibility         F full, P partial, N none
S      scope                 R record, T tenant, X external
G      rights                N none, A affects, H high
V      value                 N below any limit, S soft, H hard
I      injection             C clean, S suspicious, L likely
U      untrusted_content     N no, Y yes
K      unknown_tool          N no, Y yes
A      anomaly               N no, Y yes
F      agent_factor_tenths   0.0 to 10.0
T      threat                P proof of concept, U unreported, A attacked
M      oversight             N none, S sampled, E each call
====== ===================== ==========================================
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

METHOD = "glrs-1"

Level = Literal["low", "medium", "high", "critical"]
Part = Literal["impact", "exposure", "threat", "oversight"]


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """One value a factor can take: its letter in the vector and its weight in hundredths."""

    letter: str
    hundredths: int

    def decimal(self) -> str:
        """Return the weight as a decimal text with two digits, ``"0.22"``."""
        return f"{self.hundredths // 100}.{self.hundredths % 100:02d}"


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the method's table; values stand from the mildest to the gravest."""

    name: str
    letter: str
    part: Part
    neutral: str
    values: Mapping[str, Weight]


def _factor(
    name: str,
    letter: str,
    part: Part,
    neutral: str,
    values: str,
) -> Factor:
    """Return the factor whose *values* are written ``name:letter:hundredths``, separated by spaces."""
    rows = (row.split(":") for row in values.split())
    weights = {value: Weight(letter=mark, hundredths=int(hundredths)) for value, mark, hundredths in rows}
    return Factor(name=name, letter=letter, part=part, neutral=neutral, values=MappingProxyType(weights))


# .22 and .56 are the impact constants of CVSS v3.1, threat and oversight are OWASP AIVSS 0.8; .44 is ours.
FACTORS: tuple[Factor, ...] = (
    _factor("data", "D", "impact", "none", "none:N:0 internal:I:22 personal:P:44 special:S:56"),
    _factor("reversibility", "R", "impact", "full", "full:F:0 partial:P:22 none:N:56"),
    _factor("scope", "S", "impact", "record", "record:R:0 tenant:T:22 external:X:56"),
    _factor("rights", "G", "impact", "none", "none:N:0 affects:A:22 high:H:56"),
    _factor("value", "V", "impact", "below", "below:N:0 soft:S:22 hard:H:56"),
    _factor("injection", "I", "exposure", "clean", "clean:C:0 suspicious:S:22 likely:L:56"),
    _factor("untrusted_content", "U", "exposure", "no", "no:N:0 yes:Y:22"),
    _factor("unknown_tool", "K", "exposure", "no", "no:N:0 yes:Y:22"),
    _factor("anomaly", "A", "exposure", "no", "no:N:0 yes:Y:22"),
    _factor("threat", "T", "threat", "poc", "unreported:U:50 poc:P:97 attacked:A:100"),
    _factor("oversight", "M", "oversight", "none", "each_call:E:67 sampled:S:83 none:N:100"),
)
_IMPACT_TENTHS = 61
_EXPOSURE_TENTHS = 39
_LEVELS: tuple[tuple[int, Level], ...] = ((90, "critical"), (70, "high"), (40, "medium"), (0, "low"))


class RiskFactors(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known about one action; every default is the neutral value.

    Args:
        data: gravest class of data touched; ``special`` also stands for financial data and secrets.
        reversibility: how far the effect can be undone.
        scope: one record, one tenant, or many tenants and the outside world.
        rights: whether a person's rights are untouched, affected, or decided on (EU AI Act, Annex III).
        value: amount at stake against the operator's soft and hard limits.
        injection: what the scanner says about the content.
        untrusted_content: content came from the web, a tool or retrieval.
        unknown_tool: the tool or the agent's identity is not pinned.
        anomaly: the action departs from what this agent usually does.
        agent_factor_tenths: ``F`` of the agent (OWASP AIVSS factor sum) times ten, 0 to 100.
        threat: maturity of known attacks.
        oversight: whether a person approves each call, samples, or neither.

    Raises:
        ValueError: a value is not in the method's table, or *agent_factor_tenths* is out of range.
    """

    data: Literal["none", "internal", "personal", "special"] = "none"
    reversibility: Literal["full", "partial", "none"] = "full"
    scope: Literal["record", "tenant", "external"] = "record"
    rights: Literal["none", "affects", "high"] = "none"
    value: Literal["below", "soft", "hard"] = "below"
    injection: Literal["clean", "suspicious", "likely"] = "clean"
    untrusted_content: bool = False
    unknown_tool: bool = False
    anomaly: bool = False
    agent_factor_tenths: int = 0
    threat: Literal["unreported", "poc", "attacked"] = "poc"
    oversight: Literal["each_call", "sampled", "none"] = "none"

    def __post_init__(self) -> None:
        for factor in FACTORS:
            if _value(self, factor) not in factor.values:
                raise ValueError(f"{factor.name} must be one of {', '.join(factor.values)}")
        if not 0 <= self.agent_factor_tenths <= 100:
            raise ValueError("agent_factor_tenths must be 0 to 100")


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """How much one factor moves the score: *delta* points against its neutral value, others unchanged."""

    factor: str
    value: str
    weight: str
    delta: int


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """A score of 0 to 100 with everything needed to recompute and to explain it."""

    score: int
    level: Level
    method: str
    vector: str
    contributions: tuple[Contribution, ...]


class WeightRow(msgspec.Struct, frozen=True, kw_only=True):
    """One published weight of the method: factor, value, letters, and the weight as a decimal text."""

    factor: str
    factor_letter: str
    part: str
    value: str
    letter: str
    weight: str
    neutral: bool


def score(factors: RiskFactors) -> Risk:
    """
    Return the risk of an action with these *factors* by ``glrs-1``.

    Returns:
        Score 0 to 100, monotone in every factor; level ``medium`` from 40, ``high`` from 70,
        ``critical`` from 90.

    >>> score(RiskFactors(data="personal", scope="tenant", agent_factor_tenths=35)).score
    57
    """
    chosen = {factor.name: factor.values[_value(factors, factor)].hundredths for factor in FACTORS}
    points = _points(chosen, factors.agent_factor_tenths)
    contributions = [
        Contribution(
            factor=factor.name,
            value=_value(factors, factor),
            weight=factor.values[_value(factors, factor)].decimal(),
            delta=points - _points(chosen | {factor.name: _neutral(factor)}, factors.agent_factor_tenths),
        )
        for factor in FACTORS
    ]
    agent = _tenths(factors.agent_factor_tenths)
    agent_delta = points - _points(chosen, 0)
    contributions.append(Contribution(factor="agent_factor", value=agent, weight=agent, delta=agent_delta))
    level = next(name for least, name in _LEVELS if points >= least)
    return Risk(
        score=points,
        level=level,
        method=METHOD,
        vector=_vector(factors),
        contributions=tuple(contributions),
    )


def weights() -> tuple[WeightRow, ...]:
    """Return the whole table of ``glrs-1``, factor by factor, in the order of the vector's letters."""
    return tuple(
        WeightRow(
            factor=factor.name,
            factor_letter=factor.letter,
            part=factor.part,
            value=value,
            letter=weight.letter,
            weight=weight.decimal(),
            neutral=value == factor.neutral,
        )
        for factor in FACTORS
        for value, weight in factor.values.items()
    )


def _points(chosen: Mapping[str, int], agent_factor_tenths: int) -> int:
    """Return the score for weights in hundredths, rounded half up at the very end."""
    impact = 10**10 - _left(chosen, "impact")
    exposure = 10**8 - _left(chosen, "exposure")
    base = min(10**12, _IMPACT_TENTHS * impact + _EXPOSURE_TENTHS * exposure * 100)  # scale 10**11
    gap = (10**12 - base) * agent_factor_tenths * chosen["threat"] * chosen["oversight"]  # scale 10**17
    return (base * 10**6 + gap + 5 * 10**15) // 10**16


def _left(chosen: Mapping[str, int], part: str) -> int:
    """Return the product of (1 - weight) over the factors of *part*, one hundredth scale per factor."""
    left = 1
    for factor in FACTORS:
        if factor.part == part:
            left *= 100 - chosen[factor.name]
    return left


def _vector(factors: RiskFactors) -> str:
    letters = [f"{factor.letter}:{factor.values[_value(factors, factor)].letter}" for factor in FACTORS]
    before_agent, after_agent = letters[:9], letters[9:]
    return "/".join(["GLRS:1", *before_agent, f"F:{_tenths(factors.agent_factor_tenths)}", *after_agent])


def _value(factors: RiskFactors, factor: Factor) -> str:
    value = getattr(factors, factor.name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _neutral(factor: Factor) -> int:
    return factor.values[factor.neutral].hundredths


def _tenths(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"
