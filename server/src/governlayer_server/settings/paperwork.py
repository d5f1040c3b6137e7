"""What papers need and only the people responsible know: a TOML file of theirs."""

from pathlib import Path

import msgspec

from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.supplied_facts import SuppliedFacts
from governlayer_server.settings.reading import PREFIX, Environment, path


def paperwork_from(environment: Environment, usual: Path | None = None) -> SuppliedFacts:
    """
    Return what was supplied; nothing where no file is named.

    Args:
        environment: may name the file, which must be there then.
        usual: read if it is there and no other is named.

    Raises:
        ConfigurationError: the file cannot be read, or something in it is not known.
    """
    named = path(environment, "PAPERWORK_FILE")
    file = named or usual
    if file is None or (named is None and not file.exists()):
        return SuppliedFacts()
    try:
        return msgspec.toml.decode(file.read_bytes(), type=SuppliedFacts)
    except OSError as error:
        raise ConfigurationError(f"{PREFIX}PAPERWORK_FILE: {file} cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{PREFIX}PAPERWORK_FILE: {file} is malformed: {error}") from None
