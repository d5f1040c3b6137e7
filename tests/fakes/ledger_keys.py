"""``ports.ledger_keys.LedgerKeyStore`` in memory."""

from collections.abc import Sequence

from governlayer_server.ports.ledger_keys import KeyState, LedgerKey
from msgspec.structs import replace


class MemoryLedgerKeyStore:
    def __init__(self, *keys: LedgerKey) -> None:
        self._keys = {key.key_id: key for key in keys}

    async def all(self) -> Sequence[LedgerKey]:
        return list(self._keys.values())

    async def add_first(self, key: LedgerKey) -> bool:
        return not any(one.algorithm is key.algorithm for one in self._keys.values()) and await self.add(key)

    async def add(self, key: LedgerKey) -> bool:
        if key.key_id in self._keys or self._taken(key, key.state):
            return False
        self._keys[key.key_id] = key
        return True

    async def rewrap(self, key_id: str, before: bytes, after: bytes) -> None:
        key = self._keys.get(key_id)
        if key is not None and key.wrapped_seed == before:
            self._keys[key_id] = replace(key, wrapped_seed=after)

    async def move(self, key_id: str, before: KeyState, after: KeyState, now_us: int) -> bool:
        key = self._keys.get(key_id)
        if key is None or key.state is not before:
            return False
        times = {KeyState.ACTIVE: "introduced_us", KeyState.RETIRED: "retired_us"}
        self._keys[key_id] = replace(key, state=after, **({times[after]: now_us} if after in times else {}))
        return True

    def _taken(self, key: LedgerKey, state: KeyState) -> bool:
        if state not in {KeyState.INTRODUCING, KeyState.RETIRING}:
            return False
        return any(one.algorithm is key.algorithm and one.state is state for one in self._keys.values())
