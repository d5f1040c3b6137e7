"""`governlayer up` over HTTPS, seen from outside; plain HTTP that would leave the machine; a stranger's `tls init`."""

import http.client
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
import sslyze
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.adapters.tls.contexts import client_context
from sslyze.mozilla_tls_profile.tls_config_checker import (
    MozillaTlsConfiguration,
    ServerNotCompliantWithTlsConfiguration,
    TlsConfigurationEnum,
    check_server_against_tls_configuration,
)

from tests.fakes.tls import Pair, serial_of, serial_seen, server_pair
from tests.system.appliance import GOVERNLAYER, Appliance
from tests.system.client import JSON, Client, question
from tests.system.conftest import Start, appliance_in_new_place
from tests.system.test_system_wire import GARBAGE


def over_tls(pair: Pair, *more: str) -> tuple[str, ...]:
    return ("--port", "0", "--tls-certificate", str(pair.certificate), "--tls-key", str(pair.key), *more)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return server_pair(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(pair: Pair) -> Iterator[Appliance]:
    with appliance_in_new_place() as appliance:
        appliance.environment = {
            "GOVERNLAYER_SECURITY_CONTACT": "mailto:security@example.com",
            "GOVERNLAYER_PUBLIC_URL": "https://127.0.0.1",
        }
        yield appliance.start(*over_tls(pair))
        assert appliance.is_running


def test_it_decides_over_https_with_all_headers(secure: Appliance, pair: Pair) -> None:
    assert secure.url.startswith("https://127.0.0.1:")
    tenant = secure.tenant("Acme")
    client = Client(secure.port, tenant.key, tls=client_context(pair.ca))
    decided = client.govern(question())
    assert decided.status == 200
    assert decided.json()["decision"] == "allow"
    # ``Client`` checks the seven headers on each.
    for status, method, path, body in (
        (404, "GET", "/no/such/path", None),
        (405, "DELETE", "/v1/govern", None),
        (422, "POST", "/v1/govern", b"{}"),
        (413, "POST", "/v1/govern", b" " * 1_048_577),
        (401, "GET", "/v1/ledger", None),
    ):
        one = client if status != 401 else Client(secure.port, tls=client_context(pair.ca))
        assert one.ask(method, path, body, JSON if body else None).status == status


def test_whom_to_tell_about_a_weakness_is_told_over_https(secure: Appliance, pair: Pair) -> None:
    client = Client(secure.port, tls=client_context(pair.ca))
    told = client.get("/.well-known/security.txt").body.decode()
    assert told.startswith("Contact: mailto:security@example.com\n")
    link = next(line for line in told.splitlines() if line.startswith("Policy: "))
    policy = client.get(link.removeprefix("Policy: https://127.0.0.1"))
    assert policy.status == 200
    assert b"48 hours" in policy.body


def test_what_is_not_http_is_answered_over_tls_as_without(secure: Appliance, pair: Pair) -> None:
    for sent in GARBAGE.values():
        with (
            socket.create_connection(("127.0.0.1", secure.port), timeout=20) as plain,
            client_context(pair.ca).wrap_socket(plain, server_hostname="127.0.0.1") as one,
        ):
            one.sendall(sent)
            assert one.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize("old", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_tls_is_refused(secure: Appliance, pair: Pair, old: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pair.ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = context.minimum_version = old
    with pytest.raises((ssl.SSLError, ConnectionError)):
        serial_seen(secure.port, context)


@pytest.mark.parametrize("sent", [b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 100, b"GARBAGE\r\n\r\n"])
def test_plain_http_on_the_port_gets_no_content(secure: Appliance, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), timeout=20) as one:
        one.sendall(sent)
        received = b""
        with suppress(ConnectionResetError):
            while data := one.recv(4096):
                received += data
    assert b"HTTP" not in received
    assert len(received) <= 7, "a TLS alert at most"


def test_a_client_that_never_shakes_hands_is_cut_off_while_others_are_served(secure: Appliance, pair: Pair) -> None:
    silent = [socket.create_connection(("127.0.0.1", secure.port), timeout=20) for _ in range(50)]
    assert Client(secure.port, tls=client_context(pair.ca)).get("/livez").status == 200
    for one in silent:
        with one, suppress(ConnectionResetError):
            assert one.recv(1) == b""


def test_mozillas_intermediate_configuration_is_met(secure: Appliance, pair: Pair) -> None:
    location = sslyze.ServerNetworkLocation(hostname="127.0.0.1", port=secure.port)
    trust = sslyze.CertificateInfoExtraArgument(custom_ca_file=pair.ca)
    request = sslyze.ServerScanRequest(
        server_location=location,
        scan_commands_extra_arguments=sslyze.ScanCommandsExtraArguments(certificate_info=trust),
    )
    scanner = sslyze.Scanner()
    scanner.queue_scans([request])
    (result,) = scanner.get_results()
    wanted = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    try:
        check_server_against_tls_configuration(result, wanted)
    except ServerNotCompliantWithTlsConfiguration as refused:
        pytest.fail(f"sslyze {version('sslyze')}: not Mozilla intermediate: {refused.issues}")
    print(f"\nsslyze {version('sslyze')}: compliant with Mozilla's intermediate configuration")


def test_a_certificate_is_exchanged_while_it_serves(new_appliance: Start, tmp_path: Path) -> None:
    pair, other = server_pair(tmp_path / "own"), server_pair(tmp_path / "other")
    appliance = new_appliance().start(*over_tls(pair))
    client = client_context(pair.ca)
    before = serial_of(pair.certificate)
    kept = http.client.HTTPSConnection("127.0.0.1", appliance.port, timeout=20, context=client)
    assert serial_seen(appliance.port, client) == before

    def ask() -> int:
        kept.request("GET", "/livez")
        response = kept.getresponse()
        response.read()
        return response.status

    assert ask() == 200
    socket_before = kept.sock
    pair.key.write_bytes(other.key.read_bytes())
    appliance.wait_for(lambda: "the old one stays in service" in appliance.errors())
    assert "does not belong to the certificate" in appliance.errors()
    assert serial_seen(appliance.port, client) == before
    assert ask() == 200
    Authority.open(pair.ca.parent).renew("server", 10)
    appliance.wait_for(lambda: "new certificate in service" in appliance.errors())
    assert serial_seen(appliance.port, client) == serial_seen(appliance.port, client, "localhost")
    assert serial_seen(appliance.port, client) == serial_of(pair.certificate) != before
    assert ask() == 200
    assert kept.sock is socket_before is not None, "the open connection went on"
    kept.close()
    assert appliance.stop() == 0


def test_a_client_certificate_is_required_where_it_is_asked_for(new_appliance: Start, tmp_path: Path) -> None:
    pair = server_pair(tmp_path / "own")
    clients = Authority.create(tmp_path / "clients")
    own = clients.issue_client("app", 10)
    strange = Authority.create(tmp_path / "strange").issue_client("app", 10)
    appliance = new_appliance().start(*over_tls(pair, "--tls-client-ca", str(clients.certificate_file)))
    assert Client(appliance.port, tls=client_context(pair.ca, *own)).get("/livez").status == 200
    for context in (client_context(pair.ca), client_context(pair.ca, *strange)):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            Client(appliance.port, tls=context).get("/livez")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOVERNLAYER, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
@pytest.mark.parametrize("command", ["up", "serve"])
def test_plain_http_does_not_leave_the_machine(tmp_path: Path, command: str, host: str) -> None:
    environment = {f"GOVERNLAYER_{name}": "x" for name in ("DATABASE_USER", "DATABASE_PASSWORD", "POLICIES")}
    for refused in (
        run(command, "--host", host, "--port", "1", GOVERNLAYER_DATA=str(tmp_path / "data"), **environment),
        run(command, "--port", "1", GOVERNLAYER_HOST=host, GOVERNLAYER_DATA=str(tmp_path / "data"), **environment),
    ):
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"governlayer: plain HTTP is served on loopback only, and {host} is not")
        assert all(way in refused.stderr for way in ("--tls-certificate", "--behind-tls-proxy", "--host 127.0.0.1"))
    assert not (tmp_path / "data").exists()


def test_a_partial_set_and_a_bad_key_are_refused(tmp_path: Path) -> None:
    pair = server_pair(tmp_path / "own")
    data = {"GOVERNLAYER_DATA": str(tmp_path / "data")}
    certificate, key = ("--tls-certificate", str(pair.certificate)), ("--tls-key", str(pair.key))
    for partial in (certificate, key, ("--tls-client-ca", str(pair.ca))):
        assert "TLS needs both" in run("up", *partial, **data).stderr
    assert "is none" in run("up", "--host", "example.com", **data).stderr
    assert "is not an IP address or network" in run("up", "--trusted-proxy", "10.0.0.0/40", **data).stderr
    pair.key.chmod(0o644)
    refused = run("up", *certificate, *key, **data)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is open to others" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_from_tls_init_to_https_on_ipv6_through_the_environment(new_appliance: Start, tmp_path: Path) -> None:
    made = run("tls", "init", "--directory", tmp_path / "tls")
    assert made.returncode == 0, made.stderr
    assert "away from the server" in made.stdout
    again = run("tls", "init", "--directory", tmp_path / "tls")
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists and was not touched: --force replaces it" in again.stderr
    pair = Pair(tmp_path / "tls" / "server.crt", tmp_path / "tls" / "server.key", tmp_path / "tls" / "ca.crt")
    appliance = new_appliance().start(*over_tls(pair, "--host", "::1"))
    assert appliance.url.startswith("https://[::1]:")
    with (
        socket.create_connection(("::1", appliance.port), timeout=20) as plain,
        client_context(pair.ca).wrap_socket(plain, server_hostname="::1") as one,
    ):
        one.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert one.recv(15) == b"HTTP/1.1 200 OK"
    issued = run("tls", "issue", "redis", "--directory", tmp_path / "tls", "--name", "cache.internal")
    assert issued.stdout.split() == [str(tmp_path / "tls" / f"redis.{end}") for end in ("crt", "key")]
    renewed = run("tls", "renew", "--directory", tmp_path / "tls")
    assert renewed.stdout.split() == [str(tmp_path / "tls" / f"{name}.crt") for name in ("redis", "server")]
    for wrong in (("issue", "x"), ("issue", "x", "--client", "--name", "y")):
        assert run("tls", *wrong, "--directory", tmp_path / "tls").returncode == 2


def test_the_sdk_reaches_it_through_the_authority_of_a_small_install(
    secure: Appliance, pair: Pair, tmp_path: Path
) -> None:
    tenant = secure.tenant("Sdk")
    snippet = (
        "from governlayer import GovernLayer\n"
        "with GovernLayer() as governlayer:\n"
        "    print(governlayer.govern(stage='input', agent='a', action='chat', content='hello').decision)\n"
    )
    variables = {
        "GOVERNLAYER_BASE_URL": secure.url,
        "GOVERNLAYER_API_KEY": tenant.key,
        "GOVERNLAYER_STATE_DIR": str(tmp_path),
    }
    for more, expected in (({"GOVERNLAYER_CA_BUNDLE": str(pair.ca)}, "allow"), ({}, "deny")):
        done = subprocess.run(
            [sys.executable, "-c", snippet], env={**variables, **more}, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == expected, done.stderr
