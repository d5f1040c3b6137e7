"""What a file of a backup may be called, whatever keeps it."""

import re

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}(?:/[A-Za-z0-9._-]{1,100}){0,5}")


def checked_name(name: str) -> str:
    """
    Return *name*.

    Raises:
        ValueError: it could name something outside of the store, or hidden in it.
    """
    if not _NAME.fullmatch(name) or any(word.startswith(".") for word in name.split("/")):
        raise ValueError("a file of a backup is named by words of [A-Za-z0-9._-], joined by /")
    return name
