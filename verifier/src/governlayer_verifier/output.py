"""Writing the report to a file: whole or not at all, and never over something that was read."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from governlayer_verifier.errors import ArgumentError, InputError


def refuse_target(target: Path, inputs: Iterable[str]) -> None:
    """
    Refuse a *target* that could not, or must not, be written, before anything is verified.

    Args:
        target: the file to write.
        inputs: the files that are read; ``-`` is none.

    Raises:
        ArgumentError: *target* is one of *inputs*, is no file, or its folder does not exist. Nothing was written.
    """
    if target.exists() and not target.is_file():
        raise ArgumentError(f"the report {target} is not a file")
    if not target.parent.is_dir():
        raise ArgumentError(f"the folder of the report {target} does not exist")
    for each in inputs:
        if each != "-" and _are_one(target, Path(each)):
            raise ArgumentError(f"the report would overwrite {each}, which is read")


def _are_one(target: Path, other: Path) -> bool:
    if target.exists() and other.exists():
        return target.samefile(other)
    return target.resolve() == other.resolve()


def write_whole(target: Path, content: bytes) -> None:
    """
    Write *content* to *target* in one step, so that nobody finds half of it.

    Raises:
        InputError: it cannot be written; *target* is what it was.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".gl-verify-", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        raise InputError(f"cannot write the report {target}: {error.strerror or error}") from None
