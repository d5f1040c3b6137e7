"""Proofs, receipts and tiles over HTTP."""

import base64
from typing import Any

import httpx
import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.ledger.proofs import verify_consistency, verify_inclusion
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.ledger.tree import leaf_hash
from governlayer_server.domain.organization import Organization

from tests.fakes.rfc6962 import mth
from tests.server.web.conftest import Site, assert_problem, bearer


@pytest.fixture
async def records(site: Site, acme: Organization, key: str) -> list[bytes]:
    assert key
    for _ in range(260):
        await site.appliance.key_for(acme)
    return site.appliance.ledger.canonical(str(acme.id))


def hashes(body: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(one) for one in body["hashes"]]


async def test_an_inclusion_proof_is_told(client: httpx.AsyncClient, key: str, records: list[bytes]) -> None:
    for query, size in (("seq=3&size=200", 200), ("seq=3", len(records))):
        answer = await client.get(f"/v1/ledger/proofs/inclusion?{query}", headers=bearer(key))
        body = answer.json()
        assert (body["seq"], body["size"]) == (3, size)
        verify_inclusion(leaf_hash(records[3]), 3, size, hashes(body), mth(records[:size]))


async def test_a_consistency_proof_is_told(client: httpx.AsyncClient, key: str, records: list[bytes]) -> None:
    for query, size in (("from=100&to=257", 257), ("from=100", len(records))):
        answer = await client.get(f"/v1/ledger/proofs/consistency?{query}", headers=bearer(key))
        body = answer.json()
        assert (body["from"], body["to"]) == (100, size)
        verify_consistency(100, size, mth(records[:100]), mth(records[:size]), hashes(body))
    answer = await client.get("/v1/ledger/proofs/consistency?from=0&to=5", headers=bearer(key))
    assert answer.json() == {"from": 0, "to": 5, "hashes": []}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("inclusion", "seq"), ("inclusion?size=2", "seq"), ("inclusion?seq=-1", "seq"), ("inclusion?seq=x", "seq"),
        ("inclusion?seq=1.5", "seq"), ("inclusion?seq=9007199254740992", "seq"), ("inclusion?seq=999", "seq"),
        ("inclusion?seq=0&size=0", "size"), ("inclusion?seq=0&size=999", "size"), ("inclusion?seq=2&size=2", "seq"),
        ("consistency", "from"), ("consistency?to=2", "from"), ("consistency?from=-1", "from"),
        ("consistency?from=2&to=1", "from"), ("consistency?from=0&to=999", "to"), ("consistency?from=a", "from"),
        ("consistency?from=1&to=%00", "to"), ("consistency?from=999", "from"),
    ],
)  # fmt: skip
async def test_values_out_of_range_are_named(client: httpx.AsyncClient, key: str, query: str, named: str) -> None:
    answer = await client.get(f"/v1/ledger/proofs/{query}", headers=bearer(key))
    body = assert_problem(answer, 422, "invalid_request")
    assert f"parameter `{named}`" in body["errors"][0]["detail"]


async def test_a_receipt_is_a_file(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.get("/v1/ledger/records/1/receipt?size=2", headers=bearer(key))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="record-1.tlog-proof"'
    assert answer.text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert_problem(await client.get("/v1/ledger/records/99/receipt", headers=bearer(key)), 404, "not_found")
    for size in ("0", "x", "99", "1"):
        path = f"/v1/ledger/records/1/receipt?size={size}"
        assert_problem(await client.get(path, headers=bearer(key)), 422, "invalid_request")


async def test_tiles_are_served_for_good(client: httpx.AsyncClient, key: str, records: list[bytes]) -> None:
    for path, expected in (
        ("0/000", b"".join(map(leaf_hash, records[:256]))),
        ("0/001.p/2", b"".join(map(leaf_hash, records[256:258]))),
        ("1/000.p/1", mth(records[:256])),
        ("entries/001.p/1", len(records[256]).to_bytes(2, "big") + records[256]),
    ):
        answer = await client.get(f"/v1/ledger/tile/{path}", headers=bearer(key))
        assert answer.content == expected
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    ["0/001", "0/001.p/200", "0/002.p/1", "1/000", "1/000.p/2", "2/000.p/1", "63/000.p/1", "entries/001", "entries/9",
     "64/000", "0/1", "x/000", "0/000.p/0", "0/000.p/256", "0/x001/000", "0/000/000", "0/%2e%2e/000", "entries", "0"],
)  # fmt: skip
async def test_tiles_that_are_not_there_are_not_found(
    client: httpx.AsyncClient, key: str, records: list[bytes], path: str
) -> None:
    assert records
    assert_problem(await client.get(f"/v1/ledger/tile/{path}", headers=bearer(key)), 404, "not_found")


async def test_nothing_of_a_damaged_tree_is_told(
    site: Site, acme: Organization, client: httpx.AsyncClient, key: str, records: list[bytes]
) -> None:
    await client.get("/v1/ledger/tile/0/000", headers=bearer(key))
    place = (str(acme.id), Tile(0, 0))
    site.appliance.ledger.tile_rows[place] = bytes(32) + site.appliance.ledger.tile_rows[place][32:]
    for path in ("tile/0/000", "tile/entries/000", "proofs/inclusion?seq=0", "proofs/consistency?from=1",
                 "records/0/receipt"):  # fmt: skip
        answer = await client.get(f"/v1/ledger/{path}", headers=bearer(key))
        assert_problem(answer, 503, "ledger_damaged")
    assert (await client.get("/v1/ledger/proofs/inclusion?seq=257", headers=bearer(key))).is_success
    assert records


async def test_a_key_that_governs_sees_hashes_and_no_record(
    site: Site, acme: Organization, client: httpx.AsyncClient
) -> None:
    key = await site.appliance.key_for(acme, Scope.GOVERN)
    for path in ("checkpoint", "proofs/inclusion?seq=0", "proofs/consistency?from=1", "tile/0/000.p/1"):
        answer = await client.get(f"/v1/ledger/{path}", headers=bearer(key))
        assert answer.status_code == 200
        assert b'"actor"' not in answer.content
    for path in ("tile/entries/000.p/1", "records/0/receipt", "records/0"):
        assert_problem(await client.get(f"/v1/ledger/{path}", headers=bearer(key)), 403, "missing_scope")
