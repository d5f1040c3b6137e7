"""GET /v1/ledger/records/{seq}/receipt, /v1/ledger/proofs/…: what proves records, and that the ledger only grew."""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct, field

from governlayer_server.domain.ledger.dump import base64_texts
from governlayer_server.usecases.make_receipt import MakeReceipt
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.routes.ledger import AUDIT, MAX_SEQ, WATCH

_NOW = "how many records the ledger had; the size now, if left out"
Size = Annotated[int | None, QueryParameter(ge=1, le=MAX_SEQ, description=_NOW)]


class InclusionBody(Struct, frozen=True):
    """The proof (RFC 6962 §2.1.1) that record ``seq`` is in the tree of ``size`` records: base64, sibling first."""

    seq: int
    size: int
    hashes: list[str]


class ConsistencyBody(Struct, frozen=True):
    """The proof (RFC 6962 §2.1.2) that the tree of ``to`` records extends that of ``from``: base64."""

    start: int = field(name="from")
    to: int
    hashes: list[str]


@get(
    "/v1/ledger/records/{seq:int}/receipt",
    opt=AUDIT,
    operation_id="ledger_receipt",
    summary="The receipt of a record: proves it offline",
    media_type="text/plain",
)
async def receipt_route(
    request: UserRequest,
    seq: Annotated[int, PathParameter(ge=0, le=MAX_SEQ)],
    make_receipt: NamedDependency[MakeReceipt],
    size: Annotated[
        int | None,
        QueryParameter(ge=1, le=MAX_SEQ, description="of the checkpoint; the newest published one, if left out"),
    ] = None,
) -> Response[str]:
    """Return a ``.tlog-proof`` (c2sp.org/tlog-proof) with the record's bytes."""
    text = await make_receipt(request.auth.organization_id, seq, size)
    headers = {"Content-Disposition": f'attachment; filename="record-{seq}.tlog-proof"'}
    return Response(text, media_type="text/plain", headers=headers)


@get("/v1/ledger/proofs/inclusion", opt=WATCH, operation_id="ledger_inclusion", summary="Prove that a record is there")
async def inclusion_route(
    request: UserRequest,
    prove_ledger: NamedDependency[ProveLedger],
    seq: Annotated[int, QueryParameter(ge=0, le=MAX_SEQ)],
    size: Size = None,
) -> InclusionBody:
    """Return the inclusion proof of record *seq* in the ledger of *size*."""
    ledger_id = str(request.auth.organization_id)
    at = (await prove_ledger.ledger.head(ledger_id)).size if size is None else size
    return InclusionBody(seq, at, base64_texts(await prove_ledger.inclusion(ledger_id, seq, at)))


@get(
    "/v1/ledger/proofs/consistency",
    opt=WATCH,
    operation_id="ledger_consistency",
    summary="Prove that the ledger only grew",
)
async def consistency_route(
    request: UserRequest,
    prove_ledger: NamedDependency[ProveLedger],
    start: Annotated[
        int,
        QueryParameter(name="from", ge=0, le=MAX_SEQ, description="how many records it had; 0 needs no proof"),
    ],
    to: Annotated[int | None, QueryParameter(ge=0, le=MAX_SEQ, description=_NOW)] = None,
) -> ConsistencyBody:
    """Return the consistency proof between two sizes of the ledger."""
    ledger_id = str(request.auth.organization_id)
    end = (await prove_ledger.ledger.head(ledger_id)).size if to is None else to
    return ConsistencyBody(start, end, base64_texts(await prove_ledger.consistency(ledger_id, start, end)))


PROOF_ROUTES = (receipt_route, inclusion_route, consistency_route)
