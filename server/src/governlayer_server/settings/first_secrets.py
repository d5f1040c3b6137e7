"""The secrets that a deployment begins with: files that only their owner can read, or a manifest for Kubernetes."""

import base64
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from governlayer_server.adapters.embedded.directory import write_once
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports import Entropy
from governlayer_server.settings.reading import encode_secret

_ROOT = 0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _base64(count: int, entropy: Entropy) -> str:
    return encode_secret(entropy.bytes(count))


def _password(entropy: Entropy) -> str:
    """Return 256 random bits in letters, digits, `-` and `_`: nothing that SQL or a file of Redis must quote."""
    return base64.urlsafe_b64encode(entropy.bytes(32)).decode().rstrip("=")


def _passphrase(entropy: Entropy) -> str:
    """Return 160 random bits to be copied by hand: eight groups of four letters and digits."""
    text = base64.b32encode(entropy.bytes(20)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


FIRST_SECRETS: Mapping[str, Callable[[Entropy], str]] = {
    "key-encryption-key": partial(_base64, 32),
    "pepper": partial(_base64, 32),
    "jwt-secret": partial(_base64, 64),
    "database-owner-password": _password,
    "database-app-password": _password,
    "database-superuser-password": _password,
    "redis-password": _password,
    "metrics-token": partial(_base64, 32),
    "backup-passphrase": _passphrase,
}
"""Each secret, and how it is made; the text is as the setting of that name wants it."""


def make_files(directory: Path, entropy: Entropy) -> dict[str, bool]:
    """
    Make in *directory* the secrets that are missing there, mode 0400; what is there is never written over.

    Args:
        directory: made (0700) if it is missing.
        entropy: where the secrets come from.

    Returns:
        Each secret, and whether it was made now.

    Raises:
        ConfigurationError: the directory cannot be written, is a link, or others own it or can write to it; or a secret
            that is there is an empty file or none, or somebody else may know it. Other secrets may have been made;
            running it again completes them.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(directory)
        return {name: _make(directory / name, partial(make, entropy)) for name, make in FIRST_SECRETS.items()}
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be used: {error.strerror}") from None


def _check_directory(directory: Path) -> None:
    """Refuse a directory in which somebody else could put a secret of theirs in the place of ours."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{directory} is a link: give the path of the directory itself")
    if status.st_uid not in {os.geteuid(), _ROOT}:
        raise ConfigurationError(f"{directory} belongs to user {status.st_uid}: run as that user, or choose another")
    if status.st_mode & _OTHERS_WRITE:
        raise ConfigurationError(f"others can write to {directory}: `chmod go-w {directory}`")


def _make(file: Path, make: Callable[[], str]) -> bool:
    try:
        status = file.lstat()
    except FileNotFoundError:
        write_once(file, make(), mode=0o400)
        return True
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        raise ConfigurationError(f"{file} is no file with a secret: restore it, or remove it if it was never used")
    if status.st_uid not in {os.geteuid(), _ROOT} or status.st_mode & _OTHERS:
        shown = f"{file} (user {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o})"
        raise ConfigurationError(
            f"{shown} may be known to others, or come from them: if you put it there, `chown {os.geteuid()} {file}` "
            f"and `chmod 0400 {file}`; else remove it"
        )
    return False


def read_files(directory: Path) -> dict[str, str]:
    """
    Return the secrets in *directory*, which ``make_files`` made.

    Raises:
        ConfigurationError: one cannot be read.
    """
    try:
        return {name: (directory / name).read_text(encoding="utf-8").strip() for name in FIRST_SECRETS}
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"the secrets in {directory} cannot be read as text by this user") from None


def manifest(name: str, namespace: str | None, secrets: Mapping[str, str]) -> str:
    """
    Return a Secret of Kubernetes (YAML) that holds *secrets*.

    Args:
        name: of the object, a DNS subdomain (RFC 1123).
        namespace: of the object; None: where it is applied.
        secrets: texts of visible ASCII characters.

    Raises:
        ConfigurationError: *name* or *namespace* is none.
    """
    for given in (name, *([] if namespace is None else [namespace])):
        if not _OBJECT_NAME.fullmatch(given):
            raise ConfigurationError(f"{given!r} is no name in Kubernetes: lower case letters, digits, `-` and `.`")
    # JSON strings are YAML strings.
    place = [] if namespace is None else [f"  namespace: {json.dumps(namespace)}"]
    lines = ["apiVersion: v1", "kind: Secret", "metadata:", f"  name: {json.dumps(name)}", *place, "type: Opaque"]
    return "\n".join([*lines, "stringData:", *(f"  {key}: {json.dumps(text)}" for key, text in secrets.items())])
