"""POST /v1/auth/forgot and /v1/auth/reset: the way of a forgotten password."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from governlayer_server.usecases.identity import Identity
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.routes.auth import SIGN_IN, AnyRequest, Email, NewPassword, Secret, Token, address_of


class ForgotBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The e-mail address of an account."""

    email: Email


class ResetBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one-time token of the link, and the new password, 12 to 128 characters of any script."""

    token: Token
    new_password: NewPassword


class AcceptedBody(Struct, frozen=True):
    """The same for everybody who asks."""

    status: str


@post(
    "/v1/auth/forgot",
    dto=JsonBody[ForgotBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=202,
    opt=SIGN_IN,
    operation_id="forgot_password",
    summary="Ask for a letter with a link to set a new password",
    description="The answer does not tell whether there is such an account, nor whether letters are sent at all.",
)
async def forgot_route(
    request: AnyRequest, data: JSONBody[ForgotBody], identity: NamedDependency[Identity]
) -> AcceptedBody:
    """Accept, whatever the address."""
    await identity.forgot(data.email, address_of(request))
    return AcceptedBody("accepted")


@post(
    "/v1/auth/reset",
    dto=JsonBody[ResetBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=204,
    opt=SIGN_IN,
    operation_id="reset_password",
    summary="Set a new password with a one-time token",
    description="All sessions of the user end; the second factor stays in force.",
)
async def reset_route(request: AnyRequest, data: JSONBody[ResetBody], identity: NamedDependency[Identity]) -> None:
    """Set the password."""
    await identity.reset(data.token, data.new_password, address_of(request))
