"""API keys as JSON: what is asked, and what is shown (API contract §2)."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import KeyEvent, UsageCount
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.key_terms import (
    MAX_ALLOWED_IPS,
    MAX_GRACE_SECONDS,
    MAX_NAME_CHARACTERS,
    KeyStatus,
    KeyTerms,
    status_of,
)
from governlayer_server.domain.times import DAY_US, parse_time, time_text
from governlayer_server.usecases.manage_keys import KeyFacts, KeyHistory, NewKey
from governlayer_server.web.body_texts import PRINTABLE

_MAX_NETWORK_CHARACTERS = 49


class CreateKeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new key is to be."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_NAME_CHARACTERS,
            description="printable, not only spaces",
            extra_json_schema={"pattern": PRINTABLE},
        ),
    ]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope), extra_json_schema={"uniqueItems": True})]
    expires_at: (
        Annotated[
            str,
            Meta(max_length=40, description="RFC 3339, with an offset", extra_json_schema={"format": "date-time"}),
        ]
        | None
    ) = None
    rate_limit: Annotated[int, Meta(ge=1, description="requests per minute, at most the plan's")] | None = None
    allowed_ips: Annotated[
        list[Annotated[str, Meta(max_length=_MAX_NETWORK_CHARACTERS, description="an IP address or network")]],
        Meta(max_length=MAX_ALLOWED_IPS),
    ] = []

    def terms(self) -> KeyTerms:
        """
        Return what is asked for.

        Raises:
            InvalidRequest: ``expires_at`` is no time.
        """
        return KeyTerms(
            name=self.name,
            scopes=self.scopes,
            expires_us=None if self.expires_at is None else moment("/expires_at", self.expires_at),
            rate_limit=self.rate_limit,
            allowed_ips=self.allowed_ips,
        )


class RotateKeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the secret before works on."""

    grace_seconds: Annotated[int, Meta(ge=0, le=MAX_GRACE_SECONDS)]


class KeyBody(Struct, frozen=True, kw_only=True):
    """An API key, never the secret. ``previous_valid_until``: the secret before the last rotation works until then."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    status: KeyStatus
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    rate_limit: int | None
    allowed_ips: list[str]
    previous_valid_until: str | None


class NewKeyBody(KeyBody, frozen=True, kw_only=True):
    """A key with its secret, shown this once."""

    key: str

    def __repr__(self) -> str:
        """No secret."""
        return f"NewKeyBody({self.id})"


class KeyList(Struct, frozen=True):
    """Some keys, oldest first; ``next_cursor`` leads to the next page, or is null at the end."""

    data: list[KeyBody]
    next_cursor: str | None


class KeyActor(Struct, frozen=True):
    """Who did it: a user's id, or the operator (``system``)."""

    kind: str
    id: str


class KeyEventBody(Struct, frozen=True):
    """What happened to a key: ``created``, ``rotated`` or ``revoked``."""

    event: str
    time: str
    actor: KeyActor


class KeyUsage(Struct, frozen=True):
    """Requests with a key on a day (UTC): ``admitted``, or why they were refused."""

    day: str
    outcome: str
    requests: int


class KeyEvents(Struct, frozen=True):
    """All that happened to a key, oldest first, and the requests with it in the last 90 days."""

    data: list[KeyEventBody]
    usage: list[KeyUsage]
    next_cursor: str | None = None


def key_body(facts: KeyFacts, now_us: int) -> KeyBody:
    """Return the key as it is shown at *now_us*."""
    return KeyBody(**_members(facts, now_us))


def new_key_body(made: NewKey) -> NewKeyBody:
    """Return the key with its secret, as it was when it was made: a repeated answer is the same."""
    facts = KeyFacts(stored=made.stored, status=status_of(made.stored, made.made_us))
    return NewKeyBody(key=made.key, **_members(facts, made.made_us))


def events_body(history: KeyHistory) -> KeyEvents:
    """Return the history as it is shown."""
    return KeyEvents([_event(one) for one in history.events], [_usage(one) for one in history.usage])


def moment(pointer: str, text: str) -> int:
    """
    Return the moment that *text* names, in microseconds since the Unix epoch.

    Raises:
        InvalidRequest: it names none; the fault has *pointer*.
    """
    try:
        return parse_time(text)
    except ValueError:
        fault = Fault(pointer, "an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
        raise InvalidRequest(f"{pointer[1:]}: {fault.detail}", [fault]) from None


def _members(facts: KeyFacts, now_us: int) -> dict[str, Any]:
    key = facts.stored
    until_us = key.previous_until_us
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "status": facts.status,
        "created_at": time_text(key.created_us),
        "last_used_at": _text(facts.last_used_us),
        "expires_at": _text(key.expires_us),
        "rate_limit": key.rate_limit,
        "allowed_ips": list(key.allowed_ips),
        "previous_valid_until": _text(until_us if until_us is not None and until_us > now_us else None),
    }


def _text(unix_us: int | None) -> str | None:
    return None if unix_us is None else time_text(unix_us)


def _event(one: KeyEvent) -> KeyEventBody:
    return KeyEventBody(one.event, time_text(one.time_us), KeyActor(kind=one.actor_kind, id=one.actor_id))


def _usage(one: UsageCount) -> KeyUsage:
    return KeyUsage(time_text(one.day * DAY_US)[:10], one.outcome, one.requests)
