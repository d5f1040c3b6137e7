"""From structs to rows and back: members and columns have the same names."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from governlayer_server.domain.organization import Organization, OrganizationSettings

_T = TypeVar("_T", bound=Struct)
_SETTINGS = OrganizationSettings.__struct_fields__


def columns_of(struct: Struct) -> dict[Any, Any]:
    """Return column name to value: enumerations as their text, sets and tuples as sorted or ordered lists."""
    return {name: _plain(getattr(struct, name)) for name in struct.__struct_fields__}


def struct_of(row: Mapping[str, Any], model: type[_T]) -> _T:
    """Return the *model* that *row* holds."""
    values = {name: _ours(row[name]) for name in model.__struct_fields__}
    return msgspec.convert(values, model, builtin_types=(bytes, UUID))


def organization_columns(organization: Organization) -> dict[Any, Any]:
    """Return column name to value; settings are columns of their own, and days by data class are JSON in one."""
    columns = columns_of(organization)
    settings = columns_of(columns.pop("settings"))
    return {**settings, "retention": msgspec.json.encode(settings["retention"]).decode(), **columns}


def organization_of(row: Mapping[str, Any]) -> Organization:
    """Return the organization that *row* holds."""
    settings = struct_of({**row, "retention": msgspec.json.decode(row["retention"])}, OrganizationSettings)
    return struct_of({**row, "settings": settings}, Organization)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    return list(value) if isinstance(value, tuple) else value


def _ours(value: Any) -> Any:
    """Asyncpg has its own UUID, which msgspec does not take for one."""
    return UUID(int=value.int) if isinstance(value, UUID) else value
