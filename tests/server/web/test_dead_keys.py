"""Credentials that are no API key, no longer one, or not from there: none lets in, and all are told the same."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.api_key import make_api_key
from governlayer_server.domain.base62 import checksum
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.seal_rows import sealed
from msgspec.structs import force_setattr, replace

from tests.fakes.appliance import FakeAppliance
from tests.server.web.conftest import Site

UNKNOWN = make_api_key(bytes(32))
Make = Callable[[FakeAppliance, Organization], Awaitable[str]]


def flipped(key: str, place: int) -> str:
    other = "0" if key[place] != "0" else "1"
    return key[:place] + other + key[place + 1 :]


def summed(head: str) -> str:
    return head + checksum(head)


# What is done to a key that works, before it is sent; none of it may cost a query.
MALFORMED: dict[str, Callable[[str], str | bytes]] = {
    "wrong checksum": lambda key: flipped(key, 38),
    "one character changed": lambda key: flipped(key, 10),
    "first random character changed": lambda key: flipped(key, 3),
    "upper case": lambda key: key.upper(),
    "lower case": lambda key: key.lower(),
    "swapped case": lambda key: key.swapcase(),
    "upper case prefix": lambda key: "GL_" + key[3:],
    "reversed": lambda key: key[::-1],
    "last character missing": lambda key: key[:-1],
    "checksum missing": lambda key: key[:-6],
    "first character missing": lambda key: key[1:],
    "prefix missing": lambda key: key[3:],
    "prefix alone": lambda _: "gl_",
    "shown prefix": lambda key: key[:7],
    "prefix twice": lambda key: "gl_" + key,
    "other prefix": lambda key: "gh_" + key[3:],
    "other prefix with its checksum": lambda key: summed("gh_" + key[3:33]),
    "hyphen for underscore": lambda key: "gl-" + key[3:],
    "one more character": lambda key: key + "0",
    "twice": lambda key: key + key,
    "too long": lambda key: key + "0" * 4_000,
    "too short with its checksum": lambda key: summed(key[:32]),
    "too long with its checksum": lambda key: summed(key[:33] + "0"),
    "space inside": lambda key: key[:20] + " " + key[20:],
    "space for a character": lambda key: key[:20] + " " + key[21:],
    "tab inside": lambda key: key[:20] + "\t" + key[21:],
    "NUL inside": lambda key: key[:20] + "\0" + key[21:],
    "NUL after": lambda key: key + "\0",
    "quoted": lambda key: f'"{key}"',
    "in angle brackets": lambda key: f"<{key}>",
    "percent encoded": lambda key: key.replace("_", "%5F"),
    "two with a comma": lambda key: f"{key},{key}",
    "comma after": lambda key: f"{key},",
    "scheme twice": lambda key: f"Bearer {key}",
    "full-width digit": lambda key: key[:20].encode() + "１".encode() + key[21:].encode(),
    "arabic digit": lambda key: key[:20].encode() + "٣".encode() + key[21:].encode(),
    "full-width letters": lambda key: "ｇｌ＿".encode() + key[3:].encode(),
    "latin-1 byte": lambda key: key[:20].encode() + b"\xe9" + key[21:].encode(),
    "byte order mark": lambda key: "\ufeff".encode() + key.encode(),
    "utf-16": lambda key: key.encode("utf-16-le"),
    "hyphen in the randomness": lambda key: summed(key[:32] + "-"),
    "underscore in the randomness": lambda key: summed(key[:32] + "_"),
    "nothing": lambda _: "",
    "null": lambda _: "null",
    "SQL": lambda key: f"{key[:20]}' OR '1'='1",
    "wildcard": lambda _: "gl_%",
}


async def _changed(appliance: FakeAppliance, organization: Organization, **state: Any) -> str:
    """A key whose row the appliance itself has changed."""
    made = await appliance.new_key(organization)
    row = sealed(appliance.vault, replace(made.stored, **state))
    appliance.accounts.rows.keys[made.stored.id] = row
    return made.key


async def _altered(appliance: FakeAppliance, organization: Organization, **state: Any) -> str:
    """A key whose row somebody else has changed."""
    made = await appliance.new_key(organization)
    appliance.accounts.rows.keys[made.stored.id] = replace(made.stored, **state)
    return made.key


async def _revoked(appliance: FakeAppliance, organization: Organization) -> str:
    made = await appliance.new_key(organization)
    await appliance.manage_keys.revoke(SYSTEM, organization.id, made.stored.id)
    return made.key


async def _revoked_in_grace(appliance: FakeAppliance, organization: Organization) -> str:
    made = await appliance.new_key(organization)
    await appliance.manage_keys.rotate(SYSTEM, organization.id, made.stored.id, 600)
    await appliance.manage_keys.revoke(SYSTEM, organization.id, made.stored.id)
    return made.key


async def _rotated(appliance: FakeAppliance, organization: Organization, *graces: int) -> str:
    made = await appliance.new_key(organization)
    for grace in graces:
        await appliance.manage_keys.rotate(SYSTEM, organization.id, made.stored.id, grace)
    return made.key


async def _grace_over(appliance: FakeAppliance, organization: Organization) -> str:
    key = await _rotated(appliance, organization, 60)
    appliance.clock.advance(60_000_000)
    return key


async def _expired_in_grace(appliance: FakeAppliance, organization: Organization) -> str:
    made = await appliance.new_key(organization, expires_us=appliance.clock.now_us() + 1_000)
    await appliance.manage_keys.rotate(SYSTEM, organization.id, made.stored.id, 600)
    appliance.clock.advance(1_000)
    return made.key


async def _expired(appliance: FakeAppliance, organization: Organization) -> str:
    made = await appliance.new_key(organization, expires_us=appliance.clock.now_us() + 1)
    appliance.clock.advance(1)
    return made.key


async def _closed(appliance: FakeAppliance, organization: Organization) -> str:
    made = await appliance.new_key(organization)
    async with appliance.accounts.tenant(organization.id) as tenant:
        await tenant.save_organization(replace(organization, closed_us=appliance.clock.now_us()))
    return made.key


async def _only_from(appliance: FakeAppliance, organization: Organization, *networks: str) -> str:
    return (await appliance.new_key(organization, allowed_ips=networks)).key


async def _unknown(_appliance: FakeAppliance, _organization: Organization) -> str:
    return UNKNOWN


async def _other_pepper(_appliance: FakeAppliance, organization: Organization) -> str:
    elsewhere = FakeAppliance()
    elsewhere.entropy._seed = b"elsewhere"
    return await elsewhere.key_for(await elsewhere.start("Elsewhere"))


ALL = frozenset(Scope)
DEAD: dict[str, Make] = {
    "of nobody": _unknown,
    "of another appliance": _other_pepper,
    "revoked": _revoked,
    "revoked in its grace": _revoked_in_grace,
    "expired": _expired,
    "expired in its grace": _expired_in_grace,
    "expires now": lambda one, of: _changed(one, of, expires_us=one.clock.now_us()),
    "rotated out": lambda one, of: _rotated(one, of, 0),
    "rotated out twice": lambda one, of: _rotated(one, of, 600, 600),
    "grace cut short": lambda one, of: _rotated(one, of, 600, 0),
    "grace over": _grace_over,
    "of a closed organization": _closed,
    "for another address": lambda one, of: _only_from(one, of, "192.0.2.1", "2001:db8::/32"),
    "for every IPv6 address": lambda one, of: _only_from(one, of, "::/0"),
    "for a mapped address": lambda one, of: _only_from(one, of, "::ffff:192.0.2.1"),
    "for a neighbouring network": lambda one, of: _only_from(one, of, "126.0.0.0/8", "128.0.0.0/8"),
    "altered scopes": lambda one, of: _altered(one, of, scopes=ALL),
    "altered limit": lambda one, of: _altered(one, of, rate_limit=1),
    "altered addresses": lambda one, of: _altered(one, of, allowed_ips=("127.0.0.1/32",)),
    "altered expiry": lambda one, of: _altered(one, of, expires_us=2**60),
    "altered organization": lambda one, of: _altered(one, of, seal=bytes(32)),
    "no seal": lambda one, of: _altered(one, of, seal=b""),
    "row under another id": lambda one, of: _altered(one, of, id=UUID(int=7)),
}


class Counted:
    """The store, counting the questions put to it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        self.calls += 1
        return getattr(self._store, name)


@pytest.fixture
def counted(site: Site) -> Counted:
    store = Counted(site.appliance.accounts)
    force_setattr(site.appliance.authenticate, "accounts", store)
    return store


async def refusal(client: httpx.AsyncClient, headers: list[tuple[str, str | bytes]], query: str = "") -> str:
    """The 401 but for its request id."""
    raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    answer = await client.get(f"/v1/ledger{query}", headers=raw)
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"] == 'Bearer realm="governlayer"'
    rest = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return f"{rest} {answer.text.replace(answer.headers['x-request-id'], '')}"


@pytest.fixture
async def said(client: httpx.AsyncClient) -> str:
    """What is said of a key that nobody has."""
    return await refusal(client, [("X-API-Key", UNKNOWN)])


def test_the_corpus_is_large() -> None:
    assert len(MALFORMED) + len(DEAD) >= 60


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_key_is_refused_without_a_query(
    client: httpx.AsyncClient, key: str, said: str, counted: Counted, name: str
) -> None:
    wrong = MALFORMED[name](key)
    assert (await client.get("/v1/ledger", headers={"X-API-Key": key})).status_code == 200
    assert counted.calls > 0
    counted.calls = 0
    assert await refusal(client, [("X-API-Key", wrong)]) == said
    bearer = b"Bearer " + (wrong if isinstance(wrong, bytes) else wrong.encode())
    if name != "scheme twice":
        assert await refusal(client, [("Authorization", bearer)]) == said
    assert counted.calls == 0


@pytest.mark.parametrize("name", DEAD)
async def test_a_dead_key_is_refused_like_one_that_nobody_has(
    site: Site, client: httpx.AsyncClient, acme: Organization, said: str, name: str
) -> None:
    dead = await DEAD[name](site.appliance, acme)
    assert await refusal(client, [("X-API-Key", dead)]) == said
    assert await refusal(client, [("Authorization", f"Bearer {dead}")]) == said


@pytest.mark.parametrize("place", ["?key=", "?api_key=", "?access_token=", "?X-API-Key=", "?authorization=Bearer%20"])
async def test_a_key_in_the_query_is_none(client: httpx.AsyncClient, key: str, counted: Counted, place: str) -> None:
    await refusal(client, [], place + key)
    assert counted.calls == 0


@pytest.mark.parametrize(
    "header",
    [
        ("Cookie", "X-API-Key={}"),
        ("Cookie", "{}"),
        ("Authorization", "Basic {}"),
        ("Authorization", "{}"),
        ("Authorization", "Token {}"),
        ("Proxy-Authorization", "Bearer {}"),
        ("X-Api-Token", "{}"),
        ("X_API_KEY", "{}"),
    ],
)
async def test_a_key_in_another_place_is_none(
    client: httpx.AsyncClient, key: str, counted: Counted, header: tuple[str, str]
) -> None:
    await refusal(client, [(header[0], header[1].format(key))])
    assert counted.calls == 0


async def test_a_wrong_key_beside_a_right_one_is_ambiguous(
    client: httpx.AsyncClient, key: str, counted: Counted
) -> None:
    for both in (
        [("X-API-Key", key), ("Authorization", f"Bearer {UNKNOWN}")],
        [("X-API-Key", UNKNOWN), ("Authorization", f"Bearer {key}")],
        [("X-API-Key", key), ("X-API-Key", UNKNOWN)],
    ):
        answer = await client.get("/v1/ledger", headers=both)
        assert (answer.status_code, answer.json()["code"]) == (400, "ambiguous_credentials")
        assert not any(one[start : start + 12] in answer.text for one in (key, UNKNOWN) for start in range(28))
    assert counted.calls == 0


async def test_forwarded_addresses_change_nothing(
    site: Site, client: httpx.AsyncClient, acme: Organization, said: str
) -> None:
    key = (await site.appliance.new_key(acme, allowed_ips=["192.0.2.1"])).key
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"):
        value = "for=192.0.2.1" if name == "Forwarded" else "192.0.2.1"
        assert await refusal(client, [("X-API-Key", key), (name, value)]) == said
