"""/v1/privacy/legal-holds…: what must not be destroyed until the hold is released."""

from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from governlayer_server.domain.access import Role, only
from governlayer_server.usecases.manage_holds import HoldTerms, ManageHolds
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.hold_bodies import CreateHoldRequest, HoldBody, HoldList, ReleaseHoldRequest, hold_body
from governlayer_server.web.idempotency import IdempotencyKey, once_of
from governlayer_server.web.lists import IdCursor, Limit, after, next_cursor
from governlayer_server.web.path_ids import path_id

_READ = {"access": only(Role.ADMIN)}
_CHANGE = {"access": only(Role.ADMIN, step_up=True)}
HoldId = Annotated[str, PathParameter(description="the hold's id, a UUID")]


@post(
    "/v1/privacy/legal-holds",
    dto=JsonBody[CreateHoldRequest],
    return_dto=None,
    before_request=refuse_empty,
    opt=_CHANGE,
    operation_id="create_legal_hold",
    summary="Hold: nothing that it covers is destroyed until it is released",
)
async def create_hold_route(
    request: UserRequest,
    data: JSONBody[CreateHoldRequest],
    manage_holds: NamedDependency[ManageHolds],
    idempotency_key: IdempotencyKey = None,
) -> Response[HoldBody]:
    """Return the hold, which is in force."""
    user, once = request.auth, await once_of(request, idempotency_key)
    terms = HoldTerms(
        reason=data.reason, data_subject=data.data_subject, first_seq=data.first_seq, last_seq=data.last_seq
    )
    return Response(hold_body(await manage_holds.create(user.actor, user.organization_id, terms, once)))


@get("/v1/privacy/legal-holds", opt=_READ, operation_id="legal_holds", summary="List the legal holds, oldest first")
async def holds_route(
    request: UserRequest,
    manage_holds: NamedDependency[ManageHolds],
    cursor: IdCursor = None,
    limit: Limit = 50,
) -> HoldList:
    """Return up to *limit* holds, released ones too."""
    found = await manage_holds.page(request.auth.organization_id, after(cursor), limit)
    return HoldList([hold_body(one) for one in found], next_cursor([one.stored for one in found], limit))


@get("/v1/privacy/legal-holds/{hold_id:str}", opt=_READ, operation_id="legal_hold", summary="One legal hold")
async def hold_route(request: UserRequest, hold_id: HoldId, manage_holds: NamedDependency[ManageHolds]) -> HoldBody:
    """Return the hold."""
    return hold_body(await manage_holds.one(request.auth.organization_id, path_id(hold_id, "legal hold")))


@post(
    "/v1/privacy/legal-holds/{hold_id:str}/release",
    dto=JsonBody[ReleaseHoldRequest],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt=_CHANGE,
    operation_id="release_legal_hold",
    summary="Release a legal hold; a second time changes nothing",
)
async def release_hold_route(
    request: UserRequest,
    hold_id: HoldId,
    data: JSONBody[ReleaseHoldRequest],
    manage_holds: NamedDependency[ManageHolds],
) -> HoldBody:
    """Return the hold, released."""
    user, which = request.auth, path_id(hold_id, "legal hold")
    return hold_body(await manage_holds.release(user.actor, user.organization_id, which, data.reason))


HOLD_ROUTES = (create_hold_route, holds_route, hold_route, release_hold_route)
