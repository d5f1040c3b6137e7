"""Which key is trusted for a checkpoint of which size: the key succession of ledger-v1 §5."""

from collections.abc import Iterable
from dataclasses import dataclass

from governlayer_verifier.note import Checkpoint, VerifierKey

MAX_SPANS = 1024


class WrongSignatureError(ValueError):
    """A key that the verifier knows did not make the signature that bears its name and id."""


@dataclass(slots=True)
class _Span:
    """A time of service: for sizes above ``after`` (its introducing record) and not above ``until``."""

    key: VerifierKey
    after: int
    trusted: bool
    until: int | None = None
    covered: int = 0

    def serves(self, size: int) -> bool:
        return size > self.after and (self.until is None or size <= self.until)


class KeyRing:
    """
    The keys of the user, and those that ``ledger.key`` records introduce.

    An introduced key is a candidate until a checkpoint by an already trusted key covers its record.
    Checkpoints come in any order, so each key only remembers how far its checkpoints reach, and ``settle``
    decides at the end.
    """

    def __init__(self, trusted: Iterable[VerifierKey]) -> None:
        self._spans = [_Span(key, -1, trusted=True) for key in dict.fromkeys(trusted)]
        self._has_trust = bool(self._spans)
        self._by_key: dict[VerifierKey, list[_Span]] = {span.key: [span] for span in self._spans}
        self._by_hint: dict[tuple[str, bytes], list[VerifierKey]] = {}
        for span in self._spans:
            self._by_hint.setdefault((span.key.name, span.key.key_id), []).append(span.key)

    def __bool__(self) -> bool:
        return self._has_trust

    @property
    def is_full(self) -> bool:
        """Whether no further key is taken in; a bound on memory."""
        return len(self._spans) >= MAX_SPANS

    def introduce(self, key: VerifierKey, seq: int) -> None:
        """Take *key* in as a candidate from record *seq* on, unless it is in service already."""
        spans = self._by_key.setdefault(key, [])
        if spans and spans[-1].until is None:
            return
        if not spans:
            self._by_hint.setdefault((key.name, key.key_id), []).append(key)
        spans.append(_Span(key, seq, trusted=False))
        self._spans.append(spans[-1])

    def retire(self, key: VerifierKey, seq: int) -> None:
        """Stop trusting *key* for checkpoints that cover record *seq*."""
        for span in self._by_key.get(key, [])[-1:]:
            if span.until is None:
                span.until = seq

    def signers(self, checkpoint: Checkpoint) -> tuple[VerifierKey, ...]:
        """
        Return the known keys that signed *checkpoint*; unknown signatures are ignored (signed-note).

        Raises:
            WrongSignatureError: a signature under the name and id of a known key is not by that key.
        """
        signed: list[VerifierKey] = []
        for each in checkpoint.signatures:
            known = self._by_hint.get((each.name, each.key_id), [])
            by = [key for key in known if key.verifies(checkpoint.text, each.blob)]
            if known and not by:
                raise WrongSignatureError(f"the signature of {each.name}+{each.key_id.hex()} is wrong")
            signed += by
        return tuple(dict.fromkeys(signed))

    def covers(self, signers: Iterable[VerifierKey], size: int, records: int) -> None:
        """Note that *signers* signed an agreeing checkpoint of *size* that covers the first *records* records."""
        for key in signers:
            for span in self._by_key[key]:
                if span.serves(size):
                    span.covered = max(span.covered, records)

    def settle(self) -> None:
        """Trust every candidate whose introduction a trusted key covers, and so on from there (§5)."""
        candidates = [span for span in self._spans if not span.trusted]
        reach = max((span.covered for span in self._spans if span.trusted), default=0)
        while new := [span for span in candidates if span.after < reach]:
            for span in new:
                span.trusted = True
            candidates = [span for span in candidates if not span.trusted]
            reach = max(reach, *(span.covered for span in new))

    def fault(self, signers: Iterable[VerifierKey], size: int) -> str | None:
        """Return why a checkpoint of *size* by *signers* is not trusted, None where it is (§5)."""
        spans = [span for key in signers for span in self._by_key[key]]
        if not spans:
            return "no trusted key signed it"
        if any(span.trusted and span.serves(size) for span in spans):
            return None
        if any(span.serves(size) for span in spans):
            return "its key was introduced by a record that no trusted key covers"
        return "its key was not in service at that size"
