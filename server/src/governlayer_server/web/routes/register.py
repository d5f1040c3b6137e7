"""POST /v1/auth/register: public."""

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from governlayer_server.domain.access import Role
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.usecases.register import NewAccount, Register
from governlayer_server.web.authenticate import PUBLIC, REFUSES
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.body_texts import EmailAddress, OrganizationName
from governlayer_server.web.routes.auth import AnyRequest, NewPassword, Token, address_of


class RegisterBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody registers with: the name of a new organization, or an invitation, or both. No value is shown."""

    email: EmailAddress
    password: NewPassword
    organization: OrganizationName | None = None
    invite: Token | None = None

    def __repr__(self) -> str:
        """No secret and no address."""
        return "RegisterBody(…)"


class OrganizationNamed(Struct, frozen=True):
    """An organization as its members see it."""

    id: str
    name: str
    plan: Plan


class UserNamed(Struct, frozen=True):
    """A user, by id and role."""

    id: str
    role: Role


class RegisteredBody(Struct, frozen=True):
    """The organization, and its new user."""

    organization: OrganizationNamed
    user: UserNamed


@post(
    "/v1/auth/register",
    dto=JsonBody[RegisterBody],
    return_dto=None,
    before_request=refuse_empty,
    opt={"access": PUBLIC, REFUSES: (401, 403, 503)},
    operation_id="register",
    summary="Found an organization, or join one by invitation",
    description="Without `invite` only where the deployment's registration is open.",
)
async def register_route(
    request: AnyRequest, data: JSONBody[RegisterBody], register: NamedDependency[Register]
) -> Response[RegisteredBody]:
    """Return the organization and its new user."""
    wanted = NewAccount(
        address=address_of(request),
        email=data.email,
        password=data.password,
        organization=data.organization,
        invite=data.invite,
    )
    made = await register(wanted)
    body = RegisteredBody(named(made.organization), UserNamed(str(made.user.id), made.user.role))
    return Response(body, status_code=201)


def named(organization: Organization) -> OrganizationNamed:
    """Return *organization* as answers name it."""
    return OrganizationNamed(str(organization.id), organization.name, organization.plan)
