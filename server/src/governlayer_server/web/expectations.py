"""
What a struct admits at a place, in words: the limit that an error names, instead of the value that broke it.

msgspec's own messages repeat rejected enumeration values and print patterns; a value may be a secret.
"""

from collections.abc import Iterator, Sequence

from msgspec import inspect


def expected_at(model: type, steps: Sequence[str]) -> str | None:
    """
    Return what *model* admits at the place that *steps* lead to, if it is an enumeration or a described text.

    Args:
        model: the struct that the whole body must fit.
        steps: member names and list indices from the body's root.

    >>> from governlayer_server.domain.action import ActionRequest
    >>> expected_at(ActionRequest, ["content", "0", "provenance"])
    'must be one of retrieved, system, tool, user, web'
    >>> expected_at(ActionRequest, ["agent", "id"])
    'must be [A-Za-z0-9._:/-]{1,128}'
    """
    places = [inspect.type_info(model)]
    for step in steps:
        places = [inner for place in places for inner in _inside(place, step)]
    return next((words for place in places for words in _words(place)), None)


def _inside(place: inspect.Type, step: str) -> Iterator[inspect.Type]:
    match place:
        case inspect.StructType():
            yield from (found.type for found in place.fields if found.encode_name == step)
        case inspect.ListType():
            yield place.item_type
        case inspect.DictType():
            yield place.value_type
        case inspect.UnionType():
            yield from (inner for option in place.types for inner in _inside(option, step))
        case inspect.Metadata():
            yield from _inside(place.type, step)


def _words(place: inspect.Type) -> Iterator[str]:
    match place:
        case inspect.EnumType():
            yield f"must be one of {', '.join(sorted(str(member.value) for member in place.cls))}"
        case inspect.LiteralType():
            yield f"must be one of {', '.join(sorted(map(str, place.values)))}"
        case inspect.Metadata():
            described = (place.extra_json_schema or {}).get("description")
            if described:
                yield f"must be {described}"
            else:
                yield from _words(place.type)
        case inspect.UnionType():
            yield from (words for option in place.types for words in _words(option))
