"""The application over an appliance in memory, and what its answers must look like."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.console.account import account_routes
from governlayer_server.console.docs import docs_route
from governlayer_server.console.pages import Assets, static_route
from governlayer_server.domain.organization import Organization
from governlayer_server.web.app import Metrics, UseCases, create_app
from governlayer_server.web.edge import Edge
from governlayer_server.web.links import Links
from governlayer_server.web.problems import PROBLEM_JSON
from governlayer_server.web.routes.health import Installation, Readiness

from tests.fakes.appliance import DEPLOYMENT, FakeAppliance

METRICS_TOKEN = "metrics-token-of-the-tests-0123456789"
QUESTION = {"stage": "input", "agent": {"id": "a"}, "action": {"name": "n"}}


@dataclass
class Site:
    """The application over an appliance in memory."""

    appliance: FakeAppliance = field(default_factory=FakeAppliance)
    log: list[dict[str, Any]] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    probes: dict[str, bool] = field(default_factory=lambda: {"ledger": True, "redis": True})

    edge: Edge = field(default_factory=lambda: Edge(metrics_token=METRICS_TOKEN))

    def __post_init__(self) -> None:
        made = self.appliance

        async def probe() -> Readiness:
            return Readiness(self.probes, tuple(self.degraded))

        async def components() -> dict[str, bool]:
            return self.probes

        self.metrics = PrometheusMetrics("0", components)
        assets = Assets.shipped()
        self.app = create_app(
            UseCases(
                authenticate=made.authenticate,
                limit_requests=made.limit_requests,
                govern=made.govern,
                read_ledger=made.read_ledger,
                export_ledger=made.export_ledger,
                export_subject=made.export_subject,
                manage_holds=made.manage_holds,
                prove_ledger=made.prove_ledger,
                make_receipt=made.make_receipt,
                read_tiles=made.read_tiles,
                verify_ledger=made.verify_ledger,
                register=made.register(),
                read_users=made.read_users,
                manage_users=made.manage_users,
                change_organization=made.change_organization,
                read_usage=made.read_usage,
                links=Links("https://gl.example.com"),
                identity=made.identity,
                manage_keys=made.manage_keys,
                keep_paperwork=made.keep_paperwork,
                erase=made.erase,
            ),
            Installation(deployment=DEPLOYMENT, version="0"),
            probe,
            made.clock,
            made.entropy,
            lambda event, **fields: self.log.append({"event": event, **fields}),
            Metrics(measure=self.metrics.measure, exposition=self.metrics.exposition),
            self.edge,
            [docs_route(assets), *account_routes(assets), static_route(assets)],
        )


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def acme(site: Site) -> Organization:
    return await site.appliance.start()


@pytest.fixture
async def client(site: Site, acme: Organization) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


@pytest.fixture
async def key(site: Site, acme: Organization) -> str:
    return await site.appliance.key_for(acme)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_JSON
    body = answer.json()
    assert isinstance(body, dict)
    assert (body["type"], body["status"], body["code"]) == (f"/problems/{code}", status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert set(body) <= {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert ("errors" in body) == (status == 422)
    return body
