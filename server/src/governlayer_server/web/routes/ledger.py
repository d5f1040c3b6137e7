"""GET /v1/ledger…: the organization's own ledger."""

import re
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.response import Stream
from msgspec import Struct

from governlayer_server.domain.access import Scope, dual
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.times import parse_time
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES, ExportLedger, in_chunks
from governlayer_server.usecases.read_ledger import LedgerState, ReadLedger
from governlayer_server.web.authenticate import REFUSES, UserRequest
from governlayer_server.web.lists import Limit, next_cursor

AUDIT = {"access": dual(Scope.AUDIT)}
# Hashes alone: an agent's own SDK keeps watch over the ledger with them.
WATCH = {"access": dual(Scope.AUDIT, Scope.GOVERN)}
MAX_SEQ = 2**53 - 1
_TIME = {"format": "date-time"}
_NAME = f"({'|'.join(PAYLOAD_NAMES)})?"
_PAYLOADS = rf"^{_NAME}(,{_NAME})*(?![\s\S])"
_RESUMED = "The lines of a dump from a record on: what a dump that was cut off lacks"
_DUMP_MEDIA_TYPE = "application/x-ndjson"


class RecordBody(Struct, frozen=True):
    """A record: its hash (64 hex digits), and its canonical bytes as they stand in the ledger."""

    hash: str
    record: msgspec.Raw


class RecordList(Struct, frozen=True):
    """Some records in order; ``next_cursor`` is the ``after_seq`` of the next page, or null at the end."""

    data: list[RecordBody]
    next_cursor: str | None


@get("/v1/ledger", opt=AUDIT, operation_id="ledger", summary="Where the ledger stands")
async def ledger_route(request: UserRequest, read_ledger: NamedDependency[ReadLedger]) -> LedgerState:
    """Return origin, size, head hash, genesis hash and keys."""
    return await read_ledger.state(request.auth.organization_id)


@get("/v1/ledger/records", opt=AUDIT, operation_id="ledger_records", summary="List records")
async def records_route(
    request: UserRequest,
    read_ledger: NamedDependency[ReadLedger],
    after_seq: Annotated[int, QueryParameter(ge=-1, le=MAX_SEQ)] = -1,
    cursor: Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,16}(?![\s\S])")] = None,
    limit: Limit = 50,
    record_type: Annotated[str | None, QueryParameter(name="type", max_length=64)] = None,
    agent: Annotated[str | None, QueryParameter(max_length=128)] = None,
    decision: Annotated[str | None, QueryParameter(max_length=32)] = None,
    from_time: Annotated[
        str | None, QueryParameter(name="from", max_length=40, description="RFC 3339, inclusive", schema_extra=_TIME)
    ] = None,
    to_time: Annotated[
        str | None, QueryParameter(name="to", max_length=40, description="RFC 3339, exclusive", schema_extra=_TIME)
    ] = None,
) -> RecordList:
    """Return up to *limit* records after *after_seq* (or *cursor*) that fit the filters."""
    only = RecordFilter(
        type=_plain("type", record_type),
        agent=_plain("agent", agent),
        decision=_plain("decision", decision),
        from_us=_moment("from", from_time),
        to_us=_moment("to", to_time),
    )
    start = after_seq if cursor is None else int(cursor)
    records = await read_ledger.records(request.auth.organization_id, start, limit, only)
    return RecordList([_body(record) for record in records], next_cursor(records, limit, "seq"))


@get("/v1/ledger/records/{seq:int}", opt=AUDIT, operation_id="ledger_record", summary="One record")
async def record_route(
    request: UserRequest,
    seq: Annotated[int, PathParameter(ge=0, le=MAX_SEQ)],
    read_ledger: NamedDependency[ReadLedger],
) -> RecordBody:
    """Return record *seq*."""
    return _body(await read_ledger.record(request.auth.organization_id, seq))


@get(
    "/v1/ledger/checkpoint",
    opt={**WATCH, REFUSES: (404,)},
    operation_id="ledger_checkpoint",
    summary="The signed checkpoint of the ledger as it stands",
    media_type="text/plain",
)
async def checkpoint_route(
    request: UserRequest,
    read_ledger: NamedDependency[ReadLedger],
    cosigned: Annotated[
        bool, QueryParameter(description="the newest one that a witness cosigned, in place of the newest")
    ] = False,
) -> Response[str]:
    """Return a signed note (c2sp.org/tlog-checkpoint) with the cosignatures that it has."""
    read = read_ledger.cosigned_checkpoint if cosigned else read_ledger.checkpoint
    return Response(await read(request.auth.organization_id), media_type="text/plain")


@get(
    "/v1/ledger/dump",
    opt=AUDIT,
    operation_id="ledger_dump",
    summary="The ledger, or a range of it, as a dump (ledger-v1 §7), for gl-verify",
    media_type=_DUMP_MEDIA_TYPE,
    responses={206: ResponseSpec(str, description=_RESUMED, media_type=_DUMP_MEDIA_TYPE, generate_examples=False)},
)
async def dump_route(
    request: UserRequest,
    export_ledger: NamedDependency[ExportLedger],
    first: Annotated[int, QueryParameter(ge=0, le=MAX_SEQ)] = 0,
    last: Annotated[int | None, QueryParameter(ge=-1, le=MAX_SEQ)] = None,
    payloads: Annotated[
        str,
        QueryParameter(
            max_length=500, description="payload names, comma separated", schema_extra={"pattern": _PAYLOADS}
        ),
    ] = "",
    resume: Annotated[
        str | None,
        HeaderParameter(
            name="Range",
            max_length=40,
            description="`seq=N-`: of a dump that was cut off, the lines from record N on; `last` is its header's",
        ),
    ] = None,
) -> Stream:
    """Record the export, then stream the dump, or the rest of one."""
    names = [name for name in payloads.split(",") if name]
    resume_at = _resumed_seq(resume)
    export = await export_ledger(
        request.auth.actor, request.auth.organization_id, first=first, last=last, names=names, resume_at=resume_at
    )
    headers = {"Accept-Ranges": "seq", "Content-Disposition": 'attachment; filename="ledger.gldump"'}
    if resume_at is not None:
        headers["Content-Range"] = f"seq {export.start}-{export.last}/{export.size}"
    status = 200 if resume_at is None else 206
    return Stream(in_chunks(export.lines), status_code=status, media_type=_DUMP_MEDIA_TYPE, headers=headers)


def _resumed_seq(value: str | None) -> int | None:
    """Return the seq that a ``Range`` asks for; units that are not known ask for nothing (RFC 9110 §14.2)."""
    if value is None or not value.lower().startswith("seq="):
        return None
    match = re.fullmatch(r"seq=([0-9]{1,16})-", value, re.IGNORECASE)
    if match is None:
        raise InvalidRequest("a header has a wrong value", [Fault("", "header `Range`: seq=N-, one open range")])
    return int(match[1])


def _body(record: Record) -> RecordBody:
    return RecordBody(record.hash.hex(), msgspec.Raw(record.canonical))


def _plain(name: str, value: str | None) -> str | None:
    if value is not None and "\x00" in value:
        raise InvalidRequest("a parameter has a wrong value", [Fault("", f"parameter `{name}`: no U+0000")])
    return value


def _moment(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_time(value)
    except ValueError:
        fault = Fault("", f"parameter `{name}`: an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
        raise InvalidRequest("a parameter has a wrong value", [fault]) from None
