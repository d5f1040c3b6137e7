"""Work beside the requests ends with the context, says nothing of what it was about, and is bounded."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from governlayer_server.adapters.system.background import Background


async def test_work_runs_and_its_failure_is_told_by_name_alone() -> None:
    lines: list[tuple[str, dict[str, Any]]] = []
    done = asyncio.Event()

    async def fail() -> None:
        done.set()
        raise ValueError("secret")

    async with Background(lambda event, **fields: lines.append((event, fields))) as background:
        background.later(fail())
        await asyncio.wait_for(done.wait(), 10)
        await asyncio.sleep(0)
    assert lines == [("background_failed", {"error": "ValueError"})]


async def test_no_more_than_its_places_are_taken() -> None:
    running = 0

    async def hang() -> None:
        nonlocal running
        running += 1
        await asyncio.Event().wait()

    async with Background(print, waiting=2) as background:
        for _ in range(5):
            background.later(hang())
        await asyncio.sleep(0)
        assert running == 2


async def test_what_is_repeated_is_done_once_more_at_the_end_and_goes_on_after_a_failure() -> None:
    turns, ended = 0, False
    enough = asyncio.Event()

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns >= 3:
            enough.set()
        raise ValueError

    async def last() -> None:
        nonlocal ended
        ended = True

    async def forever() -> None:
        await asyncio.Event().wait()

    async with Background(lambda *_, **__: None) as background:
        background.start(forever)
        background.every(0.001, turn, last=last)
        await asyncio.wait_for(enough.wait(), 10)
        assert not ended
    assert ended


async def test_what_is_not_for_the_end_is_not_done_then() -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        turns += 1

    async with Background(print) as background:
        background.every(3600, work, at_end=False)
    assert turns == 0


async def test_what_goes_on_for_good_is_begun_again_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("governlayer_server.adapters.system.background._AGAIN_S", 0.001)
    begun, thrice = 0, asyncio.Event()

    async def fail() -> None:
        nonlocal begun
        begun += 1
        if begun == 3:
            thrice.set()
        raise ValueError

    async with Background(lambda *_, **__: None) as background:
        background.start(fail)
        await asyncio.wait_for(thrice.wait(), 10)


async def test_work_that_swallows_its_cancellation_ends_with_the_others() -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with asyncio.timeout(30), Background(lambda *_, **__: None) as background:
        background.start(stubborn)
        await asyncio.sleep(0)
