"""Govern under attack: kept answers in the wrong row, and more long texts than processors."""

import asyncio
import threading

import msgspec
import pytest
from governlayer_server.domain.decision import Outcome
from governlayer_server.domain.errors import CipherError
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.answer_once import Once

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.policy_engine import says

ONCE = Once(key="request-1", body=b'{"the":"body"}')


@pytest.mark.parametrize("moved_body", [False, True])
async def test_a_kept_answer_in_the_row_of_another_key_is_not_given_out(
    appliance: FakeAppliance, acme: Organization, moved_body: bool
) -> None:
    """The whole row of an allow where that of a deny stood: it opens only under the key and body it was sealed for."""
    dangerous = Once(key="request-2", body=b'{"another":"body"}')
    allowed = await appliance.govern(principal_of(acme), action("x"), ONCE)
    appliance.engine.answer = says("deny")
    await appliance.govern(principal_of(acme), action("y"), dangerous)
    answers = appliance.ledger._ledgers[str(acme.id)].answers
    first, second = answers
    one, two = answers[first][0], answers[second][0]
    answers[second] = (msgspec.structs.replace(one, body=one.body if moved_body else two.body), answers[second][1])
    asked = Once(key=dangerous.key, body=ONCE.body if moved_body else dangerous.body)
    with pytest.raises(CipherError):
        await appliance.govern(principal_of(acme), action("y"), asked)
    assert (await appliance.govern(principal_of(acme), action("x"), ONCE)).decision == allowed.decision


async def test_two_long_scans_run_at_once_and_short_ones_pass_them(
    appliance: FakeAppliance, acme: Organization
) -> None:
    go_on, started = threading.Event(), threading.Semaphore(0)
    running: list[int] = []
    most = 0

    def wait_if_long() -> None:
        nonlocal most
        if threading.current_thread() is not threading.main_thread():
            running.append(1)
            most = max(most, len(running))
            started.release()
            assert go_on.wait(30)
            running.pop()

    appliance.engine.meanwhile = wait_if_long
    long = [asyncio.create_task(appliance.govern(principal_of(acme), action("x" * 8_192))) for _ in range(6)]
    try:
        for _ in range(2):
            assert await asyncio.to_thread(started.acquire, timeout=20)
        short = await appliance.govern(principal_of(acme), action("x" * 8_191))
        assert short.decision.decision is Outcome.ALLOW
        assert not any(task.done() for task in long)
    finally:
        go_on.set()
        await asyncio.gather(*long)
    assert most == 2
