"""Dumps of a range, and dumps that were cut off, of the real appliance: by the command line and over HTTP."""

import json
from pathlib import Path

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import Client, question

PATH = "/v1/ledger/dump"


@pytest.fixture
def auditor(shared: Appliance, acme: Tenant) -> Client:
    client = Client(shared.port, acme.key)
    for number in range(8):
        body = json.dumps(question(content=[{"role": "user", "text": f"number {number}"}])).encode()
        assert client.ask("POST", "/v1/govern", body, {"Content-Type": "application/json"}).status == 200
    return client


def kinds(dump: bytes) -> list[str]:
    return [next(iter(json.loads(line))) for line in dump.splitlines()]


@pytest.mark.parametrize("arguments", [("--first", "3"), ("--first", "2", "--last", "5"), ("--last", "4")])
def test_the_verifier_accepts_a_range_that_the_command_wrote(
    shared: Appliance, acme: Tenant, auditor: Client, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert auditor
    path = tmp_path / "range.gldump"
    done = shared.cli("ledger", "dump", "--org", acme.id, "-o", path, *arguments)
    assert done.returncode == 0, done.stderr
    shared.assert_verified(path)


def test_the_rest_of_a_dump_is_answered_to_a_range(shared: Appliance, auditor: Client, tmp_path: Path) -> None:
    whole = auditor.ask("GET", f"{PATH}?first=1&last=7&payloads=content")
    assert (whole.status, whole.header("Accept-Ranges")) == (200, "seq")
    lines = whole.body.splitlines(keepends=True)
    for seq in (1, 4, 7):
        place = next(i for i, line in enumerate(lines) if line.startswith(b'{"actor":') and b'"seq":%d,' % seq in line)
        rest = auditor.ask("GET", f"{PATH}?first=1&last=7&payloads=content", headers={"Range": f"seq={seq}-"})
        assert rest.status == 206
        assert rest.header("Content-Range").startswith(f"seq {seq}-7/")
        assert b"".join(lines[:place]) + rest.body == whole.body
    path = tmp_path / "whole.gldump"
    path.write_bytes(whole.body)
    shared.assert_verified(path)


def test_ranges_that_mean_nothing_here_are_ignored_or_refused(auditor: Client) -> None:
    for value in ("bytes=0-", "bytes=5-9", "items=1-"):
        assert auditor.ask("GET", f"{PATH}?last=3", headers={"Range": value}).status == 200
    for value in ("seq=", "seq=1", "seq=1-2", "seq=-2", "seq=1-,3-", "seq=x-", "seq=9-", "seq=99999999999999999-"):
        auditor.ask("GET", f"{PATH}?last=3", headers={"Range": value}).problem(422, "invalid_request")
    auditor.ask("GET", PATH, headers={"Range": "seq=1-"}).problem(422, "invalid_request")


def test_a_dump_that_was_cut_off_is_gone_on_with(
    shared: Appliance, acme: Tenant, auditor: Client, tmp_path: Path
) -> None:
    path, part = tmp_path / "acme.gldump", tmp_path / "acme.gldump.part"
    begun = auditor.ask("GET", f"{PATH}?first=0&last=9&payloads=content").body
    part.touch(0o600)
    part.write_bytes(begun[: len(begun) * 2 // 3])
    resume = ("ledger", "dump", "--org", acme.id, "-o", path, "--resume", "--json")
    done = shared.cli(*resume)
    assert (done.returncode, path.exists()) == (1, False)
    assert "other payloads" in done.stderr
    written = shared.cli_json(*resume, "--payloads", "content")
    assert written == {"file": str(path), "records": 10}
    assert path.read_bytes() == begun
    assert not part.exists()
    shared.assert_verified(path)
    # Nothing to go on with: a new one.
    path.unlink()
    assert shared.cli_json(*resume)["records"] > 10
    shared.assert_verified(path)


def test_the_dump_of_another_ledger_is_not_gone_on_with(
    shared: Appliance, acme: Tenant, auditor: Client, tmp_path: Path
) -> None:
    other = shared.tenant("otherranges", "govern,audit")
    begun = Client(shared.port, other.key).ask("GET", f"{PATH}?last=0").body
    (tmp_path / "a.part").touch(0o600)
    (tmp_path / "a.part").write_bytes(begun[: begun.index(b"\n") + 1])
    done = shared.cli("ledger", "dump", "--org", acme.id, "-o", tmp_path / "a", "--resume")
    assert done.returncode == 1
    assert "another ledger" in done.stderr
    assert auditor
