"""What can be asked: who wants to do what, to what, with what text (api.md §4, request)."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from . import _json
from .errors import ArgumentError

Stage: TypeAlias = Literal["input", "model_request", "model_response", "tool_call", "tool_result", "output"]
Mode: TypeAlias = Literal["enforce", "shadow", "dry_run"]
Provenance: TypeAlias = Literal["user", "system", "tool", "retrieved", "web"]
Scan: TypeAlias = Literal["auto", "none"] | Sequence[str]

# Who speaks at a stage, for content given as a plain string.
_ROLE_AT: Final[dict[str, str]] = {
    "input": "user",
    "model_request": "user",
    "model_response": "assistant",
    "tool_call": "assistant",
    "tool_result": "tool",
    "output": "assistant",
}
_VISIBLE_ASCII: Final = frozenset(string.ascii_letters + string.digits + string.punctuation)


@dataclass(frozen=True, slots=True)
class Agent(_json.Members):
    """The agent that wants to act; *on_behalf_of* names the person or agent it acts for."""

    id: str
    instance: str | None = field(default=None, kw_only=True)
    on_behalf_of: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Tool(_json.Members):
    """The tool of a tool call; *schema_digest* pins the definition the agent was shown."""

    name: str
    server: str | None = field(default=None, kw_only=True)
    schema_digest: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Action(_json.Members):
    """What is to be done. Its repr leaves the arguments out, for they may hold personal data."""

    name: str
    tool: str | Tool | None = field(default=None, kw_only=True)
    arguments: Mapping[str, Any] | None = field(default=None, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Resource(_json.Members):
    """What the action touches."""

    type: str
    id: str
    attributes: Mapping[str, Any] | None = field(default=None, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class System(_json.Members):
    """The registered AI system that the agent belongs to."""

    id: str
    version: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Content(_json.Members):
    """One piece of text, who said it and where it came from. Its repr leaves the text out."""

    role: str
    text: str = field(repr=False)
    provenance: Provenance | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class _Session(_json.Members):
    id: str


@dataclass(frozen=True, slots=True)
class _Options(_json.Members):
    mode: Mode
    scan: Scan
    receipt: bool
    explain: bool


@dataclass(frozen=True, slots=True)
class _Ask(_json.Members):
    """The body of POST /v1/govern, member for member."""

    stage: Stage
    agent: Agent
    action: Action
    system: System | None
    resource: Resource | None
    content: Sequence[Content] | None
    data_classes: Sequence[str] | None
    data_subjects: Sequence[str] | None
    session: _Session | None
    purpose: str | None
    approval_id: str | None
    options: _Options


def govern_body(
    *,
    stage: Stage,
    agent: str | Agent,
    action: str | Action,
    resource: Resource | None,
    content: str | Sequence[Content] | None,
    data_classes: Sequence[str] | None,
    data_subjects: Sequence[str] | None,
    session: str | None,
    purpose: str | None,
    system: str | System | None,
    approval_id: str | None,
    mode: Mode,
    scan: Scan,
    receipt: bool,
    explain: bool,
) -> bytes:
    """
    Return the JSON body of one question to POST /v1/govern (api.md §4); equal arguments, equal bytes.

    Raises:
        ArgumentError: an argument cannot be sent as JSON unchanged.
    """
    ask = _Ask(
        stage=stage,
        agent=Agent(agent) if isinstance(agent, str) else agent,
        action=_action(action),
        system=System(system) if isinstance(system, str) else system,
        resource=resource,
        content=[Content(_ROLE_AT.get(stage, "user"), content)] if isinstance(content, str) else content,
        data_classes=_several("data_classes", data_classes),
        data_subjects=_several("data_subjects", data_subjects),
        session=None if session is None else _Session(session),
        purpose=purpose,
        approval_id=approval_id,
        options=_Options(mode=mode, scan=scan, receipt=receipt, explain=explain),
    )
    return _json.encode(ask)


def _action(action: str | Action) -> Action:
    if isinstance(action, str):
        return Action(action)
    tool = getattr(action, "tool", None)  # a mapping has none: the server judges it
    return replace(action, tool=Tool(tool)) if isinstance(tool, str) else action


def _several(name: str, values: Sequence[str] | None) -> Sequence[str] | None:
    """Return *values*; a lone string is a sequence of its letters, which nobody means."""
    if isinstance(values, str):
        raise ArgumentError(f"/{name} is one string, a list of strings is needed")
    return values


def checked_idempotency_key(key: str) -> str:
    """Return *key* if a header can carry it: 1 to 255 visible ASCII characters (api.md §1)."""
    if not 1 <= len(key) <= 255 or not _VISIBLE_ASCII.issuperset(key):
        raise ArgumentError("idempotency_key must be 1 to 255 visible ASCII characters")
    return key
