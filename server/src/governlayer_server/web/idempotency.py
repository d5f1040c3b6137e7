"""``Idempotency-Key``: accepted on every POST that creates (API contract §1)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from litestar import Request
from litestar.params import HeaderParameter

from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.usecases.answer_once import Once

_PATTERN = r"[\x21-\x7e]{1,255}"
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        required=False,
        description="1 to 255 visible ASCII characters",
        schema_extra={"pattern": rf"^{_PATTERN}(?![\s\S])"},
    ),
]
REPLAYED: Mapping[str, str] = MappingProxyType({"Idempotency-Replayed": "true"})
"""The header of an answer that had been given before."""
NO_STORE: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store"})
"""The header of an answer that holds a secret."""
_FORM = re.compile(_PATTERN)


def secret_headers(*, replayed: bool = False) -> dict[str, str]:
    """Return the headers of an answer that shows a secret once."""
    return {**NO_STORE, **(REPLAYED if replayed else {})}


async def once_of(request: Request[Any, Any, Any], key: str | None) -> Once | None:
    """
    Return the idempotency key with the body that came with it, or None where there is none.

    Raises:
        InvalidRequest: *key* is not 1 to 255 visible ASCII characters.
    """
    if key is None:
        return None
    if not _FORM.fullmatch(key):
        fault = Fault("", "header `Idempotency-Key`: 1 to 255 visible ASCII characters")
        raise InvalidRequest("a header has a wrong value", [fault])
    return Once(key=key, body=await request.body())
