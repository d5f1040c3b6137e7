"""What the ledger's owner reads over HTTP is what stands in it, and proves itself to gl-verify (ledger-v1 §5 to §8)."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.system.appliance import Appliance, Tenant
from tests.system.client import Client, question

SECRET = "AKIA" + "IOSFODNN7EXAMPLE"


class Told(NamedTuple):
    """A ledger of its own with decisions of all kinds, and what was answered."""

    tenant: Tenant
    answers: list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(shared: Appliance) -> Told:
    tenant = shared.tenant("Reader")
    client = Client(shared.port, tenant.key)
    asked = []
    for agent in ("alpha", "beta"):
        asked += [
            question(agent={"id": agent}),
            question(agent={"id": agent}, stage="output", content=[{"role": "assistant", "text": f"key {SECRET}"}]),
            question(agent={"id": agent}, stage="output", content=[{"role": "assistant", "text": "to a@b.example"}]),
            question(
                agent={"id": agent}, stage="tool_call", action={"name": "customer.delete", "arguments": {"id": 7}}
            ),
        ]
    answers = []
    for one in asked:
        time.sleep(0.002)
        answers.append(client.govern({**one, "options": {"receipt": True}}).json())
    return Told(tenant, answers)


@pytest.fixture
def reader(shared: Appliance, told: Told) -> Iterator[Client]:
    one = Client(shared.port, told.tenant.key)
    yield one
    one.close()


def _listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/ledger/records?limit=200&{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def _lines(dump: bytes) -> list[bytes]:
    return [line for line in dump.splitlines() if line.startswith(b'{"actor":')]


def test_all_four_outcomes_are_decided_and_recorded(reader: Client, told: Told) -> None:
    outcomes = [answer["decision"] for answer in told.answers]
    assert outcomes == ["allow", "deny", "redact", "require_approval"] * 2
    listed = {item["record"]["seq"]: item for item in _listed(reader)}
    for answer in told.answers:
        item = listed[answer["ledger"]["seq"]]
        assert item["hash"] == answer["ledger"]["hash"]
        assert item["record"]["prev_hash"] == answer["ledger"]["prev_hash"]
        assert item["record"]["time"] == answer["ledger"]["time"]
        assert item["record"]["body"]["decision"] == answer["decision"]
        assert item["record"]["body"]["decision_id"] == answer["decision_id"]


def test_what_is_redacted_is_gone_from_the_answer(told: Told) -> None:
    redacted = [answer for answer in told.answers if answer["decision"] == "redact"]
    for answer in redacted:
        assert "a@b.example" not in json.dumps(answer)
        assert answer["redacted"]["content"][0]["text"] != ""


def test_pages_hold_every_record_once_in_order(reader: Client) -> None:
    size, seen, cursor, pages = reader.size(), [], "", 0
    while True:
        page = reader.get(f"/v1/ledger/records?limit=3{cursor and f'&cursor={cursor}'}").json()
        seen += [item["record"]["seq"] for item in page["data"]]
        pages += 1
        cursor = page["next_cursor"]
        assert len(page["data"]) == 3 or cursor is None
        if cursor is None:
            break
    assert seen == list(range(size))
    assert pages >= size // 3
    assert [item["record"]["seq"] for item in _listed(reader, "after_seq=4")] == list(range(5, size))
    assert _listed(reader, f"after_seq={size - 1}") == []
    assert len(reader.get("/v1/ledger/records").json()["data"]) == min(size, 50)


def test_filters_give_what_fits_and_nothing_else(reader: Client, told: Told) -> None:
    everything = [item["record"] for item in _listed(reader)]
    moment = quote(told.answers[4]["ledger"]["time"])
    bodies: dict[str, Callable[[dict[str, Any]], bool]] = {
        "type=decision": lambda record: record["type"] == "decision",
        "type=key.created": lambda record: record["type"] == "key.created",
        "type=nothing": lambda record: False,
        "agent=alpha": lambda record: record["body"].get("agent") == "alpha",
        "decision=deny": lambda record: record["body"].get("decision") == "deny",
        "agent=beta&decision=redact": lambda record: (
            (record["body"].get("agent"), record["body"].get("decision")) == ("beta", "redact")
        ),
        f"from={moment}": lambda record: record["time"] >= told.answers[4]["ledger"]["time"],
        f"to={moment}": lambda record: record["time"] < told.answers[4]["ledger"]["time"],
        f"from={moment}&to={moment}": lambda record: False,
        "agent=alpha&type=decision&after_seq=5": lambda record: (
            record["body"].get("agent") == "alpha" and record["seq"] > 5
        ),
        "agent=alpha%27%20OR%20%271%27=%271": lambda record: False,
    }
    for query, fits in bodies.items():
        assert [item["record"] for item in _listed(reader, query)] == [r for r in everything if fits(r)], query
    assert sum("alpha" in str(record) for record in everything) >= 4


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "after_seq=-2", "after_seq=x",
        "after_seq=9007199254740992", "after_seq=1.5", "cursor=x", "cursor=-1", "cursor=1%0A", "cursor=" + "9" * 17,
        "from=yesterday", "from=2026-01-01", "from=2026-01-01T00:00:00", "to=0", "to=2026-13-01T00:00:00Z",
        "type=" + "t" * 65, "agent=" + "a" * 129, "agent=%00", "type=a%00", "decision=%00",
    ],
)  # fmt: skip
def test_bad_parameters_of_the_list_are_named(reader: Client, query: str) -> None:
    document = reader.get(f"/v1/ledger/records?{query}").problem(422, "invalid_request")
    assert query.partition("=")[0] in document["errors"][0]["detail"]


@pytest.mark.parametrize("seq", ["-1", "x", "1.5", "9007199254740992", "99999999999999999999999", "%00", "1e3"])
def test_a_record_that_cannot_be_is_not_found_or_refused(reader: Client, seq: str) -> None:
    assert reader.get(f"/v1/ledger/records/{quote(seq, safe='%')}").status in {404, 422}


def test_records_are_byte_for_byte_those_of_the_dump(reader: Client, shared: Appliance, told: Told) -> None:
    lines = _lines(shared.dump(told.tenant).read_bytes())
    whole = reader.get("/v1/ledger/records?limit=200").body
    for seq, line in enumerate(lines[:-1]):
        one = reader.get(f"/v1/ledger/records/{seq}")
        wanted = b'{"hash":"%s","record":%s}' % (sha256(line).hexdigest().encode(), line)
        assert one.body == wanted
        assert wanted in whole
    for before, after in pairwise(lines):
        assert json.loads(after)["prev_hash"] == sha256(before).hexdigest()


def test_the_checkpoint_is_signed_over_the_ledger_as_it_stands(reader: Client, shared: Appliance) -> None:
    state = reader.get("/v1/ledger").json()
    answer = reader.get("/v1/ledger/checkpoint")
    assert answer.header("Content-Type").startswith("text/plain")
    text, _, signatures = answer.body.decode().partition("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, int(size)) == (state["origin"], state["size"])
    assert len(base64.b64decode(root, validate=True)) == 32
    name, key_id, key = state["keys"][0].split("+", 2)
    public = base64.b64decode(key, validate=True)
    line = next(line for line in signatures.splitlines() if line.startswith(f"— {name} "))
    signed = base64.b64decode(line.rpartition(" ")[2], validate=True)
    assert signed[:4].hex() == key_id == sha256(f"{name}\n".encode() + public).hexdigest()[:8]
    assert public[0] == 1
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signed[4:], f"{text}\n".encode())
    assert state["keys"] == reader.get("/.well-known/governlayer").json()["ledger_keys"]
    assert state["keys"][0] == shared.ledger_key()
    assert [base64.b64decode(one.split("+", 2)[2])[0] for one in state["keys"]] == [0x01, 0x06]


def test_older_checkpoints_and_receipts_agree_with_a_later_dump(
    reader: Client, shared: Appliance, told: Told, tmp_path: Path
) -> None:
    note = tmp_path / "checkpoint"
    note.write_bytes(reader.get("/v1/ledger/checkpoint").body)
    brought: list[str | Path] = ["--checkpoint", note]
    for number, answer in enumerate(told.answers):
        receipt = tmp_path / f"{number}.tlog-proof"
        receipt.write_text(answer["receipt"])
        brought += ["--receipt", receipt]
    reader.govern(question())
    shared.assert_verified(shared.dump(told.tenant), *brought)


def test_a_receipt_or_checkpoint_of_another_ledger_is_refused(
    reader: Client, shared: Appliance, acme: Tenant, told: Told, tmp_path: Path
) -> None:
    receipt = tmp_path / "foreign.tlog-proof"
    answer = Client(shared.port, acme.key).govern(question(options={"receipt": True})).json()
    receipt.write_text(answer["receipt"])
    dump = shared.dump(told.tenant)
    assert shared.verify(dump, "--receipt", receipt).returncode == 1
    note = tmp_path / "foreign.note"
    note.write_bytes(Client(shared.port, acme.key).get("/v1/ledger/checkpoint").body)
    assert shared.verify(dump, "--checkpoint", note).returncode == 1


def test_dumps_over_http_verify_with_and_without_payloads(
    reader: Client, shared: Appliance, told: Told, tmp_path: Path
) -> None:
    for names in ((), ("content",), ("arguments", "content", "context", "findings")):
        before = reader.size()
        answer = reader.get(f"/v1/ledger/dump?payloads={','.join(names)}")
        assert answer.status == 200
        assert answer.header("Content-Type") == "application/x-ndjson"
        path = tmp_path / "ledger.gldump"
        path.write_bytes(answer.body)
        shared.assert_verified(path)
        last = json.loads(_lines(answer.body)[-1])
        assert (last["type"], last["body"]["payloads"], last["seq"]) == ("export", sorted(names), before)
        assert (b'{"payload":' in answer.body) is bool(names)
        if names:
            assert b'"text":"' in answer.body


def test_a_dump_that_is_changed_in_one_byte_is_refused(shared: Appliance, told: Told) -> None:
    path = shared.dump(told.tenant)
    good = path.read_bytes()
    place = good.index(b'"decision":"deny"') + len(b'"decision":"de')
    path.write_bytes(good[:place] + b"m" + good[place + 1 :])
    assert shared.verify(path).returncode == 1
    path.write_bytes(good[: good.rindex(b'{"end":')])
    assert shared.verify(path).returncode == 1


def test_a_dump_up_to_a_record_verifies(reader: Client, shared: Appliance, tmp_path: Path) -> None:
    path = tmp_path / "part.gldump"
    for last in (-1, 0, 3, reader.size() - 1):
        answer = reader.get(f"/v1/ledger/dump?last={last}")
        assert len(_lines(answer.body)) == last + 1
        path.write_bytes(answer.body)
        done = shared.verify(path)
        # Of an empty range there is no checkpoint, so the signature that was asked for cannot be checked.
        assert done.returncode == 0 if last >= 0 else done.returncode in {0, 3}, done.stdout + done.stderr


@pytest.mark.parametrize(
    "query",
    [
        "first=2&last=1",
        "first=99999999",
        "first=-1",
        "first=x",
        "last=99999999",
        "last=-2",
        "payloads=nothing",
        "payloads=content,secrets",
    ],
)
def test_a_dump_that_cannot_be_made_is_refused_and_leaves_no_record(reader: Client, query: str) -> None:
    before = reader.size()
    document = reader.get(f"/v1/ledger/dump?{query}").problem(422, "invalid_request")
    assert document["errors"]
    assert reader.size() == before


def test_an_export_by_the_operator_is_recorded_too(reader: Client, shared: Appliance, told: Told) -> None:
    before = reader.size()
    shared.dump(told.tenant, "--payloads", "content")
    record = reader.get(f"/v1/ledger/records/{before}").json()["record"]
    assert record["type"] == "export"
    assert record["actor"]["kind"] == "system"
    assert record["body"]["payloads"] == ["content"]


def test_times_are_utc_and_of_now(told: Told) -> None:
    moment = datetime.strptime(told.answers[-1]["ledger"]["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 600
