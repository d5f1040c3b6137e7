"""Random dumps are accepted, and no random mutant of them passes; `python -m tests.crosscheck.mutate` makes many more."""

from collections import Counter
from random import Random

import pytest

from tests.crosscheck.mutants import random_case
from tests.crosscheck.mutate import MUTATIONS, Outcome, judge, judge_all, refused_clean

# Kinds of mutants that this step of ledger-v1 §8 finds and no other one does.
FOUND_BY_ONE_STEP = {
    1: ["gzip: garbage behind"],
    2: ["another ledger", "genesis hash wrong"],
    3: ["signed, but not canonical", "signed, but not a record of §2"],
    4: ["signed, but seq wrong"],
    5: ["signed, but link wrong"],
    6: ["signed, but time backwards"],
    7: ["payload text changed", "nonce changed"],
    8: ["relinked, checkpoints kept", "relinked, checkpoints dropped", "checkpoint of a fork"],
    9: ["relinked, signed by another key", "rewritten, signed by another key", "key slipped in at the end"],
    10: ["receipt of a fork", "receipt of another record"],
    11: ["payload withheld", "signed, but erased before", "erased payload brought back"],
    12: ["trailer wrong"],
}


def test_no_mutant_escapes() -> None:
    judged = [each for batch in range(12) for each in judge_all(f"tests/{batch}")]
    assert [each for each in judged if each.outcome is Outcome.ESCAPE] == []
    assert {each.kind for each in judged} == set(MUTATIONS)
    outcomes = Counter(each.outcome for each in judged)
    print(dict(outcomes))
    assert outcomes[Outcome.FAIL] >= 400
    assert outcomes[Outcome.SAID] >= 24


def test_clean_dumps_are_accepted() -> None:
    assert [report for number in range(60) if (report := refused_clean(f"tests/{number}"))] == []


@pytest.mark.parametrize(
    ("step", "kind"), [(step, kind) for step, kinds in FOUND_BY_ONE_STEP.items() for kind in kinds]
)
def test_without_a_step_mutants_escape(step: int, kind: str) -> None:
    """That none escapes is worth something only if the judge notices one that does."""
    for number in range(40):
        rng = Random(f"blind/{number}")
        case = random_case(rng)
        mutant = MUTATIONS[kind](rng, case)
        if mutant is not None and judge(case, mutant, blind_to=step) is Outcome.ESCAPE:
            assert judge(case, mutant) is Outcome.FAIL
            return
    pytest.fail(f"no mutant of this kind escapes a verifier without step {step}")
