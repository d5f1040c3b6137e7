"""Data keys in memory: passes the suite that the real store passes."""

from collections.abc import Sequence
from uuid import UUID

from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey, StoredSubjectKey
from msgspec.structs import replace


class MemoryDataKeys:
    def __init__(self) -> None:
        self.owned: dict[str, dict[int, StoredDataKey]] = {}
        self.of_subjects: dict[str, dict[bytes, StoredSubjectKey]] = {}

    async def data_keys(self, owner: str) -> Sequence[StoredDataKey]:
        return [key for _, key in sorted(self.owned.get(owner, {}).items())]

    async def add_data_key(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        self.owned.setdefault(owner, {}).setdefault(key.number, key)

    async def succeed(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        mine = self.owned.setdefault(owner, {})
        if key.number not in mine:
            for number, one in mine.items():
                if one.state is DataKeyState.ACTIVE:
                    mine[number] = replace(one, state=DataKeyState.RETIRING)
            mine[key.number] = key

    async def destroy_data_key(self, owner: str, number: int) -> bool:
        """Whatever is encrypted is elsewhere."""
        mine = self.owned.get(owner, {})
        if number in mine and mine[number].state is DataKeyState.RETIRING:
            del mine[number]
        return number not in mine

    async def subject_keys(
        self, owner: str, indexes: Sequence[bytes], ids: Sequence[UUID]
    ) -> Sequence[StoredSubjectKey]:
        mine = self.of_subjects.get(owner, {}).values()
        return [key for key in mine if key.index in indexes or key.id in ids]

    async def add_subject_keys(self, owner: str, keys: Sequence[StoredSubjectKey], now_us: int) -> None:
        for key in keys:
            self.of_subjects.setdefault(owner, {}).setdefault(key.index, key)

    def destroy(self, subject_id: UUID) -> None:
        for mine in self.of_subjects.values():
            for index in [index for index, key in mine.items() if key.id == subject_id]:
                del mine[index]
