"""Work beside the requests goes on whatever happens, and ends when it is told."""

import asyncio

from governlayer_server.adapters.system.background import Background, every


class Told:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, event: str, *, error: str) -> None:
        self.lines.append((event, error))


async def test_work_is_done_again_and_again_and_once_more_at_the_end() -> None:
    done, thrice, background = 0, asyncio.Event(), Background()

    async def work() -> None:
        nonlocal done
        done += 1
        if done == 3:
            thrice.set()

    background.start(every(0.001, work, Told()))
    await thrice.wait()
    before = done
    await background.stop()
    assert done == before + 1
    await asyncio.sleep(0.01)
    assert done == before + 1


async def test_what_is_gathered_before_the_first_time_is_done_at_the_end() -> None:
    done, background = 0, Background()

    async def work() -> None:
        nonlocal done
        done += 1

    background.start(every(3600, work, Told()))
    await asyncio.sleep(0)
    await background.stop()
    assert done == 1


async def test_a_failure_ends_nothing_and_its_text_is_not_told() -> None:
    done, thrice, told, background = 0, asyncio.Event(), Told(), Background()

    async def work() -> None:
        nonlocal done
        done += 1
        if done == 3:
            thrice.set()
        raise ValueError("a secret")

    background.start(every(0.001, work, told))
    await thrice.wait()
    await background.stop()
    assert set(told.lines) == {("background_failed", "ValueError")}


async def test_the_end_waits_for_no_work_that_hangs() -> None:
    background = Background()

    async def work() -> None:
        await asyncio.sleep(3600)

    background.start(every(0, work, Told()))
    await asyncio.sleep(0.01)
    await asyncio.wait_for(background.stop(), 30)
