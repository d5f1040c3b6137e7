"""Every published checkpoint is kept outside the database once, in order, and another history there is told of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from governlayer_server.adapters.anchors.directory import NotesDirectory
from governlayer_server.domain.errors import Unavailable
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.domain.times import SECOND_US
from governlayer_server.usecases.accepted_restores import Accepted
from governlayer_server.usecases.anchor_health import AnchorFault, AnchorHealth, AnchorKind
from governlayer_server.usecases.keep_checkpoints import KeepCheckpoints

from tests.server.usecases.anchors_world import AnchoredAppliance, appliance


@dataclass
class Forgetful:
    """``ports.anchors.KeptNotes`` that cannot tell what it has, as a log cannot."""

    remembers: bool = False
    kept: list[str] = field(default_factory=list)
    fails: bool = False

    async def newest(self, origin: str, incarnation: str = "") -> str | None:
        return None

    async def keep(self, origin: str, size: int, note: str, incarnation: str = "") -> None:
        if self.fails:
            raise Unavailable("full")
        self.kept.append(note)


def keeping(
    mine: AnchoredAppliance, notes: NotesDirectory | Forgetful, *accepted: Accepted
) -> tuple[KeepCheckpoints, AnchorHealth, list[str]]:
    health, alarms = mine.health(AnchorKind.DIRECTORY)

    async def restores(_: str, __: str) -> Sequence[Accepted]:
        return accepted

    return KeepCheckpoints(notes, mine.anchors, mine.checkpoints, mine.clock, health, restores), health, alarms


async def published(mine: AnchoredAppliance, count: int, text: str = "hello") -> list[str]:
    notes = []
    for _ in range(count):
        await mine.decide(2, text)
        notes.append((await mine.publish()).note)
    return notes


def kept_in(path: Path) -> list[str]:
    return [one.read_text() for one in files_in(path)]


def files_in(path: Path, folder: str = "*") -> list[Path]:
    return sorted(path.glob(f"{folder}/*.note"), key=lambda one: int(one.stem))


async def test_all_that_was_ever_published_is_kept_over_restarts(tmp_path: Path) -> None:
    mine = await appliance()
    notes = await published(mine, 3)
    for _ in range(2):
        turn, health, alarms = keeping(mine, NotesDirectory(tmp_path))
        await turn()
        assert kept_in(tmp_path) == notes
        notes += await published(mine, 2)
        await turn()
        assert kept_in(tmp_path) == notes
        assert (health.fault, alarms, health.last_us) == (None, [], mine.clock.now_us())
        notes += await published(mine, 2)


async def test_a_long_history_is_kept_turn_by_turn(tmp_path: Path) -> None:
    mine = await appliance()
    notes = await published(mine, 130)
    turn, _, _ = keeping(mine, NotesDirectory(tmp_path))
    await turn()
    assert kept_in(tmp_path) == notes[:100]
    await turn()
    assert kept_in(tmp_path) == notes


async def test_a_log_gets_the_newest_at_the_start_and_each_from_then_on() -> None:
    mine, log = await appliance(), Forgetful()
    notes = await published(mine, 3)
    turn, _, _ = keeping(mine, log)
    await turn()
    await turn()
    assert log.kept == notes[-1:]
    notes += await published(mine, 2)
    await turn()
    assert log.kept == notes[-3:]


async def test_what_fails_is_tried_again_later_and_nothing_is_left_out() -> None:
    mine, log = await appliance(), Forgetful()
    notes = await published(mine, 1)
    turn, health, alarms = keeping(mine, log)
    await turn()
    log.fails = True
    notes += await published(mine, 3)
    await turn()
    assert (health.fault, alarms) == (AnchorFault.UNREACHABLE, [])
    log.fails = False
    await turn()
    assert log.kept == notes[:1], "it rests"
    mine.clock.advance(SECOND_US)
    await turn()
    assert log.kept == notes
    assert health.fault is None


@pytest.mark.parametrize("grown", [0, 4, 9])
async def test_a_rolled_back_database_is_found_by_the_directory_and_alarms_once(tmp_path: Path, grown: int) -> None:
    """The database was put back to an older state, and its ledger may have grown again beyond what was kept."""
    original, backup = await appliance(), await appliance()
    before = await published(original, 5)
    await keeping(original, NotesDirectory(tmp_path))[0]()
    await published(backup, 1)
    await published(backup, grown, "another text")
    turn, health, alarms = keeping(backup, NotesDirectory(tmp_path))
    for _ in range(5):
        await turn()
        backup.clock.advance(400 * SECOND_US)
    assert alarms == [backup.ledger_id]
    assert health.fault is AnchorFault.CONTRADICTION
    assert kept_in(tmp_path) == before


async def test_after_a_restore_was_accepted_the_new_history_is_kept_whole_beside_the_lost_one(tmp_path: Path) -> None:
    original, backup = await appliance(), await appliance()
    before = await published(original, 5)
    await keeping(original, NotesDirectory(tmp_path))[0]()
    lost, kept = parse_checkpoint(before[-1]).size, parse_checkpoint(before[0]).size
    await published(backup, 1)
    accepted = Accepted(kept=kept, lost=lost, incarnation="ab" * 32)
    again: list[str] = []
    for _ in range(2):
        again += await published(backup, 3, "another text")
        turn, health, alarms = keeping(backup, NotesDirectory(tmp_path), accepted)
        await turn()
        assert (health.fault, alarms) == (None, [])
        assert [one.read_text() for one in files_in(tmp_path, f"*/{accepted.incarnation}")] == again
    assert {parse_checkpoint(one).size for one in again} & {parse_checkpoint(one).size for one in before}
    assert kept_in(tmp_path) == before


async def test_what_is_set_back_again_after_a_restore_is_found_again(tmp_path: Path) -> None:
    original, backup = await appliance(), await appliance()
    accepted = Accepted(kept=1, lost=99, incarnation="ab" * 32)
    await published(original, 5)
    await keeping(original, NotesDirectory(tmp_path), accepted)[0]()
    await published(backup, 3)
    turn, health, alarms = keeping(backup, NotesDirectory(tmp_path), accepted)
    await turn()
    assert (health.fault, alarms) == (AnchorFault.CONTRADICTION, [backup.ledger_id])


async def test_a_database_put_back_under_a_running_process_is_found_too(tmp_path: Path) -> None:
    original, backup = await appliance(), await appliance()
    await published(original, 5)
    turn, health, alarms = keeping(original, NotesDirectory(tmp_path))
    await turn()
    await published(backup, 2)
    turn._checkpoints, turn._anchors = backup.checkpoints, backup.anchors
    await turn()
    assert alarms == [backup.ledger_id]
    assert health.fault is AnchorFault.CONTRADICTION


async def test_the_file_names_the_origin_and_the_size(tmp_path: Path) -> None:
    mine = await appliance()
    (note,) = await published(mine, 1)
    await keeping(mine, NotesDirectory(tmp_path))[0]()
    assert [one.stem for one in files_in(tmp_path)] == [str(parse_checkpoint(note).size)]
