"""What listens: the warning of a proxy that makes all clients one address, and the URL that others reach it by."""

import socket

import pytest
from governlayer_server.cli.listen import Listening, parse_listening


@pytest.mark.parametrize(
    ("proxies", "by_address", "warned"), [((), True, True), (("10.0.0.1",), True, False), ((), False, False)]
)
def test_a_proxy_that_is_not_trusted_is_warned_of(
    capsys: pytest.CaptureFixture[str], proxies: tuple[str, ...], by_address: bool, warned: bool
) -> None:
    parse_listening(
        host="10.0.0.5",
        tls_certificate=None,
        tls_key=None,
        tls_client_ca=None,
        behind_tls_proxy=True,
        trusted_proxies=proxies,
        by_address=by_address,
    )
    lines = capsys.readouterr().err.splitlines()
    assert ["--trusted-proxy ADDRESS" in line for line in lines] == ([True] if warned else [])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://witness.example.com"),
        ("::", "http://witness.example.com"),
        ("10.0.0.5", "http://10.0.0.5"),
        ("::1", "http://[::1]"),
    ],
)
def test_what_listens_on_all_addresses_is_reached_by_its_name(host: str, url: str) -> None:
    listening = Listening(host=host, certificate=None, trusted_proxies=())
    with socket.create_server(("127.0.0.1", 0)) as bound:
        assert listening.url(bound, "witness.example.com") == f"{url}:{bound.getsockname()[1]}"
