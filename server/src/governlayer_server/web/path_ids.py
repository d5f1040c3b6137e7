"""Ids in paths: one that is malformed is as absent as one that nobody has."""

import re
from uuid import UUID

from governlayer_server.domain.errors import NotFound

UUID_PATTERN = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID = re.compile(UUID_PATTERN)


def path_id(text: str, what: str) -> UUID:
    """
    Return the id in *text*.

    Raises:
        NotFound: it is none; said as the store says it of an unknown *what*.
    """
    if not _UUID.fullmatch(text):
        raise NotFound(f"there is no such {what}")
    return UUID(text)
