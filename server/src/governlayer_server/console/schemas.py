"""JSON schemas in words, for the API reference."""

import re
from collections.abc import Mapping
from typing import Any

from governlayer_server.console.markup import Markup, element, join

Schema = Mapping[str, Any]
_CODE = re.compile(r"`+([^`]+)`+")
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "pattern": "pattern {}",
    "format": "{}",
}


def schema_section(name: str, schema: Schema) -> Markup:
    """Return the section about the schema *name* of the components: its members in a table."""
    required = frozenset(schema.get("required", ()))
    rows = [
        element(
            "tr",
            element("th", element("code", member), scope="row"),
            element("td", "required" if member in required else ""),
            element("td", type_of(one)),
            element("td", described(one)),
        )
        for member, one in schema.get("properties", {}).items()
    ]
    table = element("table", *rows) if rows else element("p", type_of(schema))
    return element("section", element("h3", name), element("p", described(schema)), table, id=f"schema-{name}")


def described(value: Schema) -> Markup:
    """Return the description of *value*, or nothing; what stands between backticks is code."""
    parts = _CODE.split(str(value.get("description", "")))
    return join(*(element("code", part) if index % 2 else part for index, part in enumerate(parts)))


def type_of(schema: Schema) -> Markup:
    """Return what *schema* admits, in words, with links to other schemas."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return element("a", name, href=f"#schema-{name}")
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _listed([type_of(one) for one in schema[several]], " or " if several != "allOf" else " and ")
    if "enum" in schema:
        return _listed([element("code", str(one)) for one in schema["enum"]], ", ")
    if "const" in schema:
        return element("code", str(schema["const"]))
    return join(_kind(schema), *_limits(schema))


def _kind(schema: Schema) -> Markup:
    kind = schema.get("type", "any value")
    if isinstance(kind, list):
        return _listed([_kind({**schema, "type": one}) for one in kind], " or ")
    if kind == "array" and "items" in schema:
        return join("list of ", type_of(schema["items"]))
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return join("object of ", type_of(schema["additionalProperties"]))
    return join(str(kind))


def _limits(schema: Schema) -> list[Markup]:
    found = [(words, schema[limit]) for limit, words in _LIMITS.items() if limit in schema]
    return [join(", ", words.format(_plain(value))) for words, value in found]


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(parts: list[Markup], between: str) -> Markup:
    return join(*(join(between, part) if index else part for index, part in enumerate(parts)))
