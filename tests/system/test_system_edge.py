"""What the operator chooses for the edge reaches a real `up`: policy, contact, token of the metrics."""

import http.client
import socket

from tests.system.appliance import Appliance
from tests.system.client import SECURITY_HEADERS, Client
from tests.system.conftest import Start

STRICT = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
)
CONTACT = "https://example.com/report"


def _asked(appliance: Appliance, path: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", appliance.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_settings_of_the_environment_are_in_force(new_appliance: Start) -> None:
    appliance = new_appliance()
    appliance.environment = {
        "GOVERNLAYER_CSP": "strict",
        "GOVERNLAYER_SECURITY_CONTACT": CONTACT,
        "GOVERNLAYER_PUBLIC_URL": "https://gl.example.com",
    }
    appliance.start()
    answers = [_asked(appliance, path)[0] for path in ("/livez", "/docs", "/nowhere", "/" + "a" * 40_000)]
    for answer in (*answers, _garbage(appliance)):
        for name, value in {**SECURITY_HEADERS, "Content-Security-Policy": STRICT}.items():
            assert answer.headers.get_all(name) == [value], (answer.status, name)
    answer, body = _asked(appliance, "/.well-known/security.txt")
    assert f"Contact: {CONTACT}\n" in body.decode()
    assert "Canonical: https://gl.example.com/.well-known/security.txt\n" in body.decode()
    assert "Policy: https://gl.example.com/docs/security-policy\n" in body.decode()
    answer, body = _asked(appliance, "/docs/security-policy")
    assert answer.status == 200
    assert f"\nTo {CONTACT}\n" in body.decode()
    assert appliance.stop() == 0


def _garbage(appliance: Appliance) -> http.client.HTTPResponse:
    with socket.create_connection(("127.0.0.1", appliance.port), timeout=20) as one:
        one.sendall(b"GARBAGE\r\n\r\n")
        answer = http.client.HTTPResponse(one)
        answer.begin()
        return answer


def test_a_setting_that_breaks_its_rule_is_said_in_one_line_and_serves_nothing(new_appliance: Start) -> None:
    appliance = new_appliance()
    appliance.environment = {"GOVERNLAYER_METRICS_TOKEN": "CANARY-short"}
    assert appliance.launch().wait_end(60) != 0
    last = appliance.errors().splitlines()[-1]
    assert "metrics token" in last
    assert "CANARY" not in appliance.errors()


def test_the_metrics_open_to_the_token_in_the_data_directory_alone(shared: Appliance, client: Client) -> None:
    client.get("/metrics").problem(401, "not_authenticated")
    file = shared.data / "secrets" / "metrics-token"
    assert file.stat().st_mode & 0o077 == 0
    nobody = Client(shared.port)
    nobody.get("/metrics", {"Authorization": f"Bearer {'x' * 43}"}).problem(401, "not_authenticated")
    answer = nobody.get("/metrics", {"Authorization": f"Bearer {file.read_text().strip()}"})
    assert answer.status == 200
    for component in ("ledger", "migrations", "postgresql", "redis"):
        assert f'governlayer_component_up{{component="{component}"}} 1.0' in answer.body.decode()


def test_without_a_contact_security_txt_says_what_is_missing(client: Client) -> None:
    document = client.get("/.well-known/security.txt").problem(404, "not_found")
    assert "GOVERNLAYER_SECURITY_CONTACT" in document["detail"]
