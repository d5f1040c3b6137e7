"""
What a question may not be, beyond its form: too many strings to scan, or secrets where they cannot be replaced.

Identifiers stand in the ledger in the clear and for ever, and metadata reaches policies as it is. Redaction reaches
neither, so a key, a card or an account number there is refused; the answer names the place and not the value.
"""

from collections.abc import Iterator, Mapping

from governlayer_server.domain.action import ActionRequest, Stage
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.scan import ScanText, long_number, scan

MAX_STRINGS = 2_000
MAX_NAME_CHARACTERS = 256
_REFUSED = ("api_key", "iban", "jwt", "payment_card", "private_key")
_SURE_PERCENT = 80


def admit(request: ActionRequest) -> int:
    """
    Return how many characters of content and arguments there are to scan.

    Raises:
        InvalidRequest: the arguments have more than 2,000 strings (names and numbers of 12 digits included) or a name
            of more than 256 characters; a tool is named at a stage that calls none; an identifier or metadata holds a
            secret.
    """
    if request.action.tool is not None and request.stage not in {Stage.TOOL_CALL, Stage.TOOL_RESULT}:
        fault = Fault("/action/tool", "only at the stages tool_call and tool_result")
        raise InvalidRequest("a tool is named at a stage that calls none", [fault])
    count, characters = _measure(request.action.arguments)
    if count > MAX_STRINGS:
        fault = Fault("/action/arguments", f"at most {MAX_STRINGS} strings, names and long numbers included")
        raise InvalidRequest("the arguments have too many strings", [fault])
    _refuse_secrets(dict(_fixed_texts(request)))
    return characters + sum(len(item.text) for item in request.content)


def _measure(arguments: Mapping[str, object]) -> tuple[int, int]:
    count = characters = 0
    waiting: list[object] = [arguments]
    while waiting and count <= MAX_STRINGS:
        value = waiting.pop()
        if isinstance(value, str):
            count, characters = count + 1, characters + len(value)
        elif isinstance(value, dict):
            if any(len(name) > MAX_NAME_CHARACTERS for name in value):
                fault = Fault("/action/arguments", f"a member name has at most {MAX_NAME_CHARACTERS} characters")
                raise InvalidRequest("a member name in the arguments is too long", [fault])
            count += len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif (digits := long_number(value)) is not None:
            count, characters = count + 1, characters + len(digits)
    return count, characters


def _refuse_secrets(texts: Mapping[str, str]) -> None:
    found = scan([ScanText(text=text, pointer=pointer) for pointer, text in texts.items()], _REFUSED)
    places = sorted({finding.pointer or "" for finding in found if finding.confidence >= _SURE_PERCENT})
    if places:
        what = "holds a secret, a card or an account number, which cannot be redacted here"
        faults = [Fault(place, what) for place in places]
        raise InvalidRequest("identifiers and metadata may not hold secrets", faults)


def _fixed_texts(request: ActionRequest) -> Iterator[tuple[str, str]]:
    """Yield what stands in records or reaches policies as it is, with its place."""
    yield "/agent/id", request.agent.id
    yield "/agent/instance", request.agent.instance or ""
    yield "/agent/on_behalf_of", request.agent.on_behalf_of or ""
    yield "/action/name", request.action.name
    yield "/purpose", request.purpose or ""
    if request.action.tool is not None:
        yield "/action/tool/name", request.action.tool.name
        yield "/action/tool/server", request.action.tool.server or ""
    if request.system is not None:
        yield "/system/id", request.system.id
        yield "/system/version", request.system.version or ""
    if request.session is not None:
        yield "/session/id", request.session.id
    if request.resource is not None:
        yield "/resource/type", request.resource.type
        yield "/resource/id", request.resource.id
        yield (
            "/resource/attributes",
            "\n".join(f"{name} {value}" for name, value in request.resource.attributes.items()),
        )
    yield "/data_classes", "\n".join(request.data_classes)
    yield "/data_subjects", "\n".join(request.data_subjects)
