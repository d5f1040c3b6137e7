"""/v1/me, /v1/users…: the caller, and the members of the organization."""

from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Struct, UnsetType

from governlayer_server.domain.access import ANY_PRINCIPAL, Role, Scope, only
from governlayer_server.domain.account import UserStatus
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.usecases.manage_users import Invited, ManageUsers
from governlayer_server.usecases.members import Member
from governlayer_server.usecases.read_users import ReadUsers
from governlayer_server.web.authenticate import REFUSES, UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.body_texts import EmailAddress
from governlayer_server.web.idempotency import IdempotencyKey, once_of, secret_headers
from governlayer_server.web.links import Links
from governlayer_server.web.lists import IdCursor, Limit, after, next_cursor
from governlayer_server.web.path_ids import path_id
from governlayer_server.web.routes.register import OrganizationNamed, named
from governlayer_server.web.throttle import OWN_LIMIT

_READ = {"access": only(Role.ADMIN)}
_CHANGE = {"access": only(Role.ADMIN, step_up=True)}
# Anybody may leave: whether it is their own account that goes, the use case sees.
_LEAVE = {"access": only(*Role, step_up=True), REFUSES: (409,), OWN_LIMIT: True}


class CallerBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asks: an API key with scopes, or a user with role and e-mail address."""

    kind: str
    id: str
    organization: OrganizationNamed
    scopes: list[Scope] | None = None
    role: Role | None = None
    email: str | None = None

    def __repr__(self) -> str:
        """No address."""
        return f"CallerBody({self.id})"


class UserBody(Struct, frozen=True, kw_only=True):
    """A member of the organization."""

    id: str
    email: str
    role: Role
    status: UserStatus
    created_at: str

    def __repr__(self) -> str:
        """No address."""
        return f"UserBody({self.id})"


class UserList(Struct, frozen=True):
    """Some members; ``next_cursor`` leads to the next page, or is null at the end."""

    data: list[UserBody]
    next_cursor: str | None


class InvitedBody(UserBody, frozen=True, kw_only=True):
    """A member who has not joined, with the invitation: token and link are shown this once, and good for 7 days."""

    invite: str
    invite_url: str

    def __repr__(self) -> str:
        """No secret."""
        return f"InvitedBody({self.id})"


class InviteBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to invite, and as what."""

    email: EmailAddress
    role: Role

    def __repr__(self) -> str:
        """No address."""
        return "InviteBody(…)"


class UserChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a member; what is left out stays."""

    role: Role | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


@get("/v1/me", opt={"access": ANY_PRINCIPAL}, operation_id="me", summary="Who asks")
async def me_route(request: UserRequest, read_users: NamedDependency[ReadUsers]) -> CallerBody:
    """Return the caller."""
    caller = await read_users.caller(request.auth)
    principal = caller.principal
    return CallerBody(
        kind=principal.kind.value,
        id=principal.id,
        organization=named(caller.organization),
        scopes=sorted(principal.scopes) if principal.role is None else None,
        role=principal.role,
        email=caller.email,
    )


@get("/v1/users", opt=_READ, operation_id="users", summary="List the members")
async def users_route(
    request: UserRequest,
    read_users: NamedDependency[ReadUsers],
    cursor: IdCursor = None,
    limit: Limit = 50,
) -> UserList:
    """Return up to *limit* members after *cursor*, oldest first."""
    members = await read_users.page(request.auth.organization_id, limit, after(cursor))
    return UserList([_body(member) for member in members], next_cursor(members, limit))


@get("/v1/users/{user_id:str}", opt=_READ, operation_id="user", summary="One member")
async def user_route(request: UserRequest, user_id: FromPath[str], read_users: NamedDependency[ReadUsers]) -> UserBody:
    """Return the member."""
    return _body(await read_users.one(request.auth.organization_id, path_id(user_id, "user")))


@post(
    "/v1/users",
    dto=JsonBody[InviteBody],
    return_dto=None,
    before_request=refuse_empty,
    opt=_CHANGE,
    operation_id="invite_user",
    summary="Invite somebody to the organization",
    description="The invitation is shown this once and is good for 7 days.",
)
async def invite_route(
    request: UserRequest,
    data: JSONBody[InviteBody],
    manage_users: NamedDependency[ManageUsers],
    links: NamedDependency[Links],
    idempotency_key: IdempotencyKey = None,
) -> Response[InvitedBody]:
    """Return the invited member with the invitation."""
    once = await once_of(request, idempotency_key)
    return _invited(await manage_users.invite(request.auth, data.email, data.role, once), links)


@post(
    "/v1/users/{user_id:str}/invitation",
    opt=_CHANGE,
    operation_id="invite_user_again",
    summary="Invite again who has not joined yet",
    description="Invitations before this one are good for nothing any more.",
)
async def invite_again_route(
    request: UserRequest,
    user_id: FromPath[str],
    manage_users: NamedDependency[ManageUsers],
    links: NamedDependency[Links],
    idempotency_key: IdempotencyKey = None,
) -> Response[InvitedBody]:
    """Return the invited member with a new invitation."""
    once = await once_of(request, idempotency_key)
    return _invited(await manage_users.invite_again(request.auth, path_id(user_id, "user"), once), links)


@patch(
    "/v1/users/{user_id:str}",
    dto=JsonBody[UserChange],
    return_dto=None,
    before_request=refuse_empty,
    opt={**_CHANGE, OWN_LIMIT: True},
    operation_id="change_user",
    summary="Change a member's role, or keep a member out",
    description="Whatever changed, the member's sessions end at once.",
)
async def change_user_route(
    request: UserRequest,
    user_id: FromPath[str],
    data: JSONBody[UserChange],
    manage_users: NamedDependency[ManageUsers],
) -> UserBody:
    """Return the changed member."""
    if data.role is UNSET and data.disabled is UNSET:
        raise InvalidRequest("the body changes nothing", [Fault("", "at least one of role, disabled")])
    role = None if data.role is UNSET else data.role
    disabled = None if data.disabled is UNSET else data.disabled
    return _body(await manage_users.change(request.auth, path_id(user_id, "user"), role, disabled=disabled))


@delete(
    "/v1/users/{user_id:str}",
    opt=_LEAVE,
    status_code=204,
    operation_id="remove_user",
    summary="Remove a member, or leave",
)
async def remove_user_route(
    request: UserRequest, user_id: FromPath[str], manage_users: NamedDependency[ManageUsers]
) -> None:
    """Remove the member, with sessions and invitations."""
    await manage_users.remove(request.auth, path_id(user_id, "user"))


def _body(member: Member) -> UserBody:
    return UserBody(
        id=member.id, email=member.email, role=member.role, status=member.status, created_at=member.created_at
    )


def _invited(made: Invited, links: Links) -> Response[InvitedBody]:
    member = made.member
    body = InvitedBody(
        id=member.id,
        email=member.email,
        role=member.role,
        status=member.status,
        created_at=member.created_at,
        invite=made.token,
        invite_url=links.join(made.token),
    )
    return Response(body, status_code=201, headers=secret_headers(replayed=made.replayed))
