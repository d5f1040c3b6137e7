"""Files that are written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from governlayer_server.domain.errors import ConfigurationError


def write_whole(output: Path, write: Callable[[IO[bytes]], int]) -> int:
    """Write *output*, for its owner alone, whole or not at all; return what *write* returns."""
    try:
        # A name of its own with mode 0600, which follows no link that somebody put there.
        with NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file:
            partial = Path(file.name)
            try:
                result = write(file)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(output)
            except BaseException:
                partial.unlink()
                raise
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from None
    return result
