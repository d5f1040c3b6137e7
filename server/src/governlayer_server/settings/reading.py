"""Read single settings from the environment: ``GOVERNLAYER_<NAME>``, secrets also as ``GOVERNLAYER_<NAME>_FILE``."""

import base64
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from governlayer_server.domain.errors import ConfigurationError

PREFIX = "GOVERNLAYER_"
Environment = Mapping[str, str]
_Word = TypeVar("_Word", bound=StrEnum)
_PORTS = range(1, 65_536)


def text(environment: Environment, name: str) -> str | None:
    """Return the setting as it stands, if it is there."""
    return environment.get(PREFIX + name)


def path(environment: Environment, name: str) -> Path | None:
    """Return the path that the setting names, if it is there and not empty."""
    given = text(environment, name)
    return Path(given) if given else None


def secret(environment: Environment, name: str) -> str | None:
    """
    Return a secret, from the environment or from the file that ``…_FILE`` names.

    Raises:
        ConfigurationError: both are given, or the file cannot be read. The secret is not repeated.
    """
    direct, file = text(environment, name), text(environment, f"{name}_FILE")
    if direct is not None and file is not None:
        raise ConfigurationError(f"give {PREFIX}{name} or {PREFIX}{name}_FILE, not both")
    if file is None:
        return direct
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}{name}_FILE cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{PREFIX}{name}_FILE is not UTF-8 text") from None


def whole(environment: Environment, name: str, default: int, admitted: range) -> int:
    """
    Return a whole number.

    Raises:
        ConfigurationError: it is none, or not *admitted*.
    """
    given = text(environment, name) or str(default)
    if text(environment, name) == "" or not re.fullmatch(r"[0-9]{1,9}", given) or int(given) not in admitted:
        raise ConfigurationError(f"{PREFIX}{name} must be {admitted[0]} to {admitted[-1]}")
    return int(given)


def port(environment: Environment, name: str, default: int) -> int:
    """
    Return a port.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return whole(environment, name, default, _PORTS)
    except ConfigurationError:
        raise ConfigurationError(f"{PREFIX}{name} must be a port, 1 to 65535") from None


def one_of(environment: Environment, name: str, default: _Word) -> _Word:
    """
    Return one of the words of *default*'s enumeration.

    Raises:
        ConfigurationError: it is another.
    """
    given = text(environment, name)
    try:
        return default if given is None else type(default)(given)
    except ValueError:
        words = ", ".join(word.value for word in type(default))
        raise ConfigurationError(f"{PREFIX}{name} must be one of {words}") from None


def switch(environment: Environment, name: str) -> bool:
    """
    Return whether something is on, which it is unless it is switched off.

    Raises:
        ConfigurationError: it is neither ``on`` nor ``off``.
    """
    given = environment.get(PREFIX + name, "on")
    if given not in {"on", "off"}:
        raise ConfigurationError(f"{PREFIX}{name} must be on or off")
    return given == "on"


def encode_secret(value: bytes) -> str:
    """Return *value* as settings and secret files hold it: base64."""
    return base64.b64encode(value).decode()


def decode_secret(name: str, given: str) -> bytes:
    """
    Return the bytes of a secret in base64.

    Raises:
        ConfigurationError: it is not base64. The text is not repeated.
    """
    try:
        return base64.b64decode(given.strip(), validate=True)
    except ValueError:
        raise ConfigurationError(f"{name} is not base64") from None
