"""The health check asks the server on its own host, believes no other, and exits with what it found."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from governlayer_server.adapters.tls.authority import Authority
from governlayer_server.adapters.tls.contexts import load_pair, server_context
from governlayer_server.cli.commands import governlayer

from tests.fakes.canned_http import handled, http
from tests.fakes.tls import Pair, server_pair

READY = http(200, b'{"status":"ok"}')


class Host:
    """A server that answers as told, and the paths that it was asked for."""

    def __init__(self, answer: bytes = READY) -> None:
        self.answer = answer
        self.paths: list[str] = []

    async def handle(self, head: str, _body: bytes) -> bytes:
        self.paths.append(head.split(" ")[1])
        return self.answer

    async def check(self, pair: Pair | None, *arguments: str | Path, **settings: str) -> Result:
        """Serve with *pair*, or plain HTTP, and check with *arguments* and *settings*."""
        context = None
        if pair is not None:
            context = server_context()
            load_pair(context, pair.certificate, pair.key)
        async with handled(self.handle, context) as port:
            return await asyncio.to_thread(invoke, "--port", str(port), *arguments, **settings)


def invoke(*arguments: str | Path, **settings: str) -> Result:
    environment = {f"GOVERNLAYER_{name}": value for name, value in settings.items()}
    return CliRunner().invoke(governlayer, ["healthcheck", *map(str, arguments)], env=environment)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return server_pair(tmp_path / "ca", ["govern.example.com"])


async def test_ready_is_0_and_one_line(pair: Pair) -> None:
    host = Host()
    done = await host.check(pair, TLS_CERTIFICATE=str(pair.certificate), HOST="0.0.0.0")
    assert (done.exit_code, done.stdout) == (0, "/readyz: 200\n"), done.output
    assert host.paths == ["/readyz"]


async def test_live_asks_for_no_more_than_life(pair: Pair) -> None:
    host = Host()
    assert (await host.check(pair, "--live", TLS_CERTIFICATE=str(pair.certificate))).exit_code == 0
    assert host.paths == ["/livez"]


async def test_what_is_excluded_is_asked_for_and_nothing_else_can_be(pair: Pair) -> None:
    host = Host()
    done = await host.check(pair, "--exclude", "redis", TLS_CERTIFICATE=str(pair.certificate))
    assert (done.exit_code, host.paths) == (0, ["/readyz?exclude=redis"])
    assert invoke("--exclude", "ledger").exit_code == 2


async def test_not_ready_is_1_and_names_what_fails(pair: Pair) -> None:
    answer = json.dumps({"status": "unavailable", "failing": ["ledger", "redis"]}).encode()
    done = await Host(http(503, answer)).check(pair, TLS_CERTIFICATE=str(pair.certificate))
    assert (done.exit_code, done.stderr) == (1, "/readyz: 503 ledger redis\n")


async def test_an_expired_certificate_is_not_the_process_being_dead(tmp_path: Path) -> None:
    pair = server_pair(tmp_path / "ca", expired=True)
    assert (await Host().check(pair, TLS_CERTIFICATE=str(pair.certificate))).exit_code == 0


@pytest.mark.parametrize("issuer", ["same authority", "another"])
async def test_another_certificate_than_the_one_in_the_file_is_not_believed(
    pair: Pair, issuer: str, tmp_path: Path
) -> None:
    if issuer == "another":
        other = server_pair(tmp_path / "other", ["govern.example.com"])
    else:
        issued = Authority.open(tmp_path / "ca").issue_server("twin", ["govern.example.com"], 10)
        other = Pair(*issued, pair.ca)
    chained = tmp_path / "chain.crt"
    chained.write_text(pair.certificate.read_text() + pair.ca.read_text())
    host = Host()
    done = await host.check(other, TLS_CERTIFICATE=str(chained))
    assert (done.exit_code, host.paths) == (1, [])
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


async def test_a_server_that_admits_only_known_clients_is_shown_a_certificate(pair: Pair, tmp_path: Path) -> None:
    certificate, key = Authority.open(tmp_path / "ca").issue_client("probe", 10)
    context = server_context(pair.ca.read_text())
    load_pair(context, pair.certificate, pair.key)
    own = {"HEALTHCHECK_CERTIFICATE": str(certificate), "HEALTHCHECK_KEY": str(key)}
    async with handled(Host().handle, context) as port:
        arguments = ("--port", str(port), "--tls-certificate", pair.certificate)
        codes = [(await asyncio.to_thread(invoke, *arguments, **shown)).exit_code for shown in (own, {})]
    assert codes == [0, 1]


async def test_behind_a_proxy_it_asks_in_plain_http() -> None:
    assert (await Host().check(None)).exit_code == 0


@pytest.mark.parametrize("answer", [b"", http(200, b"<html>"), http(200, b"[]"), b"nonsense\r\n\r\n", http(200, b"{}")])
async def test_what_is_not_our_answer_is_1(answer: bytes) -> None:
    done = await Host(answer).check(None)
    assert (done.exit_code, done.stderr[:33]) == (1, "/readyz: no answer of GovernLayer")


async def test_no_server_is_1_and_says_so() -> None:
    async with handled(Host().handle) as port:
        pass
    done = await asyncio.to_thread(invoke, "--port", str(port))
    assert (done.exit_code, "no answer" in done.stderr) == (1, True)


def test_a_host_name_is_a_wrong_argument() -> None:
    assert invoke("--host", "example.com").exit_code == 2


def test_it_loads_no_database_and_no_web_application() -> None:
    program = (
        "import sys, governlayer_server.cli.healthcheck; print({'asyncpg', 'litestar', 'redis'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
