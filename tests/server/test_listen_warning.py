"""A proxy that is not trusted makes all clients one address: the start says so."""

import pytest
from governlayer_server.cli.listen import parse_listening


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
