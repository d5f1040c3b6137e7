"""Health, and what the deployment says of itself. Public: nothing here is a secret."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest, NotFound
from governlayer_server.domain.readiness import DISPENSABLE
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.anchors_state import AnchorFact
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.web.authenticate import PUBLIC
from governlayer_server.web.problems import KINDS
from governlayer_server.web.throttle import UNLIMITED

_PUBLIC = {"access": PUBLIC}
_HEALTH = {"access": PUBLIC, UNLIMITED: True}
_EXCLUDE = QueryParameter(
    max_items=8,
    description="what shall not count, repeatable",
    schema_extra={"items": {"type": "string", "enum": list(DISPENSABLE)}},
)


class Anchor(Struct, frozen=True):
    """A witness, directory, log or authority outside: when it last took a checkpoint, and what is wrong with it."""

    kind: str
    name: str
    last: str | None
    fault: str | None


class Health(Struct, frozen=True, omit_defaults=True):
    """
    Whether the process works; ``failing`` names what does not, ``degraded`` what works with less.

    ``excluded`` names what does not work and was asked not to count.
    """

    status: str
    failing: list[str] | None = None
    degraded: list[str] | None = None
    excluded: list[str] | None = None
    anchors: list[Anchor] | None = None


class Readiness(Struct, frozen=True):
    """What works and what does not, by name, and the names of what works with less than it should have."""

    works: Mapping[str, bool]
    degraded: tuple[str, ...] = ()
    anchors: Sequence[AnchorFact] = ()


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
async def readyz_route(
    probes: NamedDependency[Probes],
    verbose: Annotated[str | None, QueryParameter(max_length=8, description="tell of the anchors too")] = None,
    exclude: Annotated[tuple[str, ...], _EXCLUDE] = (),
) -> Response[Health]:
    """
    Answer 200 if PostgreSQL, Redis, migrations and the ledger are in order, else 503 with the failing names.

    ``degraded`` names ``rate_limits`` while this replica limits requests by its own count and share, and ``ledgers``
    while one is closed to writing: its organization gets no decision, the others do. With *verbose*, ``anchors`` tells
    of the witnesses and copies outside, as this replica has seen them; none changes the status. With *exclude*, what
    decisions can do without does not change it either: it is named by ``excluded`` while it fails. Nothing else can be
    excluded.
    """
    _refuse_indispensable(exclude)
    found = await probes()
    fails = sorted(name for name, works in found.works.items() if not works)
    failing = [name for name in fails if name not in exclude]
    health = Health(
        status="unavailable" if failing else "ok",
        failing=failing or None,
        degraded=list(found.degraded) or None,
        excluded=[name for name in fails if name not in failing] or None,
        anchors=None if verbose is None else [_anchor(fact) for fact in found.anchors],
    )
    return Response(health, status_code=503 if failing else 200)


def _refuse_indispensable(exclude: Sequence[str]) -> None:
    if not set(exclude) <= set(DISPENSABLE):
        fault = Fault("", f"parameter `exclude`: only {', '.join(DISPENSABLE)} can be excluded")
        raise InvalidRequest("a parameter has a wrong value", [fault])


def _anchor(fact: AnchorFact) -> Anchor:
    return Anchor(
        kind=fact.kind.value,
        name=fact.name,
        last=None if fact.last_us is None else time_text(fact.last_us),
        fault=None if fact.fault is None else fact.fault.value,
    )


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
