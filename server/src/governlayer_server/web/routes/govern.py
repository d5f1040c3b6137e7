"""POST /v1/govern."""

import re
from typing import Annotated, Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody

from governlayer_server.domain.access import Principal, Scope, dual
from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import Decision
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.usecases.govern import Govern, Once
from governlayer_server.web.bodies import JsonBody, refuse_empty

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
IDEMPOTENCY_KEY = HeaderParameter(
    name="Idempotency-Key",
    required=False,
    description="1 to 255 visible ASCII characters",
    schema_extra={"minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
)


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
    idempotency_key: Annotated[
        str | None,
        IDEMPOTENCY_KEY,
    ] = None,
) -> Response[Decision]:
    """Return the decision, durably recorded before it is answered."""
    once = None
    if idempotency_key is not None:
        once = Once(key=_checked(idempotency_key), body=await request.body())
    answered = await govern(request.auth, data, once)
    headers = {"Idempotency-Replayed": "true"} if answered.replayed else {}
    return Response(answered.decision, headers=headers)


def _checked(key: str) -> str:
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        fault = Fault("", "header `Idempotency-Key`: 1 to 255 visible ASCII characters")
        raise InvalidRequest("a header has a wrong value", [fault])
    return key
