"""What nobody should send to POST /v1/govern, and what each of it is answered (API contract §1)."""

import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.system.client import JSON, Headers, question

MAX_BODY = 1_048_576
MALFORMED = (400, "malformed_body")
INVALID = (422, "invalid_request")
TOO_LARGE = (413, "body_too_large")
MEDIA_TYPE = (415, "unsupported_media_type")


class Case(NamedTuple):
    """One request and its answer; *pointer* is what one of ``errors[].pointer`` must be, for 422 only."""

    name: str
    body: bytes | Iterable[bytes]
    answer: tuple[int, str]
    pointer: str | None = None
    headers: Headers = JSON


def cases() -> list[Case]:
    """Return all cases. Iterables in them are good for one request."""
    found = [
        *_members(),
        *_values(),
        *_not_admitted(),
        *_numbers(),
        *_texts(),
        *_depths(),
        *_not_json(),
        *_sizes(),
        *_headers(),
    ]
    assert len({case.name for case in found}) == len(found)
    return found


def _encoded(**members: Any) -> bytes:
    return json.dumps(question(**members)).encode()


def _raw(text: str | bytes) -> bytes:
    """Return a good question with *text* as raw JSON members of ``action.arguments``."""
    inside = text if isinstance(text, bytes) else text.encode()
    return b'{"stage":"input","agent":{"id":"a"},"action":{"name":"chat","arguments":{' + inside + b"}}}"


def _members() -> Iterator[Case]:
    yield Case("unknown member", _encoded(surprise=1), INVALID, "/surprise")
    yield Case("unknown member in agent", _encoded(agent={"id": "a", "x": 1}), INVALID, "/agent/x")
    tool = {"name": "chat", "tool": {"name": "t", "x/y~z": 1}}
    yield Case("unknown member in action.tool", _encoded(action=tool), INVALID, "/action/tool/x~1y~0z")
    content = [{"role": "user", "text": "a"}, {"role": "user", "text": "b", "x": 1}]
    yield Case("unknown member in content", _encoded(content=content), INVALID, "/content/1/x")
    yield Case("unknown member in options", _encoded(options={"force": True}), INVALID, "/options/force")
    for name in ("stage", "agent", "action"):
        without = {key: value for key, value in question().items() if key != name}
        yield Case(f"no {name}", json.dumps(without).encode(), INVALID, "")
    yield Case("no agent.id", _encoded(agent={}), INVALID, "/agent")
    yield Case("no action.name", _encoded(action={"arguments": {}}), INVALID, "/action")
    yield Case("no content.text", _encoded(content=[{"role": "user"}]), INVALID, "/content/0")
    yield Case("a member twice", b'{"stage":"input","stage":"output"}', INVALID, "/stage")
    yield Case("a member twice, escaped once", b'{"stage":"input","st\\u0061ge":"output"}', INVALID, "/stage")
    yield Case("a nested member twice", _raw('"a":{"b":[{"c":1,"c":1}]}'), INVALID, "/action/arguments/a/b/0/c")


def _values() -> Iterator[Case]:
    wrong: dict[str, dict[str, Any]] = {
        "/stage": {"stage": 1},
        "/agent": {"agent": "a"},
        "/agent/id": {"agent": {"id": None}},
        "/action": {"action": []},
        "/action/name": {"action": {"name": ["chat"]}},
        "/action/arguments": {"action": {"name": "chat", "arguments": []}},
        "/action/tool": {"action": {"name": "chat", "tool": "t"}},
        "/content": {"content": "hello"},
        "/content/0": {"content": ["hello"]},
        "/content/0/text": {"content": [{"role": "user", "text": 1}]},
        "/resource/id": {"resource": {"type": "t", "id": 7}},
        "/resource/attributes": {"resource": {"type": "t", "id": "i", "attributes": {"x": []}}},
        "/data_classes": {"data_classes": {}},
        "/data_classes/1": {"data_classes": ["a", 1]},
        "/session/id": {"session": {"id": False}},
        "/purpose": {"purpose": {}},
        "/options": {"options": None},
        "/options/receipt": {"options": {"receipt": "yes"}},
        "/options/explain": {"options": {"explain": 1}},
    }
    for pointer, members in wrong.items():
        yield Case(f"wrong type at {pointer}", _encoded(**members), INVALID, pointer)
    yield Case("unknown stage", _encoded(stage="think"), INVALID, "/stage")
    yield Case("unknown mode", _encoded(options={"mode": "off"}), INVALID, "/options/mode")
    webby = [{"role": "user", "text": "a", "provenance": "internet"}]
    yield Case("unknown provenance", _encoded(content=webby), INVALID, "/content/0/provenance")
    yield Case("unknown scan", _encoded(options={"scan": "some"}), INVALID, "/options/scan")
    yield Case("unknown detector", _encoded(options={"scan": ["no_such"]}), INVALID, "/options/scan")
    declared = {"type": "t", "id": "i", "attributes": {"scope": "galaxy"}}
    yield Case("unknown declared factor", _encoded(resource=declared), INVALID, "/resource/attributes/scope")
    yield Case("unknown approval", _encoded(approval_id="ap-1"), INVALID, "/approval_id")
    yield Case("agent id ends in a newline", _encoded(agent={"id": "a\n"}), INVALID, "/agent/id")
    yield Case("agent id is an e-mail address", _encoded(agent={"id": "a@b.example"}), INVALID, "/agent/id")
    yield Case("agent id is empty", _encoded(agent={"id": ""}), INVALID, "/agent/id")
    yield Case("agent id of 129 characters", _encoded(agent={"id": "a" * 129}), INVALID, "/agent/id")
    yield Case("purpose of 513 characters", _encoded(purpose="p" * 513), INVALID, "/purpose")
    yield Case("digest in capitals", _encoded(action=_tool("AB" * 32)), INVALID, "/action/tool/schema_digest")
    yield Case(
        "digest ends in a newline", _encoded(action=_tool("ab" * 32 + "\n")), INVALID, "/action/tool/schema_digest"
    )
    yield Case("1001 texts", _encoded(content=[{"role": "u", "text": ""}] * 1001), INVALID, "/content")
    yield Case("65 data classes", _encoded(data_classes=["a"] * 65), INVALID, "/data_classes")
    many = {"type": "t", "id": "i", "attributes": {f"a{n}": 1 for n in range(65)}}
    yield Case("65 attributes", _encoded(resource=many), INVALID, "/resource/attributes")


def _tool(digest: str) -> dict[str, Any]:
    return {"name": "chat", "tool": {"name": "t", "schema_digest": digest}}


def _not_admitted() -> Iterator[Case]:
    place, card = "/action/arguments", "4111 1111 1111 1111"
    for stage in ("input", "model_request", "model_response", "output"):
        tooled = _encoded(stage=stage, action={"name": "read", "tool": {"name": "search"}})
        yield Case(f"a tool at the stage {stage}", tooled, INVALID, "/action/tool")
    yield Case("2,001 strings", _raw('"l":[' + ",".join(['""'] * 2000) + "]"), INVALID, place)
    yield Case("2,001 names", _raw(",".join(f'"{n}":1' for n in range(2001))), INVALID, place)
    yield Case("2,001 numbers that may be cards", _raw('"l":[' + ",".join(["4" * 16] * 2000) + "]"), INVALID, place)
    yield Case("a name of 257 characters", _raw(f'"{"n" * 257}":1'), INVALID, place)
    key = "AKIA" + "Q7R2S5T4U6V3W2X5"
    yield Case("a key as agent id", _encoded(agent={"id": key}), INVALID, "/agent/id")
    yield Case("a key as action name", _encoded(action={"name": f"read.{key}"}), INVALID, "/action/name")
    yield Case("a card in a resource id", _encoded(resource={"type": "t", "id": card}), INVALID, "/resource/id")
    noted = {"type": "t", "id": "i", "attributes": {"note": card}}
    yield Case("a card in an attribute", _encoded(resource=noted), INVALID, "/resource/attributes")
    yield Case("a card as purpose", _encoded(purpose=f"charge {card}"), INVALID, "/purpose")
    yield Case("a card as session", _encoded(session={"id": card}), INVALID, "/session/id")


def _numbers() -> Iterator[Case]:
    place = "/action/arguments/n"
    for text in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", str(2**53), str(-(2**53)), "9" * 100_000):
        yield Case(f"number {text[:20]}", _raw(f'"n":{text}'), INVALID, place)
    yield Case("-100,000 digits", _raw('"n":-' + "9" * 100_000), INVALID, place)
    yield Case("100,000 digits and an exponent", _raw('"n":' + "9" * 100_000 + "e1"), INVALID, place)
    for text in ("01", "+1", ".5", "1.", "0x10", "1_000", "--1", "1e"):
        yield Case(f"no number: {text}", _raw(f'"n":{text}'), MALFORMED)


def _texts() -> Iterator[Case]:
    place = "/action/arguments"
    yield Case("lone high surrogate", _raw(r'"t":"\ud800"'), INVALID, f"{place}/t")
    yield Case("lone low surrogate", _raw(r'"t":"\udc00x"'), INVALID, f"{place}/t")
    yield Case("surrogates the wrong way round", _raw(r'"t":"\udc00\ud800"'), INVALID, f"{place}/t")
    yield Case("lone surrogate in a name", _raw(r'"\udfff":1'), INVALID, place)
    yield Case("lone surrogate in an agent's id", b'{"agent":{"id":"\\ud800"}}', INVALID, "/agent/id")
    yield Case("U+0000 escaped", _raw(r'"t":"a\u0000b"'), INVALID, f"{place}/t")
    yield Case("U+0000 escaped in a name", _raw(r'"a\u0000":1'), INVALID, place)
    yield Case("U+0000 escaped in an array", _raw(r'"t":[1,"\u0000"]'), INVALID, f"{place}/t/1")
    yield Case("U+0000 as it is", _raw(b'"t":"a\x00b"'), MALFORMED)
    yield Case("a newline in a string", _raw(b'"t":"a\nb"'), MALFORMED)
    yield Case("a tab in a name", _raw(b'"a\tb":1'), MALFORMED)
    yield Case("U+001F in a string", _raw(b'"t":"\x1f"'), MALFORMED)
    yield Case("unknown escape", _raw(rb'"t":"\x41"'), MALFORMED)
    yield Case("cut escape", _raw(rb'"t":"\u12"'), MALFORMED)
    yield Case("bad UTF-8", _raw(b'"t":"\xff"'), MALFORMED)
    yield Case("overlong UTF-8", _raw(b'"t":"\xc0\xaf"'), MALFORMED)
    yield Case("surrogate as UTF-8", _raw(b'"t":"\xed\xa0\x80"'), MALFORMED)
    yield Case("cut UTF-8", _encoded() + b"\xe2\x82", MALFORMED)
    yield Case("latin-1", _raw('"t":"é"'.encode("latin-1")), MALFORMED)
    yield Case("UTF-16", _encoded().decode().encode("utf-16"), MALFORMED)
    yield Case("UTF-16 without mark", _encoded().decode().encode("utf-16-le"), MALFORMED)
    yield Case("UTF-32", _encoded().decode().encode("utf-32"), MALFORMED)
    yield Case("UTF-8 with mark", b"\xef\xbb\xbf" + _encoded(), MALFORMED)


def _depths() -> Iterator[Case]:
    # The arguments are at depth 3, so 62 arrays in them reach depth 65.
    for count, depth in ((62, 65), (97, 100), (100_000, 100_003)):
        yield Case(f"arrays to depth {depth}", _raw('"d":' + "[" * count + "]" * count), INVALID, "")
    yield Case("objects to depth 100", _raw('"d":' + '{"a":' * 97 + "1" + "}" * 97), INVALID, "")
    yield Case("100,000 open brackets", b"[" * 100_000, INVALID, "")
    yield Case("100,000 open objects", b'{"a":' * 100_000, INVALID, "")


def _not_json() -> Iterator[Case]:
    good = _encoded()
    bodies = {
        "nothing": b"",
        "white space": b" \n\t ",
        "no JSON": b"stage=input",
        "an unfinished string": b'{"stage":"inp',
        "an unfinished object": b'{"stage":"input"',
        "trailing garbage": good + b"x",
        "trailing U+0000": good + b"\x00",
        "two values": good + good,
        "two lines": good + b"\n" + good,
        "a trailing comma": b'{"stage":"input",}',
        "single quotes": b"{'stage':'input'}",
        "a comment": b"/* */" + good,
        "a form feed as white space": b"\x0c" + good,
        "a bare name": b'{stage:"input"}',
        "True for true": b'{"stage":True}',
    }
    for name, body in bodies.items():
        yield Case(name, body, MALFORMED)
    for body in (b"null", b"[]", b'"text"', b"1", b"true", b"[" + good + b"]"):
        yield Case(f"top level {body[:6].decode()}", body, INVALID, "")


def _sizes() -> Iterator[Case]:
    def of_size(size: int) -> bytes:
        return _encoded() + b" " * (size - len(_encoded()))

    yield Case("one byte over the limit", of_size(MAX_BODY + 1), TOO_LARGE)
    yield Case("2 MiB", of_size(2 * MAX_BODY), TOO_LARGE)
    yield Case("2 MiB of bad UTF-8", b"\xff" * (2 * MAX_BODY), TOO_LARGE)
    yield Case("chunks of one byte over the limit", _chunks(of_size(MAX_BODY + 1)), TOO_LARGE)
    yield Case("2 MiB in chunks", _chunks(of_size(2 * MAX_BODY)), TOO_LARGE)
    longest = _encoded(content=[{"role": "user", "text": "\u0080" * 300_000}])
    yield Case("over the limit by escapes", longest, TOO_LARGE)


def _chunks(body: bytes) -> Iterator[bytes]:
    return (body[start : start + 65_536] for start in range(0, len(body), 65_536))


def _headers() -> Iterator[Case]:
    good = _encoded()
    yield Case("no media type", good, MEDIA_TYPE, headers={})
    for media_type in (
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "application/msgpack",
        "application/xml",
        "application/problem+json",
        "application/json, text/plain",
        "application/jsonx",
        "json",
        "",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        'application/json; charset="us-ascii"',
    ):
        yield Case(f"media type {media_type}", good, MEDIA_TYPE, headers={"Content-Type": media_type})
    packed = gzip.compress(good)
    for coding, body in (("gzip", packed), ("gzip", b"\x1f\x8bgarbage"), ("gzip", good), ("br", good), ("x", good)):
        name = f"content coding {coding}, {body[:2]!r}, {len(body)} bytes"
        yield Case(name, body, MEDIA_TYPE, headers={**JSON, "Content-Encoding": coding})
    yield Case("a header with DEL", good, (400, "bad_request"), headers={**JSON, "X-Any": b"a\x7f"})
    keys: dict[str, str | bytes] = {
        "empty": "",
        "of 256 characters": "k" * 256,
        "with a space": "two words",
        "not ASCII": "clé".encode(),
        "latin-1": "clé".encode("latin-1"),
        "with a tab": "a\tb",
    }
    for name, key in keys.items():
        yield Case(f"idempotency key {name}", good, INVALID, "", {**JSON, "Idempotency-Key": key})
    two = {**JSON, "Authorization": "Bearer gl_another"}
    yield Case("two different credentials", good, (400, "ambiguous_credentials"), headers=two)
