"""POST /v1/govern."""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from governlayer_server.domain.access import Principal, Scope, dual
from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import Decision
from governlayer_server.usecases.govern import Govern
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.idempotency import REPLAYED, IdempotencyKey, once_of


@post(
    "/v1/govern",
    dto=JsonBody[ActionRequest],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt={"access": dual(Scope.GOVERN)},
    operation_id="govern",
    summary="Decide about an action",
    description="A deny is an answer (200). Any 4xx or 5xx means that there is no decision: do not act.",
)
async def govern_route(
    request: Request[Any, Principal, Any],
    data: JSONBody[ActionRequest],
    govern: NamedDependency[Govern],
    idempotency_key: IdempotencyKey = None,
) -> Response[Decision]:
    """Return the decision, durably recorded before it is answered."""
    answered = await govern(request.auth, data, await once_of(request, idempotency_key))
    return Response(answered.decision, headers=REPLAYED if answered.replayed else {})
