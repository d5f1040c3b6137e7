"""Ledgers as the server writes them, and dumps of them; and what an attacker would do to a dump."""

import asyncio
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import governlayer_verifier
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.seal_payloads import seal_payloads
from governlayer_server.usecases.sign_checkpoint import receipt_for

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.clock import FakeEntropy
from tests.fakes.policy_engine import says


@dataclass(frozen=True)
class Planned:
    """One record to be written."""

    kind: str
    actor_id: str
    actor_kind: ActorKind
    body: dict[str, Any]
    payloads: dict[str, str]
    elapsed_us: int


@dataclass(frozen=True)
class Written:
    """A dump, with what an auditor would hold against it."""

    dump: bytes
    key: str
    origin: str
    checkpoint: str
    receipts: tuple[str, ...]

    def verdict(self, dump: bytes | None = None, **options: Any) -> governlayer_verifier.Report:
        """What the verifier says of *dump*, or of this one."""
        stream = io.BytesIO(self.dump if dump is None else dump)
        return governlayer_verifier.verify(stream, **{"keys": [self.key], "origin": self.origin, **options})


def write(plan: Sequence[Planned], names: Sequence[str] = PAYLOAD_NAMES) -> Written:
    """Write a ledger of *plan* by the server's code, and dump it with the payloads *names*."""
    return asyncio.run(_write(FakeAppliance(), plan, names))


async def _write(appliance: FakeAppliance, plan: Sequence[Planned], names: Sequence[str]) -> Written:
    organization = await appliance.start()
    receipts = []
    for planned in plan:
        appliance.clock.advance(planned.elapsed_us)
        receipts.append(await _append(appliance, organization.id, planned))
    return await _dumped(appliance, organization.id, names, receipts)


async def _append(appliance: FakeAppliance, organization_id: UUID, planned: Planned) -> str:
    record_id = new_id(appliance.clock, appliance.entropy)
    sealed, committed = await seal_payloads(
        appliance.vault, appliance.entropy, organization_id, record_id, planned.payloads
    )
    draft = Draft(
        type=planned.kind,
        actor=Actor(id=planned.actor_id, kind=planned.actor_kind),
        body=planned.body,
        commitments=committed,
    )
    append = Append(ledger_id=str(organization_id), record_id=record_id, draft=draft, payloads=sealed)
    entry = await appliance.ledger.append(append)
    return receipt_for(appliance.signer, entry)


async def _dumped(
    appliance: FakeAppliance, organization_id: UUID, names: Sequence[str], receipts: Sequence[str]
) -> Written:
    checkpoint = await appliance.read_ledger.checkpoint(organization_id)
    state = await appliance.read_ledger.state(organization_id)
    dump = await appliance.dump(organization_id, names=names)
    return Written(dump=dump, key=state.keys[0], origin=state.origin, checkpoint=checkpoint, receipts=tuple(receipts))


def write_decisions(*reasons: str, seed: bytes = b"tests", **settings: Any) -> Written:
    """A ledger as customers make it: decisions for *reasons* ("" for none), with payloads, through the use cases."""
    return asyncio.run(_write_decisions(FakeAppliance(entropy=FakeEntropy(seed)), reasons, settings))


async def _write_decisions(appliance: FakeAppliance, reasons: Sequence[str], settings: Mapping[str, Any]) -> Written:
    organization = await appliance.start()
    receipts = []
    for number, reason in enumerate(reasons):
        appliance.engine.answer = says(*filter(None, [reason]))
        appliance.clock.advance(1_234_567)
        request = action(
            f"{number}: I am ann@example.org – déjà vu",
            stage="tool_call",
            action={"name": "mail.write", "tool": {"name": "smtp"}, "arguments": {"to": "bob@example.org"}},
            options={"receipt": True, "mode": "shadow" if number == 1 else "enforce"},
        )
        decision = (await appliance.govern(principal_of(organization, **settings), request)).decision
        receipts.append(str(decision.receipt))
    await appliance.key_for(organization)
    return await _dumped(appliance, organization.id, PAYLOAD_NAMES, receipts)


def spelled(value: Any) -> bytes:
    """*value* as an attacker who knows the format would write it: canonical, so that only what it says differs."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def edits(value: Any) -> Iterator[tuple[str, Any]]:
    """Every single edit of a JSON value: each leaf changed, each member or item removed, added, renamed, swapped."""
    if isinstance(value, dict):
        yield from _edits_of_object(value)
    elif isinstance(value, list):
        yield from _edits_of_list(value)
    else:
        yield from (("changed", other) for other in _others(value))


def _edits_of_object(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "added", {**value, "zz": 1}
    yield "replaced", []
    for name, member in value.items():
        rest = {other: kept for other, kept in value.items() if other != name}
        yield f"{name} removed", rest
        yield f"{name} renamed", {**rest, name + "x": member}
        yield f"{name} duplicated under another name", {**value, name + "_": member}
        for what, changed in edits(member):
            yield f"{name} {what}", {**value, name: changed}


def _edits_of_list(value: list[Any]) -> Iterator[tuple[str, Any]]:
    yield "added", [*value, 1]
    yield "replaced", {}
    for index, item in enumerate(value):
        before, after = value[:index], value[index + 1 :]
        yield f"{index} removed", before + after
        yield f"{index} repeated", [*before, item, item, *after]
        if after and after[0] != item:
            yield f"{index} swapped", [*before, after[0], item, *after[1:]]
        for what, changed in edits(item):
            yield f"{index} {what}", [*before, changed, *after]


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value, None, int(value)]
    if isinstance(value, int):
        return [value + 1, -value - 1, str(value), None]
    if isinstance(value, str):
        return [value + "x", value[1:] if value else "y", value[:-1] + "~", " " + value, None, 0, [value]]
    return [False, 0, ""]
