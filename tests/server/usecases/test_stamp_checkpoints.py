"""The newest checkpoint of each ledger is stamped, not more often than was said, and what does not hold is not kept."""

from dataclasses import dataclass, field

import pytest
from governlayer_server.domain.errors import NoteError, Unavailable
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.domain.times import HOUR_US, MINUTE_US, SECOND_US
from governlayer_server.usecases.anchor_health import AnchorFault, AnchorHealth, AnchorKind
from governlayer_server.usecases.read_timestamps import ReadTimestamps
from governlayer_server.usecases.stamp_checkpoints import StampCheckpoints

from tests.server.usecases.anchors_world import AnchoredAppliance, appliance


@dataclass
class Authority:
    """``ports.anchors.TimestampAuthority`` whose stamp is the data itself."""

    mine: AnchoredAppliance
    skew_us: int = 0
    error: Exception | None = None
    asked: list[bytes] = field(default_factory=list)

    async def stamp(self, data: bytes) -> tuple[bytes, int]:
        self.asked.append(data)
        if self.error is not None:
            raise self.error
        return b"stamp of " + data, self.mine.clock.now_us() + self.skew_us


def stamping(mine: AnchoredAppliance, authority: Authority) -> tuple[StampCheckpoints, AnchorHealth]:
    health, _ = mine.health(AnchorKind.TIMESTAMPS)
    return StampCheckpoints(
        authority=authority, interval_us=HOUR_US, anchors=mine.anchors, checkpoints=mine.checkpoints, clock=mine.clock,
        health=health,
    ), health  # fmt: skip


async def test_a_ledger_that_grows_is_stamped_once_an_hour() -> None:
    mine = await appliance()
    authority = Authority(mine)
    turn, health = stamping(mine, authority)
    for _ in range(40):
        await mine.decide(1)
        await mine.publish()
        await turn()
        mine.clock.advance(10 * MINUTE_US)
    assert len(authority.asked) == 7
    mine.clock.advance(5 * HOUR_US)
    await turn()
    await turn()
    assert len(authority.asked) == 8, "the newest was not stamped yet; then nothing is new"
    assert health.fault is None
    read = ReadTimestamps(anchors=mine.anchors, checkpoints=mine.checkpoints)
    stamped = [one async for one in read(mine.organization_id)]
    assert [one.token for one in stamped] == [b"stamp of " + one.text.encode() for one in stamped]
    assert [one.text.encode() for one in stamped] == authority.asked
    assert [parse_checkpoint(one.note).size for one in stamped] == [one.size for one in stamped]


@pytest.mark.parametrize(
    ("error", "skew_us", "fault"),
    [
        (Unavailable("no answer"), 0, AnchorFault.UNREACHABLE),
        (NoteError("forged"), 0, AnchorFault.REFUSED),
        (None, 6 * MINUTE_US, AnchorFault.REFUSED),
        (None, -6 * MINUTE_US, AnchorFault.REFUSED),
    ],
)
async def test_what_does_not_hold_is_not_kept_and_is_asked_again_later(
    error: Exception | None, skew_us: int, fault: AnchorFault
) -> None:
    mine = await appliance()
    authority = Authority(mine, skew_us, error)
    turn, health = stamping(mine, authority)
    await mine.decide(1)
    await mine.publish()
    await turn()
    await turn()
    assert (len(authority.asked), health.fault) == (1, fault)
    assert await mine.anchors.stamped_last_us() is None
    authority.error, authority.skew_us = None, 0
    mine.clock.advance(SECOND_US)
    await turn()
    assert health.fault is None
    assert await mine.anchors.stamped_last_us() == mine.clock.now_us()
