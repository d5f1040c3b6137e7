"""The settings of a client: read once, checked once, then one frozen value that does not show its key."""

from __future__ import annotations

import ipaddress
import math
import ssl
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeAlias

import httpx
import platformdirs

from ._note import FormatError, VerifierKey, parse_key
from .errors import ConfigurationError

OnUnavailable: TypeAlias = Literal["deny", "raise"]
Verify: TypeAlias = bool | str | PathLike[str] | ssl.SSLContext

VERSION: Final = "0.1.0"
_VISIBLE_ASCII: Final = frozenset(string.ascii_letters + string.digits + string.punctuation)


class ApiKey:
    """A key that signs requests (RFC 6750 §2.1) and is shown nowhere: not by repr, str, pickle or copy."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: httpx.Request) -> httpx.Request:
        """Put the key on *request*; httpx takes any such callable as its ``auth``."""
        request.headers["Authorization"] = f"Bearer {self._value}"
        return request

    def reveal(self) -> str:
        """Return the key, to search a text for it before the text is shown."""
        return self._value

    def __repr__(self) -> str:
        return "ApiKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key cannot be pickled or copied")


@dataclass(frozen=True, slots=True)
class Config:
    """
    Checked settings.

    Attributes:
        api_key: goes on each request.
        base_url: without a slash at its end.
        timeout_s: budget of one question over all of its tries.
        connect_timeout_s: bound of opening one connection, within the budget.
        max_retries: tries after the first.
        on_unavailable: what an outage becomes: a deny, or GovernanceUnavailable.
        verify_receipts: whether answers are held against the ledger.
        ledger_keys: the keys that the operator named; empty to trust those at first use.
        state_dir: where ledgers are remembered; None for in memory only.
        consistency_interval_s: seconds between two proofs of consistency.
    """

    api_key: ApiKey
    base_url: str
    timeout_s: float
    connect_timeout_s: float
    max_retries: int
    on_unavailable: OnUnavailable
    verify_receipts: bool
    ledger_keys: tuple[VerifierKey, ...]
    state_dir: Path | None
    consistency_interval_s: float

    @property
    def is_tls(self) -> bool:
        """Whether the base URL is https."""
        return self.base_url.startswith("https:")


def configure(
    environ: Mapping[str, str],
    *,
    api_key: str | None,
    base_url: str | None,
    timeout_s: float,
    connect_timeout_s: float,
    max_retries: int,
    on_unavailable: OnUnavailable,
    verify_receipts: bool,
    ledger_key: str | Sequence[str] | None,
    state_dir: str | PathLike[str] | None,
    consistency_interval_s: float,
) -> Config:
    """
    Return the settings; what is None comes from *environ*.

    Raises:
        ConfigurationError: a setting is missing or wrong. The text names the setting, not its value.
    """
    if on_unavailable not in {"deny", "raise"}:
        raise ConfigurationError('on_unavailable must be "deny" or "raise"')
    return Config(
        api_key=_checked_key(api_key or environ.get("GOVERNLAYER_API_KEY", "")),
        base_url=_checked_url(base_url or environ.get("GOVERNLAYER_BASE_URL", "")),
        timeout_s=_checked_seconds("timeout_s", timeout_s),
        connect_timeout_s=_checked_seconds("connect_timeout_s", connect_timeout_s),
        max_retries=_checked_retries(max_retries),
        on_unavailable=on_unavailable,
        verify_receipts=verify_receipts,
        ledger_keys=_checked_ledger_keys(
            environ.get("GOVERNLAYER_LEDGER_KEY", "") if ledger_key is None else ledger_key
        ),
        state_dir=None if state_dir is None else _state_dir(environ, state_dir),
        consistency_interval_s=_checked_interval(consistency_interval_s),
    )


def client_options(config: Config, environ: Mapping[str, str], verify: Verify) -> dict[str, Any]:
    """
    Return how to make the httpx client: certificates verified, no redirect, no proxy for plain HTTP.

    A proxy from the environment would carry a plain request, key and all, off this machine; an https request
    passes it encrypted.
    """
    return {
        "verify": _tls_context(config, environ.get("GOVERNLAYER_CA_BUNDLE", ""), verify),
        "follow_redirects": False,
        "trust_env": config.is_tls,
    }


def _tls_context(config: Config, ca_bundle: str, verify: Verify) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if not config.is_tls:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: cheaper than loading certificates
    if verify is False:
        return _unverified_loopback(config)
    bundle = ca_bundle if verify is True else verify
    try:
        context = ssl.create_default_context(cafile=bundle) if bundle else httpx.create_ssl_context()
    except (OSError, ValueError, TypeError):  # ssl.SSLError is an OSError
        raise ConfigurationError("the CA bundle cannot be read") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unverified_loopback(config: Config) -> ssl.SSLContext:
    if not _is_loopback(httpx.URL(config.base_url).host):
        raise ConfigurationError("verify=False is for loopback only: name the CA with verify= or GOVERNLAYER_CA_BUNDLE")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _checked_key(key: object) -> ApiKey:
    if not key:
        raise ConfigurationError("no API key: pass api_key or set GOVERNLAYER_API_KEY")
    if not isinstance(key, str) or not _VISIBLE_ASCII.issuperset(key):
        raise ConfigurationError("the API key holds a blank, a line end or another character no key has")
    return ApiKey(key)


def _checked_url(text: str) -> str:
    if not text:
        raise ConfigurationError("no base URL: pass base_url or set GOVERNLAYER_BASE_URL")
    if any(character.isspace() for character in text):
        raise ConfigurationError("the base URL holds a blank or a line end")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        raise ConfigurationError("the base URL is not a URL") from None
    if url.scheme not in {"https", "http"} or not url.host:
        raise ConfigurationError("the base URL must be https://host, or http:// on loopback")
    if url.userinfo:
        raise ConfigurationError("the base URL must not hold credentials")
    if url.query or url.fragment or text.endswith(("?", "#")):
        raise ConfigurationError("the base URL must not hold a query or a fragment")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError("plain http:// is refused off loopback: use https://")
    return str(url).rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_retries(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10:
        raise ConfigurationError("max_retries must be 0 to 10")
    return value


def _checked_ledger_keys(keys: str | Sequence[str]) -> tuple[VerifierKey, ...]:
    try:
        return tuple(parse_key(text) for text in (keys.split() if isinstance(keys, str) else keys))
    except FormatError as error:
        raise ConfigurationError(f"ledger_key: {error}") from None


def _state_dir(environ: Mapping[str, str], given: str | PathLike[str]) -> Path:
    chosen = Path(given) if str(given) else environ.get("GOVERNLAYER_STATE_DIR", "")
    return Path(chosen) if chosen else platformdirs.user_state_path("governlayer", appauthor=False)


def _checked_interval(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 86_400:
        raise ConfigurationError("consistency_interval_s must be 0 to 86400 seconds")
    return float(value)


def _checked_seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds")
    if not math.isfinite(value) or not 0 < value <= 600:
        raise ConfigurationError(f"{name} must be more than 0 and at most 600 seconds")
    return float(value)
