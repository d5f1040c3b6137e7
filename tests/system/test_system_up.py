"""`governlayer up`: starts, resumes, refuses, stops, and leaves nothing behind, however it is ended."""

import json
import os
import random
import signal
import socket
import stat
import time
from collections.abc import Iterator

import pytest
from governlayer_server.adapters.postgres.migrate import known_migrations

from tests.system.appliance import STOP_S, Appliance, signal_all
from tests.system.client import Client, question
from tests.system.conftest import Start, appliance_in_new_place

LEFT_S = 10.0


def _one_line(appliance: Appliance) -> str:
    """Return the last line of standard error, which must be all that says what went wrong."""
    lines = appliance.errors().splitlines()
    assert "Traceback" not in appliance.errors()
    return lines[-1]


def test_the_first_line_with_json_says_where_it_serves(new_appliance: Start) -> None:
    appliance = new_appliance().launch()
    ready = appliance.first_line()
    assert set(ready) >= {"url", "setup_url", "data", "pid"}
    assert ready["data"] == str(appliance.data)
    assert ready["pid"] == appliance.pid
    assert ready["url"].startswith("http://127.0.0.1:")
    assert Client(int(ready["url"].rpartition(":")[2])).get("/readyz").status == 200
    assert appliance.out.read_bytes().count(b"\n") == 1
    assert f"migrations applied: {len(known_migrations())}\n" in appliance.errors()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_all_and_the_next_start_has_all_data(new_appliance: Start, number: signal.Signals) -> None:
    appliance = new_appliance().start()
    tenant = appliance.tenant("Acme")
    client = Client(appliance.port, tenant.key)
    placed = [client.govern(question()).json()["ledger"] for _ in range(5)]
    head = client.get("/v1/ledger").json()
    start = time.monotonic()
    assert appliance.stop(number) == 0
    assert time.monotonic() - start < STOP_S
    assert appliance.left() == []

    appliance.start()
    client = Client(appliance.port, tenant.key)
    assert client.get("/v1/ledger").json() == head
    for place in placed:
        assert client.get(f"/v1/ledger/records/{place['seq']}").json()["hash"] == place["hash"]
    assert client.govern(question()).json()["ledger"]["prev_hash"] == head["head_hash"]
    types = [row["type"] for row in appliance.query("SELECT type FROM ledger_record WHERE ledger_id = 'system'")]
    assert types.count("system.started") == 2
    assert types.count("system.stopped") == 1
    assert types.count("policy.published") == 1
    assert types.count("ledger.key") == 2  # Ed25519 and ML-DSA-44


def test_kill_9_leaves_nothing_running_and_the_next_start_recovers(new_appliance: Start) -> None:
    appliance = new_appliance().start()
    tenant = appliance.tenant("Acme")
    place = Client(appliance.port, tenant.key).govern(question()).json()["ledger"]
    appliance.kill()
    appliance.wait_for(lambda: not appliance.left(), LEFT_S)
    appliance.start()
    client = Client(appliance.port, tenant.key)
    assert client.get(f"/v1/ledger/records/{place['seq']}").json()["hash"] == place["hash"]


def test_a_start_that_is_ended_halfway_leaves_nothing_and_can_be_repeated(new_appliance: Start) -> None:
    appliance = new_appliance()
    seed = random.SystemRandom().getrandbits(32)
    print(f"\nseed {seed}")
    moments = random.Random(seed)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        appliance.launch()
        time.sleep(moments.uniform(0.2, 2.0))
        if number is signal.SIGKILL:
            appliance.kill()
        else:
            signal_all([appliance.pid], number)
            # 130: interrupted before there was anything to stop.
            assert appliance.wait_end() in {0, 130, -number}
        appliance.wait_for(lambda: not appliance.left(), LEFT_S)
    appliance.start()
    assert "Traceback" not in appliance.errors()
    assert Client(appliance.port).get("/readyz").status == 200


def test_a_second_up_on_the_same_directory_is_refused_and_harms_nothing(shared: Appliance, client: Client) -> None:
    second = Appliance(shared.data)
    second.out, second.err = (shared.data.with_name(f"second.{name}") for name in ("out", "err"))
    second.launch()
    assert second.wait_end(30) == 1
    assert str(shared.pid) in _one_line(second)
    assert str(shared.data) in _one_line(second)
    assert second.out.read_bytes() == b""
    assert client.govern(question()).status == 200


def test_a_port_in_use_is_said_in_one_line(new_appliance: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        appliance = new_appliance().launch("--port", str(port))
        assert appliance.wait_end(30) == 1
    assert f"port {port}" in _one_line(appliance)
    assert len(appliance.errors().splitlines()) == 1
    assert appliance.left() == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('@id("broken-one")\npermit (principal, action, resource', "default.cedar"),
        (
            '@id("wrong-type")\npermit (principal, action, resource) when { context.risk.score == "high" };',
            "wrong-type",
        ),
        ('@id("no-member")\npermit (principal, action, resource) when { context.nothing };', "no-member"),
        ('@id("odd")\n@outcome("maybe")\npermit (principal, action, resource);', "odd"),
        ("[" * 5_000, "default.cedar"),
    ],
    ids=["syntax", "wrong type", "unknown member", "unknown outcome", "nested brackets"],
)
def test_a_broken_policy_file_is_said_in_one_line_and_serves_nothing(
    broken_home: Appliance, text: str, named: str
) -> None:
    policies = broken_home.data / "policies" / "default.cedar"
    good = policies.read_text()
    policies.write_text(text)
    broken_home.err.unlink()
    try:
        assert broken_home.launch().wait_end(30) == 1
        last = _one_line(broken_home)
        assert last.startswith(f"governlayer: {policies}: "), broken_home.errors()
        assert named in last, broken_home.errors()
        assert broken_home.out.read_bytes() == b""
        assert broken_home.left() == []
    finally:
        policies.write_text(good)


@pytest.fixture(scope="module")
def broken_home() -> Iterator[Appliance]:
    """Return an appliance that has been started and stopped once."""
    with appliance_in_new_place() as appliance:
        assert appliance.start().stop() == 0
        yield appliance


def test_a_changed_policy_file_is_published_at_the_next_start(broken_home: Appliance) -> None:
    policies = broken_home.data / "policies" / "default.cedar"
    policies.write_text('@id("none")\n@code("closed")\n@reason("closed")\nforbid (principal, action, resource);\n')
    broken_home.start()
    try:
        tenant = broken_home.tenant("Acme")
        answer = Client(broken_home.port, tenant.key).govern(question()).json()
        assert answer["decision"] == "deny"
        assert answer["reason_code"] == "closed"
        assert answer["policy_set"]["version"] == 2
        rows = broken_home.query(
            "SELECT canonical FROM ledger_record WHERE ledger_id = 'system' AND type = 'policy.published' ORDER BY seq"
        )
        bodies = [json.loads(row["canonical"])["body"] for row in rows]
        assert [body["version"] for body in bodies] == [1, 2]
        assert bodies[1]["hash"] == answer["policy_set"]["hash"]
        started = broken_home.query(
            "SELECT canonical FROM ledger_record WHERE ledger_id = 'system' AND type = 'system.started' ORDER BY seq"
        )
        in_force = [json.loads(row["canonical"])["body"]["policy_set"] for row in started]
        assert in_force == [{"hash": body["hash"], "version": body["version"]} for body in bodies]
    finally:
        assert broken_home.stop() == 0
    assert broken_home.left() == []


def test_files_are_for_their_owner_only(shared: Appliance, client: Client) -> None:
    client.govern(question())
    root = stat.S_IMODE(shared.data.lstat().st_mode)
    # As root, the servers' own user has to pass through, and can neither list nor write.
    passable = {0o700, 0o711} if os.geteuid() == 0 else {0o700}
    assert root in passable
    for path in shared.data.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_socket():
            assert mode & 0o077 == 0, path
        elif path.is_dir():
            assert mode == 0o700 or (path.name == "sockets" and mode in passable), (path, oct(mode))
        else:
            assert mode == 0o600, (path, oct(mode))


def test_it_works_as_a_normal_user(new_appliance: Start) -> None:
    # Run by a normal user, all tests of this directory show it already.
    appliance = new_appliance(user="nobody" if os.geteuid() == 0 else None).start()
    tenant = appliance.tenant("Acme")
    client = Client(appliance.port, tenant.key)
    assert client.govern(question()).json()["decision"] == "allow"
    owners = {path.lstat().st_uid for path in (appliance.data, *appliance.data.rglob("*"))}
    assert owners == {appliance.data.stat().st_uid} != {0}
    assert appliance.data.stat().st_mode & 0o777 == 0o700
    appliance.assert_verified(appliance.dump(tenant))
    assert appliance.stop() == 0
    assert appliance.left() == []


def test_commands_say_in_one_line_that_there_is_no_appliance(new_appliance: Start) -> None:
    appliance = new_appliance()
    for arguments in (("orgs", "list"), ("ledger", "key"), ("keys", "list", "--org", "x")):
        done = appliance.cli(*arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert "governlayer up" in done.stderr
    assert not appliance.data.exists()


def test_commands_say_in_one_line_that_the_appliance_does_not_run(broken_home: Appliance) -> None:
    done = broken_home.cli("orgs", "list")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "governlayer up" in done.stderr
