"""What a file of a backup may be called, whatever keeps it."""

import re

MAX_WORDS = 6
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,100}}(?:/[A-Za-z0-9._-]{{1,100}}){{0,{MAX_WORDS - 1}}}")


def checked_name(name: str) -> str:
    """
    Return *name*.

    Raises:
        ValueError: it could name something outside of the store, or hidden in it.
    """
    if not is_name(name):
        raise ValueError("a file of a backup is named by words of [A-Za-z0-9._-], joined by /")
    return name


def is_name(name: str) -> bool:
    """Return whether a file may have this name; others that somebody put there are passed over."""
    return _NAME.fullmatch(name) is not None and not any(word.startswith(".") for word in name.split("/"))
