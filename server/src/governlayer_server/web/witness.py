"""The web application of a witness: c2sp.org/tlog-witness over HTTP. Two routes, and answers in plain text."""

import asyncio
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from governlayer_server.domain.errors import (
    GovernLayerError,
    Inconsistent,
    NoteError,
    NotFound,
    NotSigned,
    OtherSize,
    Unavailable,
    UnknownOrigin,
)
from governlayer_server.domain.ledger.note import MAX_NOTE_BYTES
from governlayer_server.ports import Clock, Entropy
from governlayer_server.usecases.witness_checkpoint import WitnessCheckpoint
from governlayer_server.web.deadline import Deadline
from governlayer_server.web.observe import LogLine, Observed

# A note, 63 hashes and a number.
_MAX_BODY_BYTES = MAX_NOTE_BYTES + 4096
_SIZE_MEDIA_TYPE = "text/x.tlog.size"
_STATUS: dict[type[GovernLayerError], int] = {
    NoteError: 400, NotSigned: 403, UnknownOrigin: 404, NotFound: 404, Inconsistent: 422, Unavailable: 503,
}  # fmt: skip


def create_witness_app(witness: WitnessCheckpoint, clock: Clock, entropy: Entropy, log: LogLine) -> Observed:
    """Return the ASGI application of *witness*, with an access log as the appliance has it."""

    @post("/add-checkpoint", status_code=200, media_type="text/plain")
    async def add_checkpoint(request: Request[Any, Any, Any]) -> str:
        """Return the cosignature of the checkpoint in the body."""
        # In a thread: it waits for the disk.
        return await asyncio.to_thread(witness, await request.body())

    @get("/{origin_hash:str}/checkpoint", media_type="text/plain", sync_to_thread=True)
    def checkpoint(origin_hash: FromPath[str]) -> str:
        """Return the checkpoint cosigned last, of the origin with this SHA-256 in hex."""
        note = witness.newest(origin_hash)
        if note is None:
            raise NotFound("no checkpoint of this origin was cosigned")
        return note

    app = Litestar(
        route_handlers=[add_checkpoint, checkpoint],
        middleware=[Deadline()],
        exception_handlers={GovernLayerError: _refused, HTTPException: _not_http, Exception: _failed},
        request_max_body_size=_MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
    return Observed(app, clock, entropy, log, lambda *_: None)


def _refused(_: Request[Any, Any, Any], error: GovernLayerError) -> Response[str]:
    if isinstance(error, OtherSize):
        return Response(f"{error.size}\n", status_code=409, media_type=_SIZE_MEDIA_TYPE)
    return _text(_STATUS.get(type(error), 500), str(error))


def _not_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    return _text(error.status_code, error.detail)


def _failed(_: Request[Any, Any, Any], __: Exception) -> Response[str]:
    return _text(500, "the witness failed: nothing was cosigned")


def _text(status: int, detail: str) -> Response[str]:
    return Response(f"{detail}\n", status_code=status, media_type="text/plain")
