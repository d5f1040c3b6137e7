"""POST /v1/auth/totp…: the own second factor."""

from litestar import Response, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from governlayer_server.domain.access import Role, Rule
from governlayer_server.usecases.identity import Identity
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.idempotency import secret_headers
from governlayer_server.web.routes.auth import ACCOUNT, Code, Secret
from governlayer_server.web.throttle import OWN_LIMIT

_STEPPED_UP = Rule(roles=frozenset(Role), step_up=True)


class CodeBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Six digits of the authenticator app; where the second factor is taken off, a recovery code too."""

    code: Code


class BeginBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code of the second factor in force, or a recovery code: needed where there is one."""

    code: Code | None = None


class TotpBody(Secret, frozen=True, kw_only=True):
    """The pending secret, base32, and the URI that authenticator apps read. Shown this once."""

    secret: str
    uri: str


class RecoveryBody(Secret, frozen=True, kw_only=True):
    """Ten codes, each good once in place of the app's. Shown this once."""

    recovery_codes: list[str]


@post(
    "/v1/auth/totp",
    dto=JsonBody[BeginBody],
    return_dto=None,
    status_code=200,
    opt={"access": _STEPPED_UP, OWN_LIMIT: True},
    operation_id="begin_totp",
    summary="Make a secret for a second factor; it is not in force yet",
    description="Where a second factor is in force, a code of it is needed.",
)
async def begin_totp_route(
    request: UserRequest, identity: NamedDependency[Identity], data: JSONBody[BeginBody | None] = None
) -> Response[TotpBody]:
    """Return the pending secret."""
    pending = await identity.totp.begin(request.auth, None if data is None else data.code)
    return Response(TotpBody(secret=pending.secret, uri=pending.uri), headers=secret_headers())


@post(
    "/v1/auth/totp/confirm",
    dto=JsonBody[CodeBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt=ACCOUNT,
    operation_id="confirm_totp",
    summary="Put the pending second factor in force",
    description="All other sessions of the user end.",
)
async def confirm_totp_route(
    request: UserRequest, data: JSONBody[CodeBody], identity: NamedDependency[Identity]
) -> Response[RecoveryBody]:
    """Return the recovery codes."""
    return Response(
        RecoveryBody(recovery_codes=list(await identity.totp.confirm(request.auth, data.code))),
        headers=secret_headers(),
    )


@delete(
    "/v1/auth/totp",
    dto=JsonBody[CodeBody],
    return_dto=None,
    before_request=refuse_empty,
    opt={"access": _STEPPED_UP, OWN_LIMIT: True},
    operation_id="remove_totp",
    summary="Take the second factor off",
)
async def remove_totp_route(
    request: UserRequest, data: JSONBody[CodeBody], identity: NamedDependency[Identity]
) -> None:
    """Take it off."""
    await identity.totp.remove(request.auth, data.code)
