"""glrs-1: the examples of its definition, and what must hold for every input."""

from fractions import Fraction
from typing import get_args, get_type_hints

import msgspec
import pytest
from governlayer_server.domain.risk import METHOD, Risk, RiskFactors, score, weights
from hypothesis import given
from hypothesis import strategies as st

ORDERED: dict[str, list[object]] = {
    "data": ["none", "internal", "personal", "special"],
    "reversibility": ["full", "partial", "none"],
    "scope": ["record", "tenant", "external"],
    "rights": ["none", "affects", "high"],
    "value": ["below", "soft", "hard"],
    "injection": ["clean", "suspicious", "likely"],
    "untrusted_content": [False, True],
    "unknown_tool": [False, True],
    "anomaly": [False, True],
    "agent_factor_tenths": list(range(101)),
    "threat": ["unreported", "poc", "attacked"],
    "oversight": ["each_call", "sampled", "none"],
}
any_factors = st.builds(RiskFactors, **{name: st.sampled_from(values) for name, values in ORDERED.items()})

DATA = {"none": "0", "internal": ".22", "personal": ".44", "special": ".56"}
STEP = {"full": "0", "partial": ".22", "record": "0", "tenant": ".22", "external": ".56", "affects": ".22"}
STEP |= {
    "high": ".56",
    "below": "0",
    "soft": ".22",
    "hard": ".56",
    "clean": "0",
    "suspicious": ".22",
    "likely": ".56",
}
THREAT = {"unreported": ".50", "poc": ".97", "attacked": "1"}
OVERSIGHT = {"each_call": ".67", "sampled": ".83", "none": "1"}


def by_the_book(f: RiskFactors) -> int:
    """The definition written a second time, in exact fractions."""
    left = 1 - Fraction(DATA[f.data])
    left *= 1 - Fraction(".56" if f.reversibility == "none" else STEP[f.reversibility])
    left *= 1 - Fraction(STEP[f.scope])
    left *= 1 - Fraction("0" if f.rights == "none" else STEP[f.rights])
    left *= 1 - Fraction(STEP[f.value])
    calm = 1 - Fraction(STEP[f.injection])
    for flag in (f.untrusted_content, f.unknown_tool, f.anomaly):
        calm *= Fraction(".78") if flag else 1
    base = min(Fraction(10), Fraction("6.1") * (1 - left) + Fraction("3.9") * (1 - calm))
    agent = Fraction(f.agent_factor_tenths, 100)
    total = base + (10 - base) * agent * Fraction(THREAT[f.threat]) * Fraction(OVERSIGHT[f.oversight])
    return int(total * 10 + Fraction(1, 2))


@pytest.mark.parametrize(
    ("factors", "expected", "level"),
    [
        (RiskFactors(), 0, "low"),
        (RiskFactors(agent_factor_tenths=15), 15, "low"),
        (RiskFactors(data="personal", scope="tenant", agent_factor_tenths=35), 57, "medium"),
        (
            RiskFactors(data="personal", scope="tenant", agent_factor_tenths=35, oversight="each_call"),
            49,
            "medium",
        ),
        (RiskFactors(agent_factor_tenths=100, threat="attacked"), 100, "critical"),
    ],
)
def test_the_examples_of_the_definition(factors: RiskFactors, expected: int, level: str) -> None:
    risk = score(factors)
    assert (risk.score, risk.level, risk.method) == (expected, level, METHOD)


@pytest.mark.parametrize(
    ("tenths", "points", "level"),
    [
        (39, 39, "low"),
        (40, 40, "medium"),
        (69, 69, "medium"),
        (70, 70, "high"),
        (89, 89, "high"),
        (90, 90, "critical"),
    ],
)
def test_levels_change_at_40_70_and_90(tenths: int, points: int, level: str) -> None:
    risk = score(RiskFactors(agent_factor_tenths=tenths, threat="attacked"))
    assert (risk.score, risk.level) == (points, level)


def test_a_half_is_rounded_up() -> None:
    assert score(RiskFactors(agent_factor_tenths=1, threat="unreported")).score == 1  # exactly 0.5
    assert score(RiskFactors(agent_factor_tenths=3, threat="unreported")).score == 2  # exactly 1.5


def test_the_vector_names_every_factor() -> None:
    factors = RiskFactors(
        data="personal",
        reversibility="none",
        scope="tenant",
        injection="suspicious",
        untrusted_content=True,
        agent_factor_tenths=50,
    )
    assert score(factors).vector == "GLRS:1/D:P/R:N/S:T/G:N/V:N/I:S/U:Y/K:N/A:N/F:5.0/T:P/M:N"


def test_contributions_say_what_each_factor_moves() -> None:
    risk = score(RiskFactors(data="personal", scope="tenant", agent_factor_tenths=35, oversight="each_call"))
    deltas = {item.factor: (item.value, item.weight, item.delta) for item in risk.contributions}
    assert deltas["data"] == ("personal", "0.44", 49 - 33)
    assert deltas["oversight"] == ("each_call", "0.67", 49 - 57)
    assert deltas["agent_factor"] == ("3.5", "3.5", 49 - 34)
    assert deltas["rights"] == ("none", "0.00", 0)
    assert len(deltas) == 12


def test_the_published_table_is_complete_and_its_letters_are_unambiguous() -> None:
    rows = weights()
    hints = get_type_hints(RiskFactors)
    for name, hint in hints.items():
        if name == "agent_factor_tenths":
            continue
        values = [row.value for row in rows if row.factor == name]
        assert values == (["no", "yes"] if hint is bool else list(get_args(hint))) or set(values) == set(get_args(hint))
        assert sum(row.neutral for row in rows if row.factor == name) == 1
    assert len({(row.factor_letter, row.letter) for row in rows}) == len(rows)


@pytest.mark.parametrize("change", [{"agent_factor_tenths": -1}, {"agent_factor_tenths": 101}, {"data": "secret"}])
def test_a_value_outside_the_table_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RiskFactors(**change)  # type: ignore[arg-type]  # the wrong value is the point


@given(any_factors)
def test_the_score_is_what_the_definition_says(factors: RiskFactors) -> None:
    risk = score(factors)
    assert risk.score == by_the_book(factors)
    assert 0 <= risk.score <= 100
    assert score(factors) == risk


@given(any_factors, st.sampled_from(sorted(ORDERED)), st.data())
def test_a_graver_value_never_lowers_the_score(factors: RiskFactors, name: str, data: st.DataObject) -> None:
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(ORDERED[name]) - 1)] * 2)))
    mild = msgspec.structs.replace(factors, **{name: ORDERED[name][low]})
    grave = msgspec.structs.replace(factors, **{name: ORDERED[name][high]})
    assert score(mild).score <= score(grave).score


@given(any_factors)
def test_delta_is_the_difference_to_the_neutral_value(factors: RiskFactors) -> None:
    risk = score(factors)
    for item in risk.contributions:
        name = "agent_factor_tenths" if item.factor == "agent_factor" else item.factor
        neutral = msgspec.structs.replace(factors, **{name: getattr(RiskFactors(), name)})
        assert item.delta == risk.score - score(neutral).score


@given(any_factors)
def test_the_result_survives_json(factors: RiskFactors) -> None:
    risk = score(factors)
    assert msgspec.json.decode(msgspec.json.encode(risk), type=Risk) == risk
