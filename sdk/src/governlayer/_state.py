"""What a witness remembers of a ledger, and the evidence it keeps; in memory here, in files in the module beside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from ._keys import PinnedKey, succession
from ._receipt import Receipt, Sighting


@dataclass(frozen=True, slots=True)
class LedgerState:
    """
    What is known of one ledger.

    Attributes:
        anchors: the keys that trust began with: as the operator named them, or as they were at first use.
        keys: the keys that are or were trusted since.
        newest: the largest checkpoint that is proven to continue all before it.
    """

    anchors: tuple[str, ...]
    keys: tuple[PinnedKey, ...]
    newest: Sighting

    @property
    def origin(self) -> str:
        """The ledger's name."""
        return self.newest.checkpoint.origin


def begun(vkeys: tuple[str, ...], first: Sighting) -> LedgerState:
    """Return what is known after the first use of a ledger."""
    return LedgerState(vkeys, tuple(PinnedKey(vkey) for vkey in vkeys), first)


def adopted(state: LedgerState, given: tuple[str, ...]) -> LedgerState:
    """
    Return *state* with the keys that the operator names now.

    His word counts for more than what was remembered: a key that he has not named before is trusted. Where he names
    none of those before, none of those, nor of their successors, is trusted any longer.
    """
    new = tuple(vkey for vkey in given if vkey not in state.anchors)
    if not new:
        return state
    goes_on = any(vkey in state.anchors for vkey in given)
    until = state.newest.checkpoint.size
    old = state.keys if goes_on else tuple(msgspec.structs.replace(key, until=until) for key in state.keys)
    others = tuple(key for key in old if key.vkey not in new)
    anchors = state.anchors + new if goes_on else given
    return replace(state, anchors=anchors, keys=others + tuple(PinnedKey(vkey) for vkey in new))


def succeeded(state: LedgerState, receipts: tuple[Receipt, ...]) -> LedgerState:
    """Return *state* with all that *receipts* prove of the ledger's keys."""
    return replace(state, keys=succession(state.keys, state.origin, receipts))


def advanced(base: LedgerState, seen: Sighting, held: LedgerState | None) -> LedgerState:
    """
    Return what is *held* with *seen* as its newest, unless it has moved on.

    Args:
        base: what was held when *seen* was proven to continue it.
        seen: the larger checkpoint.
        held: what is held now; None if it was moved away meanwhile, and *base* stands for it.
    """
    state = held or base
    return replace(state, newest=seen) if state.newest == base.newest else state


Change: TypeAlias = Callable[[LedgerState | None], LedgerState]


class Store(Protocol):
    """Where the state of ledgers is kept, and the evidence against them. Failures are LedgerStateErrors."""

    def load(self, origin: str) -> LedgerState | None:
        """Return what is known of *origin*, None if nothing is."""

    def sizes(self) -> Mapping[str, int]:
        """Return the size of the newest checkpoint of each ledger that is known, by origin."""

    def update(self, origin: str, change: Change) -> LedgerState:
        """Replace what is known of *origin* by what *change* makes of it, in one step; return that."""

    def accuse(self, origin: str, kept: str, seen: str, at: str) -> tuple[Path, ...]:
        """Keep two signed checkpoints of *origin* that contradict each other, found *at* a time; return where."""

    def evidence(self, origin: str) -> tuple[Path, ...] | None:
        """Return where the evidence against *origin* lies, None if there is none."""


class MemoryStore:
    """Keeps it for as long as the client lives."""

    def __init__(self) -> None:
        self._states: dict[str, LedgerState] = {}
        self._accused: dict[str, tuple[str, str, str]] = {}
        self._lock = threading.Lock()

    def load(self, origin: str) -> LedgerState | None:
        """Return what is known of *origin*."""
        return self._states.get(origin)

    def sizes(self) -> Mapping[str, int]:
        """Return the size of each ledger's newest checkpoint."""
        with self._lock:
            return {origin: state.newest.checkpoint.size for origin, state in self._states.items()}

    def update(self, origin: str, change: Change) -> LedgerState:
        """Replace what is known of *origin*."""
        with self._lock:
            state = self._states[origin] = change(self._states.get(origin))
            return state

    def accuse(self, origin: str, kept: str, seen: str, at: str) -> tuple[Path, ...]:
        """Keep them; there is no file to name."""
        self._accused[origin] = kept, seen, at
        return ()

    def evidence(self, origin: str) -> tuple[Path, ...] | None:
        """Return an empty tuple if there is evidence against *origin*."""
        return () if origin in self._accused else None
