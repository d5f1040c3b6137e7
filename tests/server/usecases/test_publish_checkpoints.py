"""Publishing: only what extends what was published before is signed, and not more often than once a second."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from governlayer_server.adapters.crypto.signer import Ed25519Signer, KeysInService, MlDsa44Signer
from governlayer_server.domain.errors import LedgerDamaged, LedgerUnavailable, NotFound
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.cosigned import cosigned_tree
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.times import MINUTE_US, SECOND_US
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from msgspec.structs import replace

from tests.fakes.appliance import DEPLOYMENT, SEED
from tests.fakes.checkpoints import MemoryCheckpointStore
from tests.fakes.clock import START_US, FakeClock, FakeEntropy
from tests.fakes.ledger_store import MemoryLedgerStore

ED25519, POST_QUANTUM = Ed25519Signer(DEPLOYMENT, SEED), MlDsa44Signer(DEPLOYMENT, SEED)


@dataclass
class Press:
    """A publisher over ledgers in memory."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(START_US - START_US % MINUTE_US + 20 * SECOND_US))
    log: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedgerStore(self.clock)
        self.checkpoints = MemoryCheckpointStore(self.ledger)
        self.signer = KeysInService([ED25519, POST_QUANTUM], self.clock)
        self.entropy = FakeEntropy()
        self.publish = self.publisher()

    def publisher(self) -> PublishCheckpoints:
        return PublishCheckpoints(
            ledger=self.ledger, checkpoints=self.checkpoints, prove=ProveLedger(ledger=self.ledger),
            signer=self.signer, clock=self.clock, log=lambda event, **fields: self.log.append({"event": event, **fields}),
        )  # fmt: skip

    async def grow(self, ledger_id: str = "a", count: int = 1) -> None:
        await self.ledger.create(ledger_id, None, f"{DEPLOYMENT}/ledgers/{ledger_id}")
        for number in range(count):
            body = {"number": number}
            await record_event(self.ledger, self.clock, self.entropy, ledger_id, SYSTEM, "test", body)

    async def sizes(self, ledger_id: str = "a") -> list[int]:
        return [one.size for one in await self.checkpoints.after(ledger_id, 0, 100)]


@pytest.fixture
def press() -> Press:
    return Press()


async def test_what_has_grown_is_published_once_and_what_has_not_is_not(press: Press) -> None:
    await press.grow("a", 3)
    await press.grow("b", 0)
    await press.publish()
    await press.publish()
    assert (await press.sizes("a"), await press.sizes("b")) == ([3], [])
    head, published = await press.ledger.head("a"), await press.checkpoints.newest("a")
    assert published is not None
    assert (published.root, published.extends) == (root(head.edge), 0)
    assert published.note.startswith(sign_checkpoint(press.signer, head))


async def test_a_ledger_is_published_at_most_once_a_second(press: Press) -> None:
    for _ in range(4):
        await press.grow()
        await press.publish()
        press.clock.advance(SECOND_US // 2)
    assert await press.sizes() == [1, 3]
    press.clock.advance(SECOND_US)
    await press.publish()
    assert await press.sizes() == [1, 3, 4]
    assert [one.extends for one in await press.checkpoints.after("a", 0, 9)] == [0, 1, 3]


async def test_the_first_of_a_minute_bears_a_post_quantum_signature_of_its_moment(press: Press) -> None:
    notes = []
    for seconds in (0, 15, 15, 30, 1):
        press.clock.advance(seconds * SECOND_US)
        await press.grow()
        await press.publish()
        published = await press.checkpoints.newest("a")
        assert published is not None
        notes.append(published)
    assert [len(one.note.split("\n\n")[1].splitlines()) for one in notes] == [2, 1, 1, 2, 1]
    newest = notes[3]
    blob = base64.b64decode(newest.note.splitlines()[-1].split(" ")[2])
    message = cosigned_tree(DEPLOYMENT, f"{DEPLOYMENT}/ledgers/a", 4, newest.root, newest.published_us // SECOND_US)
    MLDSA44PublicKey.from_public_bytes(POST_QUANTUM.public_key).verify(blob[12:], message)


async def test_on_demand_a_young_checkpoint_is_followed_at_once(press: Press) -> None:
    await press.grow()
    first = await press.publish.one("a")
    assert first == await press.publish.one("a"), "nothing has grown"
    await press.grow()
    second = await press.publish.one("a")
    assert second is not None
    assert second.size == 2
    await press.grow("empty", 0)
    assert await press.publish.one("empty") is None
    with pytest.raises(NotFound):
        await press.publish.one("nowhere")


async def test_another_replica_that_was_quicker_is_followed(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    await press.grow()
    other, newest = press.publisher(), press.checkpoints.newest

    async def and_then_another_publishes(ledger_id: str) -> Checkpoint | None:
        monkeypatch.setattr(press.checkpoints, "newest", newest)
        seen = await newest(ledger_id)
        await other.one(ledger_id)
        await press.grow()
        return seen

    monkeypatch.setattr(press.checkpoints, "newest", and_then_another_publishes)
    published = await press.publish.one("a")
    assert published is not None
    assert published.size == 1
    assert await press.sizes() == [1]


async def forge(press: Press, seq: int) -> None:
    """Write another history behind the store's back: record *seq* and all after it, edge and head."""
    fresh, forged = MemoryLedgerStore(press.clock), press.ledger._ledger("a")
    await fresh.create("a", None, forged.head.origin)
    for number, (append, _) in enumerate(forged.rows):
        draft = append.draft if number < seq else replace(append.draft, body={"number": 1_000})
        await fresh.append(replace(append, draft=draft))
    press.ledger._ledgers["a"] = fresh._ledger("a")


@pytest.mark.parametrize("seq", [0, 2, 4])
async def test_a_ledger_that_was_rewritten_is_refused_and_kept_as_evidence(press: Press, seq: int) -> None:
    await press.grow("a", 5)
    await press.publish()
    await forge(press, seq)
    await press.grow("a", 3)
    press.clock.advance(SECOND_US)
    for _ in range(3):
        with pytest.raises(LedgerDamaged):
            await press.publish()
    assert await press.sizes() == [5]
    head, (fork,) = await press.ledger.head("a"), await press.checkpoints.forks("a")
    assert (fork.published_size, fork.size, fork.head_hash) == (5, 8, head.hash)
    assert fork.root == root(head.edge)
    assert press.log == [{"event": "ledger.fork", "organization_id": "a"}]
    assert press.publish.state.refusals == 3


async def test_a_ledger_put_back_to_an_older_state_is_refused(press: Press) -> None:
    await press.grow("a", 2)
    old = press.ledger.snapshot()
    await press.grow("a", 2)
    await press.publish()
    press.ledger.restore(old)
    press.clock.advance(SECOND_US)
    with pytest.raises(LedgerDamaged):
        await press.publish()
    await press.grow("a", 2)
    with pytest.raises(LedgerDamaged):
        await press.publish.one("a")
    assert await press.sizes() == [4]
    assert press.log == [{"event": "ledger.fork", "organization_id": "a"}]


async def test_a_refused_ledger_costs_the_others_nothing(press: Press) -> None:
    for ledger_id in ("a", "b"):
        await press.grow(ledger_id, 3)
    await press.publish()
    await forge(press, 0)
    for ledger_id in ("a", "b"):
        await press.grow(ledger_id)
    press.clock.advance(SECOND_US)
    with pytest.raises(LedgerDamaged):
        await press.publish()
    assert (await press.sizes("a"), await press.sizes("b")) == ([3], [3, 4])


async def test_an_unexpected_error_of_one_ledger_costs_the_others_nothing(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ledger_id in ("a", "b"):
        await press.grow(ledger_id)
    head = press.ledger.head

    async def broken(ledger_id: str) -> Head:
        if ledger_id == "a":
            raise ValueError("edge")
        return await head(ledger_id)

    monkeypatch.setattr(press.ledger, "head", broken)
    with pytest.raises(ValueError, match="edge"):
        await press.publish()
    assert (await press.sizes("a"), await press.sizes("b")) == ([], [1])


async def test_the_figure_says_how_long_a_ledger_has_been_waiting(press: Press) -> None:
    def waited() -> float:
        return press.publish.state.seconds_waited(press.clock.now_us())

    await press.grow()
    await press.publish()
    assert waited() == 0, "it was published"
    await press.grow()
    await press.publish()
    press.clock.advance(3 * SECOND_US)
    assert waited() == 3.0
    await press.publish()
    assert waited() == 0


async def test_nothing_is_published_with_keys_of_long_ago(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    await press.grow()

    def stale(*_: object) -> list[str]:
        raise LedgerUnavailable("stale")

    monkeypatch.setattr(press.signer, "sign", stale)
    with pytest.raises(LedgerUnavailable):
        await press.publish()
    assert await press.sizes() == []
