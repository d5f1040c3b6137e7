"""Request bodies: strict JSON turned into the struct that a handler names, and described as it in OpenAPI."""

import re
from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar._openapi.schema_generation import SchemaCreator
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition
from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest, MalformedBody, UnsupportedMediaType
from governlayer_server.web.expectations import expected_at
from governlayer_server.web.strict_json import decode_json, pointer_token

MAX_BODY_BYTES = 1_048_576
_T = TypeVar("_T")
_PLACE = re.compile(r"(?P<detail>.*) - at `(?P<path>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
# Messages that repeat the value, or print a pattern.
_ABOUT_VALUE = re.compile(r"Invalid |Expected `str` matching ")
_UNKNOWN = "Object contains unknown field `"
_QUOTED = "` - at `"


class JsonBody(AbstractDTO[_T]):
    """
    ``dto=JsonBody[T]`` on a handler: its ``data`` is a *T*, decoded strictly (no coercion, no unknown member).

    Raises:
        UnsupportedMediaType: the body is not declared as ``application/json`` in UTF-8.
        InvalidRequest: each fault has its JSON pointer.
    """

    def decode_bytes(self, value: bytes) -> _T:
        """Return the struct in the body."""
        headers = self.asgi_connection.headers
        check_media_type(headers.get("content-type", ""), headers.get("content-encoding", ""))
        return convert(decode_json(value), self.model_type)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Do nothing: no transfer model is needed."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Reference | Schema:
        """Describe the struct itself."""
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.model_type))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """Yield nothing: no transfer model is needed."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Whether a field holds a struct of its own."""
        return field_definition.is_subclass_of(Struct)


async def refuse_empty(request: Request[Any, Any, Any]) -> None:
    """
    Return if there is a body. ``before_request`` of a handler with ``data``, which Litestar gives no empty body.

    Raises:
        MalformedBody: the body is empty.
    """
    if not await request.body():
        raise MalformedBody("the body is empty")


def check_media_type(content_type: str, coding: str = "") -> None:
    """
    Return if *content_type* is JSON, and not packed: *coding* is the ``Content-Encoding``.

    Raises:
        UnsupportedMediaType: it is not, names another charset than UTF-8, or is packed (RFC 9110 §15.5.16).
    """
    if coding.strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType("the body must be sent without a content coding")
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise UnsupportedMediaType("the body must be application/json in UTF-8")


def convert(value: object, model: type[_T]) -> _T:
    """
    Return *value* as *model*.

    Raises:
        InvalidRequest: it does not fit; the fault has its JSON pointer.
    """
    try:
        return msgspec.convert(value, type=model)
    except msgspec.ValidationError as error:
        fault = _unknown_member(str(error), value) or _fault(str(error), model)
        raise InvalidRequest("the body does not fit the API", [fault]) from None


def _unknown_member(message: str, value: object) -> Fault | None:
    """Return the fault of a member that the model does not know, if *message* is about one."""
    if not message.startswith(_UNKNOWN):
        return None
    parts = message.removeprefix(_UNKNOWN).removesuffix("`").split(_QUOTED)
    # The name is quoted as it is, and may look like the end of the message: *value* tells which reading is true.
    for end in range(len(parts), 0, -1):
        name, steps = _QUOTED.join(parts[:end]), _steps(_QUOTED.join(parts[end:]))
        place = _at(value, steps)
        if isinstance(place, dict) and name in place:
            return Fault(_pointer([*steps, name]), "unknown member")
    return Fault("", "unknown member")


def _at(value: object, steps: Sequence[str]) -> object:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _fault(message: str, model: type) -> Fault:
    match = _PLACE.fullmatch(message)
    detail, path = (match["detail"], match["path"]) if match else (message, "")
    # msgspec does not say which member of a mapping it means ("[...]"): the pointer then names the mapping.
    steps = _steps(path.partition("[...]")[0])
    if _ABOUT_VALUE.match(detail):
        return Fault(_pointer(steps), expected_at(model, steps) or "invalid value")
    return Fault(_pointer(steps), detail[:1].lower() + detail[1:])


def _steps(path: str) -> list[str]:
    """Return the member names and indices of a path such as ``$.content[0].text``."""
    return [step["name"] or step["index"] for step in _STEP.finditer(path)]


def _pointer(steps: Sequence[str]) -> str:
    return "".join(f"/{pointer_token(step)}" for step in steps)
