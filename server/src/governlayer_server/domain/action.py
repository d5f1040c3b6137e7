"""
What an agent is about to do: the question that `POST /v1/govern` puts (API contract §4).

Identifiers that go into a ledger record in the clear (agent, action, tool, resource type) have a narrow grammar, so
that no e-mail address and no free text can stand in them; everything else goes into payloads.
"""

import re
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

# `(?![\s\S])` is the end of the text in every dialect; Python's `$` would let a trailing newline pass.
_END = r"(?![\s\S])"
Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:/-]{1,128}" + _END, description="[A-Za-z0-9._:/-]{1,128}")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}" + _END, description="64 hex digits, lower case")]
Label = Annotated[str, Meta(pattern=r"^[a-z0-9_.-]{1,64}" + _END, description="[a-z0-9_.-]{1,64}")]
ShortText = Annotated[str, Meta(min_length=1, max_length=512)]
Labels = Annotated[list[Label], Meta(max_length=64)]
TypeName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}" + _END, description="[A-Za-z0-9._:-]{1,128}")]
Scalar = bool | int | str
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


class Stage(StrEnum):
    """The point in an agent's work at which it asks."""

    INPUT = "input"
    MODEL_REQUEST = "model_request"
    MODEL_RESPONSE = "model_response"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    OUTPUT = "output"


class Provenance(StrEnum):
    """Where a text comes from."""

    USER = "user"
    SYSTEM = "system"
    TOOL = "tool"
    RETRIEVED = "retrieved"
    WEB = "web"


UNTRUSTED = frozenset({Provenance.TOOL, Provenance.RETRIEVED, Provenance.WEB})


class Mode(StrEnum):
    """Whether the decision is binding (enforce), only recorded (shadow), or neither (dry_run)."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    DRY_RUN = "dry_run"


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of the question. ``repr`` shows no values: they are the customer's content."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Agent(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent that asks."""

    id: Identifier
    instance: ShortText | None = None
    on_behalf_of: ShortText | None = None


class System(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The AI system that the agent is part of."""

    id: Identifier
    version: ShortText | None = None


class Tool(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool, where the action calls one. ``schema_digest`` pins its definition (SHA-256)."""

    name: Identifier
    server: Identifier | None = None
    schema_digest: Digest | None = None


class Action(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done. ``arguments`` is any JSON object."""

    name: Identifier
    tool: Tool | None = None
    arguments: dict[str, object] = field(default_factory=dict)


class Resource(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it is done to. ``attributes`` are facts that policies may use."""

    type: TypeName
    id: ShortText
    attributes: Annotated[dict[str, Scalar], Meta(max_length=64)] = field(default_factory=dict)


class Content(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One text that goes with the action."""

    role: Label
    text: str
    provenance: Provenance | None = None


class Session(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conversation or run that the action belongs to."""

    id: ShortText


class Options(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to decide and what to return."""

    mode: Mode = Mode.ENFORCE
    scan: Literal["auto", "none"] | Annotated[list[Label], Meta(max_length=64)] = "auto"
    receipt: bool = False
    explain: bool = False


class ActionRequest(_Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole question."""

    stage: Stage
    agent: Agent
    action: Action
    system: System | None = None
    resource: Resource | None = None
    content: Annotated[list[Content], Meta(max_length=1000)] = field(default_factory=list)
    data_classes: Labels = field(default_factory=list)
    data_subjects: Annotated[list[ShortText], Meta(max_length=64)] = field(default_factory=list)
    session: Session | None = None
    purpose: ShortText | None = None
    approval_id: ShortText | None = None
    options: Options = field(default_factory=Options)

    @property
    def untrusted(self) -> bool:
        """Whether any text comes from a place that an attacker may write to."""
        return self.stage is Stage.TOOL_RESULT or any(item.provenance in UNTRUSTED for item in self.content)

    @property
    def verbs(self) -> frozenset[str]:
        """The words of the action's and the tool's name, lower case: ``crm.deleteCustomer`` has ``delete``."""
        name = self.action.name if self.action.tool is None else f"{self.action.name}.{self.action.tool.name}"
        return frozenset(word.lower() for word in _WORD.findall(name))
