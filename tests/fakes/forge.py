"""A genuine access token taken apart, and what it takes to sign others, with hmac alone."""

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Case = tuple[str, str]


class Forge:
    """The parts of a genuine token, and what it takes to sign others."""

    def __init__(self, secret: bytes, genuine: str, now_s: int) -> None:
        self.secret, self.genuine, self.now_s = secret, genuine, now_s
        self.parts = genuine.split(".")
        self.header: Json = json.loads(decoded(self.parts[0]))
        self.claims: Json = json.loads(decoded(self.parts[1]))

    def sign(self, head: str, payload: str, key: bytes | None = None, digest: str = "sha512") -> str:
        key = self.secret if key is None else key
        return f"{head}.{payload}.{encoded(hmac.digest(key, f'{head}.{payload}'.encode(), digest))}"

    def headed(self, header: Json, key: bytes | None = None, digest: str = "sha512") -> str:
        return self.sign(encoded(compact(header)), self.parts[1], key, digest)

    def head(self, **changes: Any) -> str:
        return self.headed({**self.header, **changes})

    def claim(self, **changes: Any) -> str:
        return self.told(compact({**self.claims, **changes}))

    def told(self, payload: bytes) -> str:
        return self.sign(self.parts[0], encoded(payload))


def resigned(secret: bytes, genuine: str) -> str:
    """Return *genuine*, signed again."""
    forge = Forge(secret, genuine, 0)
    return forge.sign(encoded(compact(forge.header)), encoded(compact(forge.claims)))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def texts(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Other texts of the same JSON object, and things that are none."""
    yield "with white space", text.replace(b":", b": ")
    yield "with a line end", text + b"\n"
    yield "with a space before", b" " + text
    yield "with a byte order mark", b"\xef\xbb\xbf" + text
    yield "in UTF-16", text.decode().encode("utf-16")
    yield "in UTF-32", text.decode().encode("utf-32-le")
    yield "with a NUL", text + b"\0"
    yield "with an escaped name", b'{"\\u%04x' % text[2] + text[3:]
    yield "with bytes that are no UTF-8", text[:-1] + b',"x":"\xff\xfe"}'
    yield "with overlong UTF-8", text[:-1] + b',"x":"\xc0\xaf"}'
    yield "with a lone surrogate", text[:-1] + b',"x":"\\ud800"}'
    yield "with a lone surrogate in bytes", text[:-1] + b',"x":"\xed\xa0\x80"}'
    yield "with a trailing comma", text[:-1] + b",}"
    yield "with a comment", text[:-1] + b"/**/}"
    yield "twice", text + text
    yield "cut off", text[:-1]
    yield "as an array", b"[" + text + b"]"
    yield "as a string", compact(text.decode())
    yield "deep", text[:-1] + b',"x":' + b"[" * 600 + b"]" * 600 + b"}"
    yield "deep and open", b"[" * 1400
    yield "with NaN", text[:-1] + b',"x":NaN}'
    yield "with 1e999", text[:-1] + b',"x":1e999}'
    yield "with a number of 900 digits", text[:-1] + b',"x":' + b"9" * 900 + b"}"
    for odd in (b"", b"{}", b"[]", b"null", b"true", b"0", b'""', b"x", b"\0"):
        yield f"that is {odd!r}", odd
