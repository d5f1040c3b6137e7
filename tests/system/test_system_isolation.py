"""Organizations never see each other (claim 8): every place for an id × every kind of id that others have."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes.forge import Forge
from tests.system.appliance import Appliance
from tests.system.client import Answer, question
from tests.system.conftest import appliance_in_new_place
from tests.system.foreign_ids import (
    MOMENTS,
    Probe,
    Value,
    body_probes,
    header_probes,
    operations,
    place_probes,
    said,
    shape,
    values,
)
from tests.system.parties import LISTS, Party, ask, done, found

AT_LEAST = 1_000
DUMP = "/v1/ledger/dump?payloads=arguments,content,context,findings"


@dataclass
class World:
    """Three organizations; *own* is the one that probes."""

    house: Appliance
    own: Party
    others: tuple[Party, Party]
    document: dict[str, Any]
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.foreign = {mark for party in self.others for mark in party.marks()}

    def send(self, probe: Probe, credential: str) -> None:
        """Send both requests of *probe*, and note what tells them apart and what is not the prober's."""
        answers = [
            ask(self.own.client, probe.method, path, body, credential, **headers)
            for path, body, headers in zip(probe.paths, probe.bodies, probe.headers, strict=True)
        ]
        is_made = probe.method != "GET" and answers[0].status < 300
        theirs, nobodys = (
            shape(answer) if is_made else said(answer, sent) for answer, sent in zip(answers, probe.values, strict=True)
        )
        if theirs != nobodys:
            self.wrong.append(f"{probe.name}: {theirs} is not {nobodys}")
        if answers[0].status >= 500:
            self.wrong.append(f"{probe.name}: {answers[0].status}")
        self.look(probe.name, answers[0], probe.values[0])

    def look(self, name: str, answer: Answer, sent: str = "") -> None:
        """Note all of others that *answer* shows, but for what was *sent*."""
        shown = str(answer.headers).encode() + answer.body
        if sent:
            shown = shown.replace(sent.encode(), b"")
        self.wrong += [f"{name} shows {mark!r}" for mark in self.foreign if mark in shown]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with appliance_in_new_place() as house:
        house.environment["GOVERNLAYER_METRICS_TOKEN"] = "metrics-token-of-the-tests-0123456789"
        house.start()
        # The others have records where the prober has none.
        own, first, second = found(house, "one", 4), found(house, "two", 60), found(house, "three", 80)
        yield World(house, own, (first, second), done(own.ask("GET", "/openapi.json")))


@pytest.fixture
def fresh(world: World) -> World:
    world.wrong.clear()
    return world


def one_of_each_kind(found: Iterable[Value]) -> list[Value]:
    return list({value.kind.split(" ")[0]: value for value in found}.values())


def credentials(party: Party) -> list[str]:
    return [party.owner, *(party.keys[name] for name in ("govern", "audit", "govern,audit,scan,risk"))]


def state(party: Party) -> dict[str, bytes]:
    """
    Return what *party* sees of itself, but for what seeing it adds: usage, and the record of the dump.

    When its keys were last used comes from its own decisions, and is written a while after them.
    """
    return {
        path: MOMENTS.sub(b"", answer.body)
        for path, answer in party.views().items()
        if not path.startswith(("/v1/ledger", "/v1/organization/usage")) and "/events" not in path
    }


def dumped(party: Party) -> list[bytes]:
    """Return the records and payloads of *party*'s ledger."""
    lines = party.ask("GET", DUMP).body.splitlines()
    return [line for line in lines if line.startswith((b'{"actor":', b'{"payload":'))]


def usage(party: Party) -> set[str]:
    days = done(party.ask("GET", "/v1/organization/usage?days=90"))["data"]
    return {principal["id"] for day in days for principal in day["principals"]}


def assert_untouched(before: list[bytes], after: list[bytes]) -> None:
    """Nothing but the records of own exports may have come to a ledger."""
    assert after[: len(before)] == before
    assert {json.loads(line)["type"] for line in after[len(before) :]} <= {"export"}


def probe_places(world: World, foreign: list[Value]) -> int:
    """Send all values as the owner, a third of them as each of the keys; return how many probes that were."""
    owner, *keys = credentials(world.own)
    sent = 0
    for number, value in enumerate(foreign):
        probes = list(place_probes(world.document, value))
        if value.kind.startswith("organization"):
            probes += header_probes(world.document, value)
        for credential in (owner,) if number % 3 else (owner, *keys):
            for probe in probes:
                world.send(probe, credential)
            sent += len(probes)
    for path, answer in world.own.views().items():
        world.look(path, answer)
    return sent


def probe_bodies(world: World, foreign: list[Value]) -> int:
    """Send all values in bodies as the owner; return how many probes that were."""
    probes = [probe for value in foreign for probe in body_probes(world.document, value, world.own)]
    for probe in probes:
        world.send(probe, world.own.owner)
    return len(probes)


def test_the_search_would_find_what_is_looked_for(fresh: World) -> None:
    """The marks are those of the others: their own answers are full of them, in lists, dumps and records."""
    for party in fresh.others:
        for path, answer in party.views().items():
            if not path.endswith("/checkpoint"):
                assert any(mark in answer.body for mark in fresh.foreign), path
        assert set(party.canaries.places) >= {"text", "argument", "purpose", "owner", "name"}
        lines = b"".join(dumped(party))
        assert [place for place in ("text", "argument", "purpose") if place not in party.canaries.found_in(lines)] == []


def test_no_list_ledger_dump_usage_or_page_shows_anything_of_others(fresh: World) -> None:
    for path, answer in fresh.own.views().items():
        fresh.look(path, answer)
    for credential in credentials(fresh.own):
        for path in LISTS:
            fresh.look(path, ask(fresh.own.client, "GET", path, credential=credential))
    for path in ("/openapi.json", "/docs", "/livez", "/readyz", "/.well-known/governlayer", "/problems/not_found"):
        fresh.look(path, ask(fresh.own.client, "GET", path))
    metrics = ask(fresh.own.client, "GET", "/metrics", credential=fresh.house.environment["GOVERNLAYER_METRICS_TOKEN"])
    assert metrics.status == 200
    fresh.look("/metrics", metrics)
    assert fresh.wrong == []


def test_the_ids_of_others_are_as_those_that_nobody_has_and_nothing_of_theirs_changes(
    fresh: World, record_property: Callable[[str, object], None]
) -> None:
    before = [(state(party), dumped(party), usage(party)) for party in fresh.others]
    first, second = fresh.others
    foreign = [*values(first), *one_of_each_kind(values(second))]
    kinds = {value.kind.partition(" of ")[0].split(" ")[0] for value in foreign}
    assert kinds >= {"user", "key", "session", "organization", "decision", "seq", "refresh", "access", "invitation"}
    in_places = probe_places(fresh, foreign)
    in_bodies = probe_bodies(fresh, foreign)
    probes = in_places + in_bodies
    print(f"\nisolation: {probes} probes ({in_places} in path, query and header, {in_bodies} in bodies)")
    print(f"isolation: {len(foreign)} foreign values, {len(fresh.foreign)} marks searched for")
    record_property("probes", probes)
    assert not fresh.wrong, "\n".join(one[:600] for one in fresh.wrong[:40])
    assert probes >= AT_LEAST
    for party, (seen, lines, principals) in zip(fresh.others, before, strict=True):
        assert state(party) == seen
        assert_untouched(lines, dumped(party))
        assert usage(party) == principals


def test_every_parameter_and_body_of_the_document_is_probed(fresh: World) -> None:
    value = next(values(fresh.others[0]))
    probed = [*place_probes(fresh.document, value), *body_probes(fresh.document, value, fresh.own)]
    for method, path, operation in operations(fresh.document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "header":
                start = f"{method} {path} {parameter['in']} {parameter['name']}:"
                assert any(probe.name.startswith(start) for probe in probed), start
        if "requestBody" in operation:
            assert any(probe.name.startswith(f"{method} {path} body") for probe in probed), path


def test_one_idempotency_key_means_something_else_to_each_organization(fresh: World) -> None:
    parties = (fresh.own, *fresh.others)
    for once in (str(uuid4()), fresh.others[0].once):
        body = question(content=[{"role": "user", "text": "the same of all"}])
        headers = {"Idempotency-Key": once}
        if once == fresh.others[0].once:
            parties = (fresh.own, fresh.others[1])
        answers = [ask(one.client, "POST", "/v1/govern", body, one.keys["govern"], **headers) for one in parties]
        assert [answer.status for answer in answers] == [200] * len(parties)
        assert [answer.all("Idempotency-Replayed") for answer in answers] == [[]] * len(parties)
        assert len({answer.json()["decision_id"] for answer in answers}) == len(parties)
        assert len({answer.json()["ledger"]["origin"] for answer in answers}) == len(parties)
        again = ask(fresh.own.client, "POST", "/v1/govern", body, fresh.own.keys["govern"], **headers)
        assert (again.header("Idempotency-Replayed"), again.body) == ("true", answers[0].body)


def test_a_token_of_one_organization_is_none_of_another_even_with_the_secret(fresh: World) -> None:
    own, other = fresh.own, fresh.others[0]
    secret = base64.b64decode((fresh.house.data / "secrets" / "jwt-secret").read_text().strip())
    forge, theirs = Forge(secret, own.owner, 0), Forge(secret, other.owner, 0).claims
    assert ask(own.client, "GET", "/v1/me", credential=forge.claim()).status == 200, "the forge signs as the appliance"
    forged = {
        "their organization": {"org": theirs["org"]},
        "their organization and owner": {"org": theirs["org"], "sub": theirs["sub"]},
        "their organization and session": {"org": theirs["org"], "sid": theirs["sid"]},
        "their owner": {"sub": theirs["sub"]},
        "their session": {"sid": theirs["sid"]},
        "their owner and session": {"sub": theirs["sub"], "sid": theirs["sid"]},
        "nobody's organization": {"org": str(uuid4())},
    }
    answers = {}
    for name, claims in forged.items():
        for path in ("/v1/me", "/v1/users", "/v1/ledger", "/v1/organization"):
            answer = ask(own.client, "GET", path, credential=forge.claim(**claims))
            answer.problem(401, "not_authenticated")
            answers[name, path] = said(answer, "")
    assert len({str(answer) for answer in answers.values()}) == 1
