"""Which key is trusted for a checkpoint of which size: the key succession of ledger-v1 §5."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from governlayer_verifier import mldsa
from governlayer_verifier.cosignature import is_signed_by, shown_time, stated_time_s
from governlayer_verifier.findings import shown
from governlayer_verifier.note import MLDSA44, Checkpoint, Signature, VerifierKey
from governlayer_verifier.trust import TrustedKey

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


@dataclass(slots=True)
class _Use:
    """What a key signed: how many checkpoints, the largest of them, the latest time that it states."""

    signed: int = 0
    size: int | None = None
    time_s: int | None = None

    def add(self, size: int, time_s: int | None) -> None:
        self.signed += 1
        self.size = max(self.size or 0, size)
        if time_s is not None:
            self.time_s = max(self.time_s or 0, time_s)


class KeyRing:
    """
    The keys of the user, and those that ``ledger.key`` records introduce.

    An introduced key is a candidate until a checkpoint by an already trusted key covers its record.
    Checkpoints come in any order, so each key only remembers how far its checkpoints reach, and ``settle``
    decides at the end. A key that this Python cannot verify with serves nowhere: its signatures are neither good
    nor wrong.
    """

    def __init__(self, trusted: Iterable[VerifierKey]) -> None:
        self._named = tuple(dict.fromkeys(trusted))
        lacking = mldsa.reason_unavailable() if any(key.kind == MLDSA44 for key in self._named) else None
        self._lacking = {key: lacking for key in self._named if key.kind == MLDSA44 and lacking is not None}
        self._spans = [_Span(key, -1, trusted=True) for key in self._named if key not in self._lacking]
        self._by_key: dict[VerifierKey, list[_Span]] = {key: [] for key in self._named}
        for span in self._spans:
            self._by_key[span.key].append(span)
        self._by_hint: dict[tuple[str, bytes], list[VerifierKey]] = {}
        for key in self._named:
            self._by_hint.setdefault((key.name, key.key_id), []).append(key)
        self._uses: dict[VerifierKey, _Use] = {}

    def __bool__(self) -> bool:
        return bool(self._named)

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

        A key that this Python cannot verify with is among them; ``doubt`` tells it.

        Raises:
            WrongSignatureError: a signature under the name and id of a known key is not by that key.
        """
        signed: list[VerifierKey] = []
        for each in checkpoint.signatures:
            known = self._by_hint.get((each.name, each.key_id), [])
            by = [key for key in known if key in self._lacking or is_signed_by(key, checkpoint, each.blob)]
            if known and not by:
                raise WrongSignatureError(f"the signature of {each.name}+{each.key_id.hex()} is wrong")
            signed += by
            for key in by:
                self._uses.setdefault(key, _Use()).add(checkpoint.size, stated_time_s(key, each.blob))
        return tuple(dict.fromkeys(signed))

    def doubt(self, signers: Iterable[VerifierKey]) -> str | None:
        """Return why the signature of one of *signers* could not be verified, None where all were."""
        return next((self._lacking[key] for key in signers if key in self._lacking), None)

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

    def fault_of_note(self, text: bytes, signatures: Iterable[Signature], after: int) -> str | None:
        """
        Return why *signatures* over *text* give no trust, after ``settle``; None where they do.

        Args:
            text: of a note that is no checkpoint, and so has no size.
            signatures: its lines; only Ed25519 keys sign such notes.
            after: the seq of a record that was there when it was signed: a key that went before it is not trusted.
        """
        if not self:
            return None
        signers: list[VerifierKey] = []
        for each in signatures:
            known = self._by_hint.get((each.name, each.key_id), [])
            by = [key for key in known if key.verifies(text, each.blob)]
            if known and not by and any(key.kind != MLDSA44 for key in known):
                return f"bears a wrong signature of {each.name}+{each.key_id.hex()}"
            signers += by
        spans = [span for key in signers for span in self._by_key[key] if span.trusted]
        if not spans:
            return "is signed by no trusted key"
        if all(span.until is not None and span.until <= after for span in spans):
            return "is signed by a key that had left service"
        return None

    def trusted_keys(self, sources: Mapping[VerifierKey, str]) -> tuple[TrustedKey, ...]:
        """
        Return the keys that are trusted for some size, after ``settle``, those of the user first.

        Args:
            sources: where the user named each of them.
        """
        spans = [span for span in self._spans if span.trusted]
        lacking = [_Span(key, -1, trusted=True) for key in self._lacking]
        return tuple(self._trusted_key(span, sources) for span in [*spans, *lacking])

    def _trusted_key(self, span: _Span, sources: Mapping[VerifierKey, str]) -> TrustedKey:
        key, use = span.key, self._uses.get(span.key, _Use())
        introduced = span.after >= 0
        source = f"introduced by record {span.after}" if introduced else sources.get(key, "named by the user")
        return TrustedKey(
            shown(key.name),
            key.key_id.hex(),
            key.algorithm,
            source,
            span.after if introduced else None,
            span.until,
            use.signed,
            use.size,
            shown_time(use.time_s),
            self._lacking.get(key),
        )
