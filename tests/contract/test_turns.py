"""What any `Turn` does, in memory and on PostgreSQL; and what only clocks that differ tell."""

import pytest
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.turns import RETENTION, PostgresTurn
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.errors import Unavailable
from governlayer_server.domain.times import HOUR_US, MINUTE_US
from governlayer_server.ports.turns import Turn

from tests.fakes.clock import FakeClock
from tests.fakes.turns import MemoryTurn


@pytest.fixture(params=["memory", "postgresql"])
def turn(request: pytest.FixtureRequest, database: Database) -> Turn:
    return MemoryTurn() if request.param == "memory" else PostgresTurn(database, RETENTION, SystemClock())


async def test_one_has_the_turn_and_after_it_the_next(turn: Turn) -> None:
    for _ in range(2):
        async with turn() as first, turn() as second:
            assert (first, second) == (True, False)
        async with turn() as mine:
            assert mine


async def test_a_turn_that_fails_is_over(turn: Turn) -> None:
    with pytest.raises(RuntimeError):
        async with turn():
            raise RuntimeError
    async with turn() as mine:
        assert mine


async def test_other_work_has_turns_of_its_own(database: Database) -> None:
    clock = SystemClock()
    async with PostgresTurn(database, 1, clock)() as first, PostgresTurn(database, 2, clock)() as second:
        assert (first, second) == (True, True)


@pytest.mark.parametrize(("ahead_us", "refused"), [(0, False), (50 * MINUTE_US, False), (25 * HOUR_US, True)])
@pytest.mark.parametrize("sign", [1, -1])
async def test_nothing_is_done_by_a_clock_that_jumped(
    database: Database, ahead_us: int, refused: bool, sign: int
) -> None:
    turn = PostgresTurn(database, RETENTION, FakeClock(SystemClock().now_us() + sign * ahead_us))
    if refused:
        with pytest.raises(Unavailable, match=r"differ by 1[45]\d\d minutes"):
            async with turn():
                pass
    else:
        async with turn() as mine:
            assert mine
