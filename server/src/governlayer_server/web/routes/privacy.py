"""/v1/privacy/erasures: admins have personal data destroyed, and get a certificate of it (API contract §7)."""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from governlayer_server.domain.access import Role, only
from governlayer_server.usecases.erase import Erase
from governlayer_server.web.authenticate import REFUSES, UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.idempotency import IdempotencyKey, once_of
from governlayer_server.web.lists import IdCursor, Limit, after, next_cursor
from governlayer_server.web.path_ids import path_id
from governlayer_server.web.privacy_bodies import ErasureBody, ErasureList, ErasureRequest, erasure_body

_ERASE = {"access": only(Role.ADMIN, step_up=True), REFUSES: (404,)}
_READ = {"access": only(Role.ADMIN, Role.AUDITOR)}
ErasureId = Annotated[str, PathParameter(description="the erasure's id, a UUID")]


@post(
    "/v1/privacy/erasures",
    dto=JsonBody[ErasureRequest],
    return_dto=None,
    before_request=refuse_empty,
    opt=_ERASE,
    operation_id="erase",
    summary="Destroy what is stored of a data subject, or of a decision",
    description="Asked for again, the same erasure is answered, unless there is something new to destroy.",
)
async def erase_route(
    request: UserRequest,
    data: JSONBody[ErasureRequest],
    erase: NamedDependency[Erase],
    idempotency_key: IdempotencyKey = None,
) -> ErasureBody:
    """Return the erasure, which is durable, with its certificate."""
    user, once = request.auth, await once_of(request, idempotency_key)
    decision_id = data.decision()
    if decision_id is not None:
        return erasure_body(await erase.decision(user.actor, user.organization_id, decision_id, data.basis, once))
    name = data.data_subject or ""
    return erasure_body(await erase.subject(user.actor, user.organization_id, name, data.basis, once))


@get("/v1/privacy/erasures", opt=_READ, operation_id="erasures", summary="List the erasures, oldest first")
async def erasures_route(
    request: UserRequest, erase: NamedDependency[Erase], cursor: IdCursor = None, limit: Limit = 50
) -> ErasureList:
    """Return up to *limit* erasures."""
    found = await erase.page(request.auth.organization_id, after(cursor), limit)
    following = next_cursor([one.erasure.tombstone for one in found], limit)
    return ErasureList(data=[erasure_body(one) for one in found], next_cursor=following)


@get("/v1/privacy/erasures/{erasure_id:str}", opt=_READ, operation_id="erasure", summary="One erasure")
async def erasure_route(request: UserRequest, erasure_id: ErasureId, erase: NamedDependency[Erase]) -> ErasureBody:
    """Return the erasure with its certificate."""
    return erasure_body(await erase.read(request.auth.organization_id, path_id(erasure_id, "erasure")))


PRIVACY_ROUTES = (erase_route, erasures_route, erasure_route)
