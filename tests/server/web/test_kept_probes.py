"""A flood of questions for health asks the parts once."""

import asyncio

from governlayer_server.web.kept_probes import KeptProbes
from governlayer_server.web.routes.health import Readiness

from tests.fakes.clock import FakeClock


class Standing(FakeClock):
    def monotonic_us(self) -> int:
        return self.time_us


async def test_the_parts_are_asked_once_for_all_and_again_after_a_second() -> None:
    asked, clock, works = 0, Standing(0), {"redis": True}

    async def probes() -> Readiness:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return Readiness(dict(works))

    kept = KeptProbes(probes, clock)
    impatient = asyncio.create_task(kept())
    await asyncio.sleep(0)
    impatient.cancel()
    assert await asyncio.gather(*(kept() for _ in range(50))) == [Readiness({"redis": True})] * 50
    works["redis"] = False
    clock.advance(999_999)
    assert (asked, (await kept()).works) == (1, {"redis": True})
    clock.advance(1)
    assert (asked, (await kept()).works) == (1, {"redis": False})
    assert asked == 2
