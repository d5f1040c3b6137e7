"""Which settings may be shown to others, and what of the rest must not be in what they get to see."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from governlayer_server.domain.network import is_loopback, without_port
from governlayer_server.settings.reading import PREFIX, Environment

HARMLESS = frozenset({
    "ACCESS_TOKEN_MINUTES", "ADDRESS_LIMIT", "BACKUP_HOURS", "BACKUP_KEEP", "BCRYPT_COST", "BEHIND_TLS_PROXY", "CSP",
    "DATABASE_PORT", "DATABASE_TLS", "ENTERPRISE_LIMIT", "HOST", "KEY_PROVIDER", "REDIS_PORT", "REDIS_TIMEOUT_MS",
    "REDIS_TLS", "REGISTRATION", "REPLICAS", "RETENTION_JOB", "SESSION_HOURS", "SESSION_IDLE_MINUTES", "TSA_MINUTES",
})  # fmt: skip
"""Numbers, switches and words of ours."""
HOSTS = frozenset({
    "DATABASE_HOST", "DATABASE_READ_HOST", "PUBLIC_URL", "REDIS_CLUSTER", "REDIS_HOST", "REDIS_SENTINELS",
    "S3_ENDPOINT", "TSA_URL",
})  # fmt: skip
"""Where others are; shown only if that is asked for."""
NAMES = frozenset({
    "DATABASE_NAME", "DATABASE_OWNER_USER", "DATABASE_USER", "DEPLOYMENT", "REDIS_MASTER", "REDIS_SENTINEL_USER",
    "REDIS_USER", "S3_REGION",
})  # fmt: skip
"""Names that messages may have in them, and that usually are those of the bundles: not shown, and not taken out."""
# What is in the wrong setting by mistake, such as a password in that of a port, has not this form.
_FORM = re.compile(r"[0-9]{1,9}|[a-z]{1,12}(-[a-z]{1,12})?|[0-9]{1,3}(\.[0-9]{1,3}){3}|::1?")
_PATHS = ("_CA", "_CERTIFICATE", "_DIR", "_FILE", "TLS_KEY", "DATABASE_KEY", "POLICIES", "DATA")
_URL = re.compile(r"[a-z0-9+]+://(?:[^/@]*@)?(\[[^\]]+\]|[^/:]+)")
# Shorter ones would be found in words that have nothing to do with them.
_MIN_CHARACTERS = 4


def shown_settings(environment: Environment, *, hosts: bool) -> Mapping[str, Mapping[str, object]]:
    """Return all settings by their names, with the value where it is harmless; *hosts*: those too."""
    return {name: _shown(name, text, hosts) for name, text in _ours(environment)}


def _ours(environment: Environment) -> Iterator[tuple[str, str]]:
    for name in sorted(environment):
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX), environment[name]


def _shown(name: str, text: str, hosts: bool) -> Mapping[str, object]:
    if (name in HARMLESS and _FORM.fullmatch(text)) or (hosts and name in HOSTS):
        return {"value": text}
    if name.endswith("_FILE"):
        return _file(Path(text))
    return {"set": bool(text)}


def _file(file: Path) -> Mapping[str, object]:
    try:
        status = file.stat()
        return {"bytes": status.st_size, "mode": f"{status.st_mode & 0o7777:04o}", "owner": status.st_uid}
    except OSError as error:
        return {"error": error.strerror}


def hidden_values(environment: Environment, *, hosts: bool) -> Mapping[str, str]:
    """
    Return what must not be shown, and by which setting it came: values, contents of files, hosts within URLs.

    Args:
        environment: with the settings.
        hosts: whether those may be shown.
    """
    found: dict[str, str] = {}
    for name, text in _ours(environment):
        if name.endswith("_FILE"):
            found |= dict.fromkeys(_content(Path(text)), name.removesuffix("_FILE"))
        elif not name.endswith(_PATHS) and name not in NAMES and not (hosts and name in HOSTS):
            found |= dict.fromkeys(_parts(name, text), name)
    return {part: name for part, name in found.items() if len(part) >= _MIN_CHARACTERS}


def _parts(name: str, text: str) -> Iterator[str]:
    if name in HARMLESS and _FORM.fullmatch(text):
        return
    if name not in HOSTS:
        yield text
    for one in re.split(r"[\s,]+", text):
        url = _URL.match(one)
        if url or name in HOSTS:
            host = without_port(url[1] if url else one)
            # Names of one part, such as `redis`, are those of the bundles, and words besides.
            yield from [host] if re.search("[.:]", host) and not is_loopback(host) else []


def _content(file: Path) -> Sequence[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return []
    return [text, *text.splitlines()]
