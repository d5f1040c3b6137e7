"""POST /v1/ledger/verify: the appliance recomputes its own ledger."""

from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from governlayer_server.usecases.verify_ledger import Verified, VerifyLedger
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.bodies import JsonBody
from governlayer_server.web.routes.ledger import AUDIT, MAX_SEQ

_Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]


class VerifyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which records, both ends inclusive; all, if left out."""

    first: _Seq = 0
    last: _Seq | None = None


@post(
    "/v1/ledger/verify",
    dto=JsonBody[VerifyBody],
    return_dto=None,
    status_code=200,
    opt=AUDIT,
    operation_id="verify_ledger",
    summary="Recompute the ledger, or a piece of it",
    description="A call works for about 3 seconds. Where `next` is not null, go on with it as `first`.",
)
async def verify_route(
    request: UserRequest, verify_ledger: NamedDependency[VerifyLedger], data: JSONBody[VerifyBody | None] = None
) -> Verified:
    """Return whether what is stored is sound, and the first thing that is not."""
    wanted = data or VerifyBody()
    return await verify_ledger(request.auth.organization_id, wanted.first, wanted.last)
