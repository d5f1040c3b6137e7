"""
Certificates of erasures that the user brings, against the dump: step 11 of ledger-v1 §8.

Each names records of the ledger that say what was erased. They must stand there, byte for byte, and say the same; that
no payload of theirs is disclosed all the same is what step 11 checks of every dump.
"""

from collections.abc import Sequence

from governlayer_verifier.certificate import Certificate, Range
from governlayer_verifier.dump import Header
from governlayer_verifier.findings import Findings, Step, shown
from governlayer_verifier.keys import KeyRing
from governlayer_verifier.record import Facts
from governlayer_verifier.trust import Certified

NO_KEY = "no trusted key was given (--key)"


class CertificateCheck:
    """The certificates of a run, waiting for their records."""

    def __init__(self, findings: Findings, header: Header, ring: KeyRing, certificates: Sequence[Certificate]) -> None:
        self._findings = findings
        self._header = header
        self._ring = ring
        self._certificates = certificates
        self._wanted = {seq for each in certificates for seq, _ in each.records}
        self._found: dict[int, tuple[str, Facts]] = {}

    def record(self, facts: Facts, digest: str) -> None:
        """Take in an ``erasure`` record; *digest* is its hash, 64 hex digits."""
        if facts.seq in self._wanted and facts.type == "erasure":
            self._found[facts.seq] = (digest, facts)

    def finish(self) -> tuple[Certified, ...]:
        """Judge all, after the key ring has settled."""
        return tuple(self._judged(number, each) for number, each in enumerate(self._certificates, 1))

    def _judged(self, number: int, certificate: Certificate) -> Certified:
        label, seqs = f"certificate {number}", tuple(seq for seq, _ in certificate.records)
        what = shown(certificate.erasure_id)
        fault = self._fault(certificate)
        if fault is not None:
            self._findings.fail(Step.ERASURE, f"{label} {fault}", seq=seqs[0])
            return Certified(label, what, seqs, "fail", fault)
        doubt = self._doubt(seqs)
        if doubt is not None:
            self._findings.cannot(Step.ERASURE, f"{label}: {doubt}")
            return Certified(label, what, seqs, "not_checked", doubt)
        return Certified(label, what, seqs, "pass", None)

    def _doubt(self, seqs: Sequence[int]) -> str | None:
        if not self._ring:
            return NO_KEY
        if any(not self._is_within(seq) for seq in seqs):
            return "records that it names are outside of this dump"
        return None

    def _fault(self, certificate: Certificate) -> str | None:
        if certificate.origin != self._header.origin:
            return "is of another ledger"
        for seq, digest in certificate.records:
            found = self._found.get(seq)
            if found is None and self._is_within(seq):
                return f"names record {seq}, which is no erasure record"
            if found is not None and found[0] != digest:
                return f"names record {seq} by another hash"
        if all(self._is_within(seq) for seq, _ in certificate.records) and not self._agrees(certificate):
            return "does not say what its records say"
        return self._ring.fault_of_note(certificate.text, certificate.signatures, certificate.records[-1][0])

    def _agrees(self, certificate: Certificate) -> bool:
        bodies = [self._found[seq][1].body for seq, _ in certificate.records]
        said = {
            "basis": certificate.basis,
            "decision_id": certificate.decision_id,
            "erasure_id": certificate.erasure_id,
            "kind": certificate.kind,
            "names": list(certificate.names),
            "parts": len(bodies),
            "records": certificate.counted,
            "subjects": list(certificate.subjects),
        }
        if any(body.get(name, ...) != value for body in bodies for name, value in said.items()):
            return False
        if [body.get("part") for body in bodies] != list(range(1, len(bodies) + 1)):
            return False
        ranges: list[Range] = []
        for body in bodies:
            part = body.get("ranges")
            if not isinstance(part, list):
                return False
            ranges += [tuple(each) for each in part if isinstance(each, list)]
        return tuple(ranges) == certificate.ranges

    def _is_within(self, seq: int) -> bool:
        return self._header.first <= seq <= self._header.last
