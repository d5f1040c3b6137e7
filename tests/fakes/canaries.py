"""Words that must be found nowhere, and the search for them in all the forms that a program may have made of them."""

import base64
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


def forms(word: str) -> Iterator[bytes]:
    """
    Yield what *word*, ASCII, may look like: as it is, percent-encoded, escaped as in JSON, hexadecimal, UTF-16, and
    base64 whatever stands around it (three alignments, of which the part that depends on *word* alone).
    """
    plain = word.encode()
    yield plain
    yield plain.upper()
    yield "".join(f"%{byte:02x}" for byte in plain).encode()
    yield "".join(f"%{byte:02X}" for byte in plain).encode()
    yield "".join(f"\\u{byte:04x}" for byte in plain).encode()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield word.encode("utf-16-le")
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        first, last = -(-8 * shift // 6), 8 * (shift + len(plain)) // 6
        yield encoded[first:last]


@dataclass
class Canaries:
    """Canaries of one test: each is different, all begin with one random mark, which is what is searched for."""

    mark: str = field(default_factory=lambda: f"c{secrets.token_hex(8)}")
    places: list[str] = field(default_factory=list)

    def new(self, place: str) -> str:
        """Return a canary for *place*: lower-case letters and digits only."""
        self.places.append(place)
        return f"{self.mark}{len(self.places) - 1:05d}"

    def found_in(self, haystack: bytes) -> list[str]:
        """Return where the canaries in *haystack* had been put (the form instead, where no number follows)."""
        return [self._place(haystack, at + len(form), form) for form in forms(self.mark) for at in _all(haystack, form)]

    def _place(self, haystack: bytes, end: int, form: bytes) -> str:
        number = haystack[end : end + 5]
        return self.places[int(number)] if number.isdigit() and int(number) < len(self.places) else repr(form)


@dataclass
class Search:
    """A search through many sinks: how much was looked at, and what was found where."""

    canaries: Canaries
    looked_at: Counter[str] = field(default_factory=Counter)
    sinks: Counter[str] = field(default_factory=Counter)
    hits: list[tuple[str, str]] = field(default_factory=list)

    def look(self, sink: str, contents: bytes) -> None:
        """Search *contents* of *sink*."""
        self.sinks[sink] += 1
        self.looked_at[sink] += len(contents)
        self.hits += [(sink, place) for place in self.canaries.found_in(contents)]

    def look_below(self, sink: str, folder: Path) -> None:
        """Search all files below *folder*, and their names."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.look(sink, bytes(path) + path.read_bytes())

    def __str__(self) -> str:
        sinks = ", ".join(f"{sink}: {count} ({self.looked_at[sink]} bytes)" for sink, count in self.sinks.items())
        return f"canaries: {len(self.canaries.places)}; searched {sinks}; hits: {len(self.hits)}"


def _all(haystack: bytes, needle: bytes) -> Iterator[int]:
    at = haystack.find(needle)
    while at >= 0:
        yield at
        at = haystack.find(needle, at + 1)
