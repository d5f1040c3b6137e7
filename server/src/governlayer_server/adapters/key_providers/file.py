"""
Files that hold one secret line, and what is asked of each kind before it is read.

A file is opened first and then examined, so that nobody can put another one in its place in between.
"""

import os
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from governlayer_server.adapters.key_providers.texts import KeyText, ReadTexts
from governlayer_server.domain.errors import ConfigurationError

_ROOT = 0
_MAX_BYTES = 4096
_NOT_BY_OTHERS = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class Custody(Struct, frozen=True, kw_only=True):
    """
    What is asked of a file.

    Attributes:
        asked: the same in words, for who has to mend it.
        forbidden: bits of its mode that none may have.
        root: whether it may belong to root, who could read it in any case.
        links: whether the path may be a symbolic link.
    """

    asked: str
    forbidden: int
    root: bool = False
    links: bool = False


OWN = Custody(
    asked="be a regular file of this user with mode 0400 or 0600, and no link",
    forbidden=stat.S_IRWXO | stat.S_IRWXG | stat.S_IXUSR,
)
# systemd gives a credential to the service's user by an access control list, which shows as the group's bits.
CREDENTIAL = Custody(
    asked="be a regular file of root or this user, closed to others, as systemd makes it",
    forbidden=_NOT_BY_OTHERS,
    root=True,
)
# The kubelet owns what it projects as root, exchanges it by a link, and lets a container's user in by its group.
PROJECTED = Custody(
    asked="be a regular file of root or this user that others cannot read: mount the secret with defaultMode 0440 "
    "(and the pod's fsGroup) or 0400",
    forbidden=_NOT_BY_OTHERS,
    root=True,
    links=True,
)
# A ciphertext may be read by all. Who could write it could only put it out of use.
CIPHERTEXT = Custody(
    asked="be a regular file of root or this user that nobody else can write",
    forbidden=stat.S_IWGRP | stat.S_IWOTH,
    root=True,
    links=True,
)


def read_line(file: Path, custody: Custody) -> str | None:
    """
    Return the text of *file* without white space at its ends; None if there is no such file.

    Raises:
        ConfigurationError: it is not as *custody* asks, cannot be read, or holds no line of text. The text of the
            error names the file and never what is in it.
    """
    # Not blocking: a named pipe is refused below instead of waited for.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if custody.links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}): it must {custody.asked}") from None
    try:
        _check(file, os.fstat(descriptor), custody)
        return _line(file, os.read(descriptor, _MAX_BYTES + 1))
    finally:
        os.close(descriptor)


def file_texts(current: Path, following: Path | None, custody: Custody) -> ReadTexts:
    """
    Return what reads the keys of a provider from files.

    Args:
        current: must be there.
        following: a key that comes next, or came before; may be missing.
        custody: what is asked of both.
    """
    return partial(_texts, current, following, custody)


def _texts(current: Path, following: Path | None, custody: Custody) -> Sequence[KeyText]:
    files = [current] if following is None else [current, following]
    found = [(file, read_line(file, custody)) for file in files]
    if found[0][1] is None:
        raise ConfigurationError(f"the key-encryption key's file {current} is missing: without it nothing opens")
    return [KeyText(place=str(file), text=text) for file, text in found if text is not None]


def _check(file: Path, status: os.stat_result, custody: Custody) -> None:
    owners = {os.geteuid(), _ROOT} if custody.root else {os.geteuid()}
    is_sound = stat.S_ISREG(status.st_mode) and status.st_uid in owners and not status.st_mode & custody.forbidden
    if not is_sound:
        raise ConfigurationError(f"{file} must {custody.asked}")


def _line(file: Path, content: bytes) -> str:
    text = content.strip()
    # Printable ASCII without spaces: base64, a ciphertext of transit, a token.
    if len(content) > _MAX_BYTES or not text or not all(0x20 < byte < 0x7F for byte in text):
        raise ConfigurationError(f"{file} must hold one line of text without spaces, and nothing else")
    return text.decode()
