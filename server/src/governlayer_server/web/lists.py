"""Lists come in pages (API contract §1): ``limit`` and ``cursor``, and ids as cursors."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from litestar.params import QueryParameter

from governlayer_server.web.path_ids import UUID_PATTERN

_Item = TypeVar("_Item")
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
IdCursor = Annotated[str | None, QueryParameter(pattern=rf"^{UUID_PATTERN}(?![\s\S])")]


def after(cursor: str | None) -> UUID | None:
    """Return the id that the page comes after; None: it is the first."""
    return None if cursor is None else UUID(cursor)


def next_cursor(page: Sequence[Any], limit: int, name: str = "id") -> str | None:
    """Return the attribute *name* of the last of *page*, or None where there can be no next page."""
    return str(getattr(page[-1], name)) if len(page) == limit else None
