"""A proxy that is not trusted makes all clients one address: the start says so."""

import pytest
from governlayer_server.cli.listen import parse_listening


@pytest.mark.parametrize(("proxies", "warned"), [((), True), (("10.0.0.1",), False)])
def test_a_proxy_that_is_not_trusted_is_warned_of(
    capsys: pytest.CaptureFixture[str], proxies: tuple[str, ...], warned: bool
) -> None:
    parse_listening(
        host="10.0.0.5",
        tls_certificate=None,
        tls_key=None,
        tls_client_ca=None,
        behind_tls_proxy=True,
        trusted_proxies=proxies,
    )
    lines = capsys.readouterr().err.splitlines()
    assert ["--trusted-proxy ADDRESS" in line for line in lines] == ([True] if warned else [])
