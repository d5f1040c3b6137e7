"""Probes from the OpenAPI document: every place for a value × every kind of id that another organization has."""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import UUID

from governlayer_server.domain.api_key import make_api_key

from tests.system.client import Answer
from tests.system.parties import Party, decision

# They check a password or a code, whose attempts are limited, end what asks, or keep their first text and show it later.
# Foreign ids go into added members of their bodies, which are refused before anything is done, and not in place of their
# own.
GUARDED = frozenset(
    {
        "sign_in",
        "change_password",
        "step_up",
        "forgot_password",
        "reset_password",
        "register",
        "refresh",
        "sign_out",
        "confirm_totp",
        "remove_totp",
        "release_legal_hold",
    }
)
ADDED = ("organization_id", "id")
MOMENTS = re.compile(rb'"(last_used_at|generated_at)":("[^"]*"|null)')
_COUNT = re.compile(rb":[0-9]+")
_TOLD = frozenset({"date", "x-request-id", "ratelimit", "ratelimit-policy", "content-length"})


class Probe(NamedTuple):
    """The same request twice: with what somebody else has, and with what nobody has."""

    name: str
    method: str
    paths: tuple[str, str]
    bodies: tuple[Any, Any] = (None, None)
    headers: tuple[dict[str, str], dict[str, str]] = ({}, {})
    values: tuple[str, str] = ("", "")


class Value(NamedTuple):
    """An id of another organization, and its like that nobody has."""

    kind: str
    theirs: str
    nobodys: str


def values(party: Party) -> Iterator[Value]:
    """Yield all that *party* has, with the like of each."""
    for kind, one in party.uuids.items():
        # The same moment in it, so that it stands at the same place in any order.
        yield Value(f"{kind} of {party.name}", one, one[:24] + secrets.token_hex(6))
    for kind, one in party.words.items():
        yield Value(f"{kind} of {party.name}", one, _nobodys(one))
    yield Value(f"idempotency key of {party.name}", party.once, party.once[:-20] + secrets.token_hex(10))
    yield Value(f"seq of {party.name}", str(party.size - 1), str(party.size + 100_000))


def _nobodys(word: str) -> str:
    """Return a word like *word*; of a key one that is well-formed, as those are refused in the clear whoever has them."""
    if word.startswith("gl_") and len(word) == len(make_api_key(bytes(32))):
        return make_api_key(secrets.token_bytes(32))
    tail = len(word) // 3
    return word[:-tail] + _like(word[-tail:])


def _like(text: str) -> str:
    letters = {str.isdigit: "0123456789", str.islower: "bcdfghjk", str.isupper: "BCDFGHJK"}
    of = [next((all_ for test, all_ in letters.items() if test(one)), one) for one in text]
    return "".join(secrets.choice(one) for one in of)


def bodies(own: Party) -> dict[str, dict[str, Any]]:
    """What each operation with a body is sent by who may use it."""
    return {
        "govern": decision(lambda _: "plain"),
        "register": {"email": "x@example.org", "password": "short", "invite": "x"},
        "invite_user": {"email": "x", "role": "viewer"},
        "change_user": {"disabled": False},
        "change_organization": {"name": "Own", "settings": {"on_error": "deny"}},
        "sign_in": {"email": "x@example.org", "password": "x"},
        "refresh": {"refresh_token": "x"},
        "sign_out": {"all": False},
        "change_password": {"password": "x", "new_password": "x"},
        "step_up": {"password": "x"},
        "begin_totp": {"code": "000000"},
        "confirm_totp": {"code": "000000"},
        "remove_totp": {"code": "000000"},
        "forgot_password": {"email": "x@example.org"},
        "reset_password": {"token": "x", "new_password": "x"},
        "create_key": {"name": own.name, "scopes": ["govern"]},
        "rotate_key": {"grace_seconds": 0},
        "create_legal_hold": {"reason": "why", "data_subject": "x"},
        "release_legal_hold": {"reason": "why"},
        "export_data_subject": {"data_subject": "x"},
        "verify_ledger": {"first": 0},
        "erase": {"decision_id": str(UUID(int=0)), "basis": "GDPR Art. 17(1)(a)"},
    }


def place_probes(document: dict[str, Any], value: Value) -> Iterator[Probe]:
    """Yield the probes with *value* in each path and query parameter, and in a query that no route knows."""
    for method, path, operation in operations(document):
        body = None
        for parameter in operation.get("parameters", ()):
            name, where = parameter["name"], parameter["in"]
            both = (value.theirs, value.nobodys)
            if where == "path":
                paths = tuple(path.replace("{" + name + "}", quote(one, safe="")) for one in both)
                body = {
                    "rotate_key": {"grace_seconds": 0},
                    "change_user": {"disabled": True},
                    "release_legal_hold": {"reason": "why"},
                }.get(operation["operationId"])
            elif where == "query" and not (value.kind.startswith("seq") and name in {"limit", "days"}):
                paths = tuple(f"{path}?{urlencode({name: one})}" for one in both)
            else:
                continue
            label = f"{method} {path} {where} {name}: {value.kind}"
            yield Probe(label, method, (paths[0], paths[1]), (body, body), values=both)
        if method == "GET" and "{" not in path and operation["operationId"] != "ledger_dump":
            paths = tuple(f"{path}?{urlencode({'organization_id': one})}" for one in (value.theirs, value.nobodys))
            yield Probe(f"{method} {path} query organization_id: {value.kind}", method, (paths[0], paths[1]))


def header_probes(document: dict[str, Any], value: Value) -> Iterator[Probe]:
    """Yield the probes with *value* in headers that name a tenant elsewhere."""
    for method, path, operation in operations(document):
        if method == "GET" and "{" not in path and operation["operationId"] not in {"ledger_dump", "metrics"}:
            for header in ("X-Organization-Id", "Cookie"):
                given = ({header: value.theirs}, {header: value.nobodys})
                yield Probe(f"{method} {path} header {header}: {value.kind}", method, (path, path), headers=given)


def body_probes(document: dict[str, Any], value: Value, own: Party) -> Iterator[Probe]:
    """Yield the probes with *value* in place of each text of each body, and as a member more."""
    known = bodies(own)
    for method, path, operation in operations(document):
        if "requestBody" not in operation:
            continue
        good = known[operation["operationId"]]
        # A path of the own organization: what is refused is the body.
        place = path
        for name, kind in (("{user_id}", "user viewer"), ("{key_id}", "key audit"), ("{hold_id}", "hold")):
            place = place.replace(name, own.uuids[kind])
        changed = [(f"added {name}", {**good, name: one}, {**good, name: other}) for name, one, other in _added(value)]
        if operation["operationId"] not in GUARDED:
            changed += [
                (f"in place of {pointer}", first, second)
                for (pointer, first), (_, second) in zip(
                    _replaced(good, value.theirs), _replaced(good, value.nobodys), strict=True
                )
            ]
        for label, first, second in changed:
            name = f"{method} {path} body {label}: {value.kind}"
            yield Probe(name, method, (place, place), (first, second), values=(value.theirs, value.nobodys))


def _added(value: Value) -> Iterator[tuple[str, str, str]]:
    return ((name, value.theirs, value.nobodys) for name in ADDED)


def _replaced(body: Any, value: str, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Yield *body* with *value* in place of each text in it."""
    if isinstance(body, str):
        yield pointer, value
    elif isinstance(body, (dict, list)):
        for key, member in body.items() if isinstance(body, dict) else enumerate(body):
            for where, changed in _replaced(member, value, f"{pointer}/{key}"):
                copy = dict(body) if isinstance(body, dict) else list(body)
                copy[key] = changed
                yield where, copy


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of every operation."""
    for path, item in document["paths"].items():
        yield from ((method.upper(), path, operation) for method, operation in item.items())


def said(answer: Answer, sent: str) -> tuple[Any, ...]:
    """
    Return *answer* without what differs between any two requests, and without what was *sent*.

    What was made has ids and times of its own: of a success that is no reading, members are compared and not values.
    """
    headers = sorted((name.lower(), value) for name, value in answer.headers if name.lower() not in _TOLD)
    # Asking is counted.
    if answer.body.startswith(b'{"data":[{"date":'):
        return answer.status, headers, _COUNT.sub(b"", answer.body)
    body = MOMENTS.sub(b"", answer.body.replace(answer.header("X-Request-Id").encode(), b""))
    for form in {sent, json.dumps(sent)[1:-1], quote(sent, safe="")} - {""}:
        body = body.replace(form.encode(), b"SENT")
    return answer.status, headers, body


def shape(answer: Answer) -> tuple[int, Any]:
    """Return what kind of answer it is, without values; of JSON lines the first."""
    return answer.status, sorted(json.loads(answer.body.split(b"\n")[0])) if answer.body.startswith(b"{") else None
