"""Where published checkpoints go outside of the appliance. Nothing is said: nowhere, and no connection is made."""

import re
from pathlib import Path

from msgspec import Struct

from governlayer_server.adapters.anchors.syslog import syslog_address
from governlayer_server.adapters.outgoing import checked_url
from governlayer_server.domain.errors import ConfigurationError, NoteError
from governlayer_server.domain.ledger.note import COSIGNATURE, VerifierKey, parse_verifier_key
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.settings.reading import PREFIX, Environment, path, text, whole

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_WITNESSES = 16


class WitnessSettings(Struct, frozen=True, kw_only=True):
    """A witness: what the operator calls it, its key, its URL."""

    name: str
    key: VerifierKey
    url: str


class TimestampSettings(Struct, frozen=True, kw_only=True):
    """A time stamp authority: its URL, what its stamps must lead to, and how often a ledger is stamped at most."""

    url: str
    roots: Path
    interval_us: int


class AnchorSettings(Struct, frozen=True, kw_only=True):
    """Where published checkpoints go. ``ca``: certificates that the HTTPS of all of them must lead to."""

    witnesses: tuple[WitnessSettings, ...] = ()
    ca: Path | None = None
    directory: Path | None = None
    syslog: str | None = None
    timestamps: TimestampSettings | None = None


def anchors_from(environment: Environment) -> AnchorSettings:
    """
    Return where published checkpoints go.

    Raises:
        ConfigurationError: a setting is malformed or out of range, or would send something unencrypted elsewhere.
    """
    syslog = text(environment, "CHECKPOINT_SYSLOG") or None
    if syslog is not None:
        syslog_address(syslog)
    return AnchorSettings(
        witnesses=_witnesses(environment),
        ca=path(environment, "ANCHOR_CA"),
        directory=path(environment, "CHECKPOINT_DIR"),
        syslog=syslog,
        timestamps=_timestamps(environment),
    )


def _witnesses(environment: Environment) -> tuple[WitnessSettings, ...]:
    given = (text(environment, "WITNESSES") or "").replace("\n", ",").split(",")
    found = tuple(_witness(one.split()) for one in given if one.strip())
    names, keys = {one.name for one in found}, {str(one.key) for one in found}
    if len(names) < len(found) or len(keys) < len(found) or len(found) > _MAX_WITNESSES:
        raise ConfigurationError(f"{PREFIX}WITNESSES: names and keys differ, and there are at most {_MAX_WITNESSES}")
    return found


def _witness(parts: list[str]) -> WitnessSettings:
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        raise ConfigurationError(f"{PREFIX}WITNESSES must be `<name> <vkey> <url>`, several separated by commas")
    name, key, url = parts
    try:
        return WitnessSettings(name=name, key=parse_verifier_key(key, kinds=(COSIGNATURE,)), url=checked_url(url))
    except NoteError as error:
        raise ConfigurationError(f"{PREFIX}WITNESSES: {error}") from None


def _timestamps(environment: Environment) -> TimestampSettings | None:
    url, roots = text(environment, "TSA_URL") or None, path(environment, "TSA_CA")
    minutes = whole(environment, "TSA_MINUTES", 60, range(1, 10_081))
    if url is None and roots is None:
        return None
    if url is None or roots is None:
        raise ConfigurationError(
            f"time stamps need {PREFIX}TSA_URL, and the authority's certificates in {PREFIX}TSA_CA"
        )
    return TimestampSettings(url=checked_url(url), roots=roots, interval_us=minutes * MINUTE_US)
