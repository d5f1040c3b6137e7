"""Health, and what the deployment says of itself. Public: nothing here is a secret."""

from collections.abc import Awaitable, Callable, Mapping

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct

from governlayer_server.domain.errors import NotFound
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.web.authenticate import PUBLIC
from governlayer_server.web.problems import KINDS
from governlayer_server.web.throttle import UNLIMITED

_PUBLIC = {"access": PUBLIC}
_HEALTH = {"access": PUBLIC, UNLIMITED: True}


class Health(Struct, frozen=True, omit_defaults=True):
    """Whether the process works; ``failing`` names what does not, ``degraded`` what works with less."""

    status: str
    failing: list[str] | None = None
    degraded: list[str] | None = None


class Readiness(Struct, frozen=True):
    """What works and what does not, by name, and the names of what works with less than it should have."""

    works: Mapping[str, bool]
    degraded: tuple[str, ...] = ()


class Installation(Struct, frozen=True):
    """The deployment's name, and the version that runs."""

    deployment: str
    version: str


class About(Struct, frozen=True):
    """The deployment: its name, the version it runs, the verifier keys of its ledgers."""

    deployment: str
    version: str
    ledger_keys: list[str]


Probes = Callable[[], Awaitable[Readiness]]


@get("/livez", opt=_HEALTH, operation_id="livez", summary="Whether the process is alive")
async def livez_route() -> Health:
    """Answer if the event loop runs; asks nothing else."""
    return Health("ok")


@get("/readyz", opt=_HEALTH, operation_id="readyz", summary="Whether decisions can be made")
async def readyz_route(probes: NamedDependency[Probes]) -> Response[Health]:
    """
    Answer 200 if PostgreSQL, Redis, migrations and the ledger are in order, else 503 with the failing names.

    ``degraded`` names ``rate_limits`` while this replica limits requests by its own count and share.
    """
    found = await probes()
    failing = sorted(name for name, works in found.works.items() if not works)
    degraded = list(found.degraded) or None
    if failing:
        return Response(Health("unavailable", failing, degraded), status_code=503)
    return Response(Health("ok", degraded=degraded))


@get(
    "/.well-known/governlayer",
    opt=_PUBLIC,
    operation_id="about",
    summary="The deployment and its ledger keys",
)
async def about_route(installation: NamedDependency[Installation], read_ledger: NamedDependency[ReadLedger]) -> About:
    """Return what a verifier or SDK needs to know of the deployment; while a key follows another, there are both."""
    return About(installation.deployment, installation.version, read_ledger.keys)


@get(
    "/problems/{code:str}",
    opt=_PUBLIC,
    operation_id="problem_page",
    summary="What an error code means",
    media_type="text/plain",
)
async def problem_route(code: FromPath[str]) -> Response[str]:
    """Return the explanation of an error code, plain text."""
    kind = KINDS.get(code)
    if kind is None:
        raise NotFound("there is no such error code")
    return Response(f"{code} ({kind.status}): {kind.title}\n\n{kind.advice}\n", media_type="text/plain")
