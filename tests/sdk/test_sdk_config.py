from __future__ import annotations

import importlib.metadata
import ssl
from typing import Any

import governlayer
import httpx
import pytest
from governlayer import AsyncGovernLayer, ConfigurationError, GovernLayer

from tests.sdk.sdk_support import BASE_URL, KEY

CLIENTS = [GovernLayer, AsyncGovernLayer]
both = pytest.mark.parametrize("cls", CLIENTS)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("GOVERNLAYER_API_KEY", "GOVERNLAYER_BASE_URL", "GOVERNLAYER_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def refused(cls: Any, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        cls(**{"api_key": KEY, "base_url": BASE_URL, **options})
    assert caught.value.code == "configuration_error"
    return str(caught.value)


@both
class TestWhere:
    @pytest.mark.parametrize(
        "url",
        [
            "https://gl.example", "https://gl.example:8443/prefix/", "http://127.0.0.1:8000", "http://127.9.9.9",
            "http://localhost:1", "http://[::1]:8000", "HTTPS://GL.EXAMPLE",
        ],
    )  # fmt: skip
    def test_https_and_loopback_are_taken(self, cls, url):
        assert not repr(cls(KEY, base_url=url)).endswith("/')")

    @pytest.mark.parametrize(
        "url",
        [
            "http://gl.example", "http://10.0.0.1", "http://192.168.0.1", "http://0.0.0.0", "http://[::]",
            "http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://evil.test/127.0.0.1",
            "http://2130706433", "http://127.1", "ftp://127.0.0.1", "//127.0.0.1", "127.0.0.1:8000", "localhost",
            "file:///etc/passwd", "https://", "http://", "https://host:port", "https://a b", "https://host\n",
        ],
    )  # fmt: skip
    def test_anything_else_is_refused(self, cls, url):
        refused(cls, base_url=url)

    @pytest.mark.parametrize(
        "url",
        ["https://user:s3cret@gl.example", "https://s3cret@gl.example", "http://127.0.0.1@evil.test/s3cret"],
    )
    def test_credentials_in_the_url_are_refused_and_not_repeated(self, cls, url):
        assert "s3cret" not in refused(cls, base_url=url)

    @pytest.mark.parametrize("url", ["https://h/?a=1", "https://h/#x", "https://h?", "https://h#"])
    def test_a_query_or_fragment_is_refused(self, cls, url):
        refused(cls, base_url=url)

    def test_missing_settings_name_what_to_set(self, cls):
        assert "GOVERNLAYER_BASE_URL" in refused(cls, base_url=None)
        assert "GOVERNLAYER_API_KEY" in refused(cls, api_key=None)

    def test_settings_come_from_the_environment_and_arguments_win(self, cls, monkeypatch):
        monkeypatch.setenv("GOVERNLAYER_API_KEY", KEY)
        monkeypatch.setenv("GOVERNLAYER_BASE_URL", "https://from.env")
        assert "https://from.env" in repr(cls())
        assert "https://from.argument" in repr(cls(base_url="https://from.argument"))


@both
class TestValues:
    @pytest.mark.parametrize("key", ["", " ", KEY + "\n", KEY + "\r\nX: y", "ключ", "a b", 5])
    def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(self, cls, key):
        told = refused(cls, api_key=key)
        assert KEY not in told

    @pytest.mark.parametrize("name", ["timeout_s", "connect_timeout_s"])
    @pytest.mark.parametrize("value", [0, -1, 601, float("nan"), float("inf"), "2", None, True])
    def test_a_time_outside_its_range_is_refused(self, cls, name, value):
        assert name in refused(cls, **{name: value})

    @pytest.mark.parametrize("value", [-1, 11, 1.5, "2", None, True])
    def test_a_number_of_retries_outside_its_range_is_refused(self, cls, value):
        assert "max_retries" in refused(cls, max_retries=value)

    @pytest.mark.parametrize("value", ["allow", "", None, "ALLOW", True])
    def test_an_outage_cannot_be_made_an_allow(self, cls, value):
        assert "on_unavailable" in refused(cls, on_unavailable=value)


@both
class TestTls:
    def context(self, client: Any) -> ssl.SSLContext:
        return client._http._transport._pool._ssl_context

    def test_certificates_are_verified_and_tls_is_1_2_or_newer(self, cls):
        context = self.context(cls(KEY, base_url=BASE_URL))
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

    def test_an_older_tls_is_refused_also_where_the_system_would_take_it(self, cls, monkeypatch):
        lax = ssl.create_default_context()
        lax.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        monkeypatch.setattr(httpx, "create_ssl_context", lambda: lax)
        assert self.context(cls(KEY, base_url=BASE_URL)).minimum_version == ssl.TLSVersion.TLSv1_2

    def test_verification_cannot_be_turned_off_away_from_loopback(self, cls):
        assert "loopback" in refused(cls, verify=False)
        assert self.context(cls(KEY, base_url="https://127.0.0.1", verify=False)).verify_mode == ssl.CERT_NONE

    @pytest.mark.parametrize("how", ["argument", "environment"])
    def test_a_ca_bundle_that_cannot_be_read_is_refused(self, cls, how, tmp_path, monkeypatch):
        broken = tmp_path / "ca.pem"
        broken.write_text("not a certificate")
        for bundle in (broken, tmp_path / "missing.pem"):
            if how == "environment":
                monkeypatch.setenv("GOVERNLAYER_CA_BUNDLE", str(bundle))
                assert "CA bundle" in refused(cls)
            else:
                assert "CA bundle" in refused(cls, verify=bundle)

    def test_a_context_is_used_as_it_is(self, cls):
        context = ssl.create_default_context()
        assert self.context(cls(KEY, base_url=BASE_URL, verify=context)) is context

    def test_a_client_of_your_own_brings_its_own_verification(self, cls):
        own = (httpx.Client if cls is GovernLayer else httpx.AsyncClient)()
        assert "http_client" in refused(cls, http_client=own, verify="ca.pem")

    def test_a_proxy_from_the_environment_never_sees_a_plain_request(self, cls, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://proxy.test:3128")
        assert not cls(KEY, base_url="http://127.0.0.1:8000")._http._mounts
        assert cls(KEY, base_url=BASE_URL)._http._mounts


def test_the_version_is_that_of_the_distribution():
    assert governlayer.__version__ == importlib.metadata.version("governlayer")


def test_every_public_name_exists_once():
    assert len(set(governlayer.__all__)) == len(governlayer.__all__)
    assert all(hasattr(governlayer, name) for name in governlayer.__all__)
