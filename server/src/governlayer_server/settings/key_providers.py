"""Who hands over the key-encryption keys: ``GOVERNLAYER_KEY_PROVIDER`` and the settings of each."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import UnsafeDirectoryError
from governlayer_server.adapters.embedded.next_master_key import CURRENT, FOLLOWING
from governlayer_server.adapters.key_providers.file import (
    CIPHERTEXT,
    CREDENTIAL,
    OWN,
    PROJECTED,
    Custody,
    file_texts,
)
from governlayer_server.adapters.key_providers.plain import PlainKeys
from governlayer_server.adapters.key_providers.texts import KeyText, ReadTexts
from governlayer_server.adapters.key_providers.transit import TransitAddress, TransitKeys
from governlayer_server.adapters.outgoing import checked_url
from governlayer_server.adapters.tls.contexts import authorities
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.ports.key_providers import KeyProvider
from governlayer_server.settings.reading import PREFIX, Environment, one_of, path, secret, text

_KEY, _NEXT = "KEY_ENCRYPTION_KEY", "KEY_ENCRYPTION_KEY_NEXT"
_TRANSIT = ("URL", "KEY", "TOKEN_FILE", "MOUNT", "CA", "NAMESPACE")
_NEEDED_OF_TRANSIT = _TRANSIT[:3]
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PATH = re.compile(r"[A-Za-z0-9._-]{1,128}(/[A-Za-z0-9._-]{1,128}){0,7}")


class Provider(StrEnum):
    """The words of ``GOVERNLAYER_KEY_PROVIDER``."""

    ENVIRONMENT = "environment"
    FILE = "file"
    SYSTEMD = "systemd"
    KUBERNETES = "kubernetes"
    TRANSIT = "transit"


def key_provider_from(environment: Environment) -> KeyProvider:
    """
    Return who hands over the key-encryption keys; no key has been read.

    Args:
        environment: read anew whenever keys are asked for.

    Raises:
        ConfigurationError: a setting is missing, malformed, or of another provider. All that are missing are named.
    """
    provider = one_of(environment, "KEY_PROVIDER", Provider.ENVIRONMENT)
    strange = [f"{PREFIX}TRANSIT_{one}" for one in _TRANSIT if text(environment, f"TRANSIT_{one}") is not None]
    if strange and provider is not Provider.TRANSIT:
        raise ConfigurationError(f"{', '.join(strange)}: only {PREFIX}KEY_PROVIDER=transit needs it")
    if provider is not Provider.ENVIRONMENT and text(environment, _KEY) is not None:
        raise ConfigurationError(f"{PREFIX}{_KEY} is for {PREFIX}KEY_PROVIDER=environment, not for {provider}")
    return _MAKERS[provider](environment)


def data_directory_keys(directory: DataDirectory) -> KeyProvider:
    """Return who hands over the keys of the appliance in *directory*: two of its secrets."""
    return PlainKeys("data-directory", partial(_directory_texts, directory))


def _directory_texts(directory: DataDirectory) -> Sequence[KeyText]:
    try:
        found = [(name, directory.existing_secret(name)) for name in (CURRENT, FOLLOWING)]
    except UnsafeDirectoryError as error:
        raise ConfigurationError(str(error)) from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{directory.secrets / CURRENT} or {FOLLOWING} there cannot be read as text") from None
    if found[0][1] is None:
        raise ConfigurationError(f"{directory.secrets / CURRENT} is missing: without it nothing opens")
    return [KeyText(place=str(directory.secrets / name), text=kept) for name, kept in found if kept is not None]


def _environment(environment: Environment) -> KeyProvider:
    _require_one(environment)
    return PlainKeys(Provider.ENVIRONMENT, partial(_environment_texts, environment))


def _require_one(environment: Environment) -> None:
    if text(environment, _KEY) is None and text(environment, f"{_KEY}_FILE") is None:
        raise _missing([_KEY], " (or …_FILE)")


def _environment_texts(environment: Environment) -> Sequence[KeyText]:
    _require_one(environment)
    file = path(environment, f"{_NEXT}_FILE")
    is_to_come = file is not None and not os.path.lexists(file)
    found = [(_KEY, secret(environment, _KEY)), (_NEXT, None if is_to_come else secret(environment, _NEXT))]
    return [KeyText(place=PREFIX + name, text=kept) for name, kept in found if kept is not None]


def _files(provider: Provider, custody: Custody, environment: Environment) -> KeyProvider:
    return PlainKeys(provider, _file_texts(environment, custody))


def _file_texts(environment: Environment, custody: Custody) -> ReadTexts:
    file = path(environment, f"{_KEY}_FILE")
    if file is None:
        raise _missing([f"{_KEY}_FILE"])
    return file_texts(file, path(environment, f"{_NEXT}_FILE"), custody)


def _systemd(environment: Environment) -> KeyProvider:
    """Return the provider over two credentials; the settings may give them other names than the usual ones."""
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigurationError(
            f"CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential={CURRENT}:… or "
            "LoadCredentialEncrypted="
        )
    names = [text(environment, f"{_KEY}_FILE") or CURRENT, text(environment, f"{_NEXT}_FILE") or FOLLOWING]
    if not all(_NAME.fullmatch(name) for name in names):
        raise ConfigurationError(f"{PREFIX}{_KEY}_FILE and {PREFIX}{_NEXT}_FILE are names of credentials, not paths")
    current, following = (Path(directory) / name for name in names)
    return PlainKeys(Provider.SYSTEMD, file_texts(current, following, CREDENTIAL))


def _transit(environment: Environment) -> KeyProvider:
    given = {name: text(environment, f"TRANSIT_{name}") or None for name in _TRANSIT}
    missing = [f"TRANSIT_{name}" for name in _NEEDED_OF_TRANSIT if given[name] is None]
    if path(environment, f"{_KEY}_FILE") is None:
        missing.append(f"{_KEY}_FILE")
    if missing:
        raise _missing(missing)
    return TransitKeys(_transit_address(given), _file_texts(environment, CIPHERTEXT))


def _transit_address(given: Mapping[str, str | None]) -> TransitAddress:
    ca = Path(given["CA"]) if given["CA"] else None
    if ca is not None:
        authorities(ca)
    try:
        url = checked_url(str(given["URL"]))
    except ConfigurationError as error:
        raise ConfigurationError(f"{PREFIX}TRANSIT_URL: {error}") from None
    return TransitAddress(
        url=url,
        key=_checked("TRANSIT_KEY", str(given["KEY"]), _NAME),
        token=Path(str(given["TOKEN_FILE"])),
        mount=_checked("TRANSIT_MOUNT", (given["MOUNT"] or "transit").strip("/"), _PATH),
        ca=ca,
        namespace=None
        if given["NAMESPACE"] is None
        else _checked("TRANSIT_NAMESPACE", given["NAMESPACE"].strip("/"), _PATH),
    )


def _checked(name: str, given: str, grammar: re.Pattern[str]) -> str:
    # What is only dots would climb out of the path of the request.
    if not grammar.fullmatch(given) or any(not part.strip(".") for part in given.split("/")):
        raise ConfigurationError(
            f"{PREFIX}{name} has letters, digits and ._- only{'' if grammar is _NAME else ', and /'}"
        )
    return given


def _missing(names: Sequence[str], hint: str = "") -> ConfigurationError:
    return ConfigurationError(f"missing settings: {', '.join(PREFIX + name for name in names)}{hint}")


_MAKERS: Mapping[Provider, Callable[[Environment], KeyProvider]] = {
    Provider.ENVIRONMENT: _environment,
    Provider.FILE: partial(_files, Provider.FILE, OWN),
    Provider.SYSTEMD: _systemd,
    Provider.KUBERNETES: partial(_files, Provider.KUBERNETES, PROJECTED),
    Provider.TRANSIT: _transit,
}
