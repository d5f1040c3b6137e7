"""Organizations with something of everything in them, and the marks by which any of it is known again."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from typing import Any

from tests.fakes.canaries import Canaries, forms
from tests.system.appliance import Appliance
from tests.system.client import JSON, Answer, Client, question

PASSWORD = "quiet otters vote at nine"
LISTS = (
    "/v1/me", "/v1/users", "/v1/keys", "/v1/organization", "/v1/organization/usage?days=90", "/v1/auth/sessions",
    "/v1/privacy/legal-holds",
    "/v1/ledger", "/v1/ledger/records?limit=200", "/v1/ledger/checkpoint",
    "/v1/ledger/dump?payloads=arguments,content,context,findings",
)  # fmt: skip
"""What shows all that an organization has."""


def ask(
    client: Client, method: str, path: str, body: object | None = None, credential: str = "", **headers: str
) -> Answer:
    given = None if body is None else json.dumps(body).encode()
    media = JSON if body is not None else {}
    bearer = {"Authorization": f"Bearer {credential}"} if credential else {}
    sent = {**media, **bearer, **headers}
    try:
        return client.ask(method, path, given, sent)
    except RemoteDisconnected:
        # Idle for too long, and closed; the next connection is a new one.
        return client.ask(method, path, given, sent)


def done(answer: Answer) -> Any:
    assert 200 <= answer.status < 300, answer.body
    return answer.json() if answer.body else None


@dataclass
class Party:
    """One organization as its owner knows it; *canaries* stand in all that it could fill."""

    name: str
    id: str
    client: Client
    canaries: Canaries
    owner: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    uuids: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    once: str = ""
    size: int = 0

    def ask(self, method: str, path: str, body: object | None = None, **headers: str) -> Answer:
        """Ask as the owner."""
        return ask(self.client, method, path, body, self.owner, **headers)

    def views(self) -> dict[str, Answer]:
        """Return all that the owner and a key see of the organization."""
        seen = {path: self.ask("GET", path) for path in LISTS}
        for kind, one in self.uuids.items():
            if kind.startswith("key"):
                seen |= {path: self.ask("GET", path) for path in (f"/v1/keys/{one}", f"/v1/keys/{one}/events")}
            elif kind.startswith("user"):
                seen[f"/v1/users/{one}"] = self.ask("GET", f"/v1/users/{one}")
        assert {answer.status for answer in seen.values()} == {200}
        return seen

    def marks(self) -> Iterator[bytes]:
        """Yield every text by which this organization's content or ids could be recognised, in all its forms."""
        for one in self.uuids.values():
            as_uuid = uuid.UUID(one)
            yield from (form for word in (one, as_uuid.hex) for form in forms(word))
            yield as_uuid.bytes
        yield from forms(self.canaries.mark)
        yield from (one.encode() for one in self.words.values())


def found(house: Appliance, name: str, records: int) -> Party:
    """Return a new organization with an owner signed in twice, members, keys, decisions and what comes with them."""
    canaries = Canaries()
    new = canaries.new
    secret = house.data.with_name(f"password-{name}")
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o644)
    email = f"{new('owner')}@{name}.example"
    made = house.cli_json(
        "orgs", "create", "--name", new("name"), "--plan", "enterprise", "--owner-email", email,
        "--owner-password-file", secret,
    )  # fmt: skip
    party = Party(name, made["id"], Client(house.port), canaries, uuids={"organization": made["id"]})
    login = {"email": email, "password": PASSWORD}
    tokens = [done(ask(party.client, "POST", "/v1/auth/login", login)) for _ in range(2)]
    party.owner = tokens[0]["access_token"]
    party.words = {"refresh token": tokens[1]["refresh_token"], "access token": tokens[1]["access_token"]}
    _members(party)
    _keys(party)
    _decisions(party, records)
    hold = {"reason": party.canaries.new("reason"), "data_subject": party.canaries.new("data subject")}
    party.uuids["hold"] = done(party.ask("POST", "/v1/privacy/legal-holds", hold))["id"]
    for number, one in enumerate(done(party.ask("GET", "/v1/auth/sessions"))["data"]):
        party.uuids[f"session {number}"] = one["id"]
    party.uuids["user owner"] = done(party.ask("GET", "/v1/me"))["id"]
    return party


def _members(party: Party) -> None:
    for role in ("admin", "auditor", "viewer"):
        email = f"{party.canaries.new(role)}@{party.name}.example"
        member = done(party.ask("POST", "/v1/users", {"email": email, "role": role}))
        party.uuids[f"user {role}"] = member["id"]
        party.words["invitation"] = member["invite"]
        if role == "auditor":
            joining = {"email": email, "password": PASSWORD, "invite": member["invite"]}
            done(ask(party.client, "POST", "/v1/auth/register", joining))


def _keys(party: Party) -> None:
    for scopes in ("govern", "audit", "govern,audit,scan,risk", "scan"):
        body = {"name": party.canaries.new(scopes), "scopes": scopes.split(",")}
        made = done(party.ask("POST", "/v1/keys", body))
        party.uuids[f"key {scopes}"] = made["id"]
        party.keys[scopes] = made["key"]
        party.words["prefix"] = made["prefix"]
    rotated = party.ask("POST", f"/v1/keys/{party.uuids['key scan']}/rotate", {"grace_seconds": 600})
    party.words["secret of a key"] = done(rotated)["key"]
    assert party.ask("DELETE", f"/v1/keys/{party.uuids['key scan']}").status == 204


def decision(new: Any) -> dict[str, Any]:
    """Return a question with a canary in every field that admits one."""
    return question(
        agent={"id": new("agent"), "instance": new("instance"), "on_behalf_of": new("on_behalf_of")},
        system={"id": new("system"), "version": new("version")},
        action={"name": new("action"), "arguments": {new("argument name"): new("argument")}},
        resource={"type": new("resource type"), "id": new("resource"), "attributes": {new("attribute"): new("value")}},
        content=[{"role": new("role"), "text": new("text")}],
        data_classes=[new("data class")],
        data_subjects=[new("data subject")],
        session={"id": new("session")},
        purpose=new("purpose"),
    )


def _decisions(party: Party, records: int) -> None:
    party.once = party.canaries.new("idempotency key")
    for number in range(records):
        headers = {} if number else {"Idempotency-Key": party.once}
        key = party.keys["govern"] if number % 2 else party.owner
        body = decision(party.canaries.new)
        made = done(ask(party.client, "POST", "/v1/govern", body, key, **headers))
        if number < 2:
            party.uuids[f"decision {number}"] = made["decision_id"]
            party.words["hash of a record"] = made["ledger"]["hash"]
    party.size = done(party.ask("GET", "/v1/ledger"))["size"]
