"""``ports.PolicyEngine`` that says what the test wants."""

from collections.abc import Callable

from governlayer_server.domain.decision import Outcome
from governlayer_server.domain.policy import EngineAnswer, PolicySet, Question, Rule

ALLOW = Rule(id="allow", permits=True, outcome=Outcome.ALLOW, code="allowed", reason="it is allowed")
DENY = Rule(id="deny", permits=False, outcome=Outcome.DENY, code="denied", reason="it is denied")
APPROVE = Rule(
    id="approve",
    permits=False,
    outcome=Outcome.REQUIRE_APPROVAL,
    obligations=(("notify", "security"),),
    code="needs_approval",
    reason="a person decides",
)
REDACT = Rule(
    id="redact",
    permits=True,
    outcome=Outcome.REDACT,
    obligations=(("redact", "personal_data"), ("redact", "secret")),
    code="redacted",
    reason="it is redacted",
)
RULES = {rule.id: rule for rule in (ALLOW, DENY, APPROVE, REDACT)}


class ScriptedEngine:
    """Answers with ``answer``, or raises it; remembers the questions."""

    def __init__(self, *reasons: str) -> None:
        self.answer: EngineAnswer | BaseException = says(*reasons)
        self.questions: list[Question] = []
        self._policy_set = PolicySet(version=7, hash="ab" * 32, rules=RULES)
        self.meanwhile: Callable[[], None] = lambda: None

    @property
    def policy_set(self) -> PolicySet:
        return self._policy_set

    def evaluate(self, question: Question) -> EngineAnswer:
        self.questions.append(question)
        self.meanwhile()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def says(*reasons: str) -> EngineAnswer:
    """The answer that the rules named determined, as Cedar gives it: forbids before permits."""
    return EngineAnswer(permitted=bool(reasons) and all(RULES[name].permits for name in reasons), reasons=reasons)
