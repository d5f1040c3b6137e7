"""POST /v1/auth/…: sign in, refresh, sign out, change the password, show it again."""

from typing import Annotated, Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from governlayer_server.domain.access import MEMBERS
from governlayer_server.domain.password import MAX_CHARACTERS, MIN_CHARACTERS
from governlayer_server.usecases.identity import Identity
from governlayer_server.usecases.session_tokens import SignedIn
from governlayer_server.web.authenticate import PUBLIC, REFUSES, UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.idempotency import secret_headers
from governlayer_server.web.throttle import OWN_LIMIT

# Longer than any password or code that is right: those within the bound are simply wrong, at the same cost.
Password = Annotated[str, Meta(max_length=1024)]
NewPassword = Annotated[
    str,
    Meta(max_length=1024, extra_json_schema={"minLength": MIN_CHARACTERS, "maxLength": MAX_CHARACTERS}),
]
Code = Annotated[str, Meta(max_length=64)]
Email = Annotated[str, Meta(max_length=254)]
Token = Annotated[str, Meta(max_length=512)]
_BEARER = "bearer"
# What these ask for in the body can be wrong, and is looked up.
SIGN_IN = {"access": PUBLIC, REFUSES: (401, 503)}
# To give an account back, or take it from somebody, works whatever others spend.
ACCOUNT = {"access": MEMBERS, OWN_LIMIT: True}
AnyRequest = Request[Any, Any, Any]


class Secret(Struct, frozen=True, kw_only=True):
    """A body whose values are never shown."""

    def __repr__(self) -> str:
        """No value."""
        return f"{type(self).__name__}()"


class LoginBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """E-mail address and password; ``totp`` is six digits or a recovery code, for who has a second factor."""

    email: Email
    password: Password
    totp: Code | None = None


class RefreshBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest refresh token of a session."""

    refresh_token: Token


class PasswordBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The present password and the new one, 12 to 128 characters of any script."""

    password: Password
    new_password: NewPassword


class StepUpBody(Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password again, and a code where there is a second factor."""

    password: Password
    totp: Code | None = None


class LogoutBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``all``: end every session of the user, not only this one."""

    all: bool = False


class TokenBody(Secret, frozen=True, kw_only=True, omit_defaults=True):
    """A bearer token with the seconds it is good for; the refresh token is good once."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str | None = None


def address_of(request: AnyRequest) -> str:
    """Return where the request comes from: the client's address (``web/client.py``), or empty where there is none."""
    client = request.scope["client"]
    return client[0] if client else ""


@post(
    "/v1/auth/login",
    dto=JsonBody[LoginBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt=SIGN_IN,
    operation_id="sign_in",
    summary="Sign in",
    description="Whatever is wrong, the answer is the same. Codes and recovery codes work once.",
)
async def login_route(
    request: AnyRequest, data: JSONBody[LoginBody], identity: NamedDependency[Identity]
) -> Response[TokenBody]:
    """Return the tokens of a new session."""
    return _tokens(await identity.sign_in(data.email, data.password, data.totp, address_of(request)))


@post(
    "/v1/auth/refresh",
    dto=JsonBody[RefreshBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt=SIGN_IN,
    operation_id="refresh",
    summary="Refresh a session",
    description="The refresh token is replaced; one that is used twice ends its session.",
)
async def refresh_route(data: JSONBody[RefreshBody], identity: NamedDependency[Identity]) -> Response[TokenBody]:
    """Return the next tokens of the session."""
    return _tokens(await identity.refresh(data.refresh_token))


@post(
    "/v1/auth/logout",
    dto=JsonBody[LogoutBody],
    return_dto=None,
    status_code=204,
    opt=ACCOUNT,
    operation_id="sign_out",
    summary="Sign out",
)
async def logout_route(
    request: UserRequest, identity: NamedDependency[Identity], data: JSONBody[LogoutBody | None] = None
) -> None:
    """End this session, or all."""
    await identity.sessions.sign_out(request.auth, everywhere=data is not None and data.all)


@post(
    "/v1/auth/password",
    dto=JsonBody[PasswordBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=204,
    opt=ACCOUNT,
    operation_id="change_password",
    summary="Change the own password",
    description="All other sessions and all one-time tokens of the user end.",
)
async def password_route(
    request: UserRequest, data: JSONBody[PasswordBody], identity: NamedDependency[Identity]
) -> None:
    """Set a new password."""
    await identity.change_password(request.auth, data.password, data.new_password, address_of(request))


@post(
    "/v1/auth/step-up",
    dto=JsonBody[StepUpBody],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt=ACCOUNT,
    operation_id="step_up",
    summary="Show password and code again, for the next 10 minutes",
)
async def step_up_route(
    request: UserRequest, data: JSONBody[StepUpBody], identity: NamedDependency[Identity]
) -> Response[TokenBody]:
    """Return a new access token of the same session."""
    token = await identity.step_up(request.auth, data.password, data.totp, address_of(request))
    lifetime_s = identity.step_up.session_tokens.lifetime_s
    return Response(TokenBody(access_token=token, token_type=_BEARER, expires_in=lifetime_s), headers=secret_headers())


def _tokens(signed_in: SignedIn) -> Response[TokenBody]:
    body = TokenBody(
        access_token=signed_in.access_token,
        token_type=_BEARER,
        expires_in=signed_in.expires_in,
        refresh_token=signed_in.refresh_token,
    )
    return Response(body, headers=secret_headers())
