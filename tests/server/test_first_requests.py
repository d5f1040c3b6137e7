"""The first requests after a start come all at once, and none waits for a second connection while it holds one."""

import asyncio

import httpx
from governlayer_server.domain.plan import Plan
from governlayer_server.settings import Settings
from governlayer_server.web.links import Links
from governlayer_server.wiring import open_appliance

EMAIL, PASSWORD = "first@start.example", "quiet otters vote at nine"
AT_ONCE = 40


def _client(application: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_forty_first_requests_of_an_organization_are_all_answered(migrated: Settings) -> None:
    async with open_appliance(migrated) as appliance:
        await appliance.create_organization("Acme", Plan.PRO, EMAIL, PASSWORD)
        async with _client(await appliance.application(migrated, Links("http://test"))) as client:
            signed_in = await client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    async with (
        open_appliance(migrated) as appliance,
        _client(await appliance.application(migrated, Links("http://test"))) as client,
    ):
        answers = await asyncio.gather(*(client.get("/v1/me", headers=headers) for _ in range(AT_ONCE)))
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    assert all(EMAIL in answer.text for answer in answers)
