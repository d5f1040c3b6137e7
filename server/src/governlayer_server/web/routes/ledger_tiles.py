"""GET /v1/ledger/tile/…: the ledger as tiles (c2sp.org/tlog-tiles), which readers of others can follow too."""

from pathlib import PurePath
from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.tiles import parse_tile_path
from governlayer_server.usecases.read_tiles import ReadTiles
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.routes.ledger import AUDIT, WATCH

_TILE = "/v1/ledger/tile/"
_MEDIA_TYPE = "application/octet-stream"
# A tile of a given width never changes. It is one organization's: no cache between may keep it for others.
_NUMBER = r"^(x[0-9]{3}/)*[0-9]{3}(\.p/[1-9][0-9]{0,2})?(?![\s\S])"
Level = Annotated[str, PathParameter(schema_extra={"pattern": r"^(0|[1-9][0-9]?)(?![\s\S])"})]
Number = Annotated[PurePath, PathParameter(schema_extra={"pattern": _NUMBER, "type": "string"})]
_CACHED = {"Cache-Control": "private, max-age=31536000, immutable"}


@get(
    _TILE + "{level:str}/{number:path}",
    opt=WATCH,
    operation_id="ledger_tile",
    summary="Hashes of the ledger's tree",
    media_type=_MEDIA_TYPE,
)
async def tile_route(
    request: UserRequest,
    level: Level,  # noqa: ARG001  # described here, read with the rest of the path
    number: Number,  # noqa: ARG001
    read_tiles: NamedDependency[ReadTiles],
) -> Response[bytes]:
    """Return up to 256 hashes, joined."""
    return await _answer(request, read_tiles)


@get(
    _TILE + "entries/{number:path}",
    opt=AUDIT,
    operation_id="ledger_entries",
    summary="Records in bundles, each after its length",
    media_type=_MEDIA_TYPE,
)
async def entries_route(
    request: UserRequest,
    number: Number,  # noqa: ARG001
    read_tiles: NamedDependency[ReadTiles],
) -> Response[bytes]:
    """Return the canonical bytes of up to 256 records, each after its length, 2 bytes big-endian."""
    return await _answer(request, read_tiles)


async def _answer(request: UserRequest, read_tiles: ReadTiles) -> Response[bytes]:
    try:
        path = parse_tile_path(request.scope["path"].removeprefix(_TILE))
    except ValueError as error:
        raise NotFound(str(error)) from None
    content = await read_tiles(request.auth.organization_id, path)
    return Response(content, media_type=_MEDIA_TYPE, headers=_CACHED)


TILE_ROUTES = (tile_route, entries_route)
