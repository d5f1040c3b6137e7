"""Step 8 of ledger-v1 §8: the tree over the records, and whether a checkpoint agrees with it.

A full dump lets every root be computed. A dump that begins at record F > 0 cannot know the leaves before F, but the
inclusion proof of F holds, as left siblings, exactly the subtrees that cover them; with those every root from size F
on can be computed as well. Sizes outside the dump are reached by consistency proofs.
"""

from enum import Enum, auto
from typing import NamedTuple

from governlayer_verifier.dump import Consistency, Header, Inclusion
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.tree import (
    EMPTY_ROOT,
    ProofError,
    Tree,
    left_siblings,
    root_from_inclusion,
    roots_from_consistency,
    verify_consistency,
)

MAX_PROOFS = 1024


class Agreement(Enum):
    """How a checkpoint stands to the records of the dump."""

    AGREES = auto()
    DIFFERS = auto()
    BEYOND = auto()
    UNCONNECTED = auto()


class Judgement(NamedTuple):
    """An agreement; how many records from 0 on it covers; the root that was computed, where one was."""

    agreement: Agreement
    covered: int = 0
    expected: bytes | None = None


class Coverage(NamedTuple):
    """What the checkpoints of a dump reach: how many there are, how many records the best of them covers."""

    checkpoints: int
    covered: int
    reaches_end: bool


class TreeCheck:
    """The tree of a dump with the proofs that the dump brings; ask ``says`` after ``settle``."""

    def __init__(self, findings: Findings, header: Header) -> None:
        self._findings = findings
        self._first = header.first
        self._announced = header.last + 1
        self.tree = Tree(header.first)
        # The size of the tree at the line that is being taken in; the tree itself may be ahead of it.
        self.passed = header.first
        self._inclusions: list[Inclusion] = []
        self._consistencies: list[Consistency] = []
        self._rooted = header.first == 0
        self._proof_is_last = False
        self._included: dict[int, set[bytes]] = {}
        self._proven: dict[int, tuple[bytes, int]] = {}
        self._older: list[Consistency] = []
        # Sizes whose root a proof line leads to, and which only a checkpoint of that size can confirm.
        self._waiting: set[int] = set()

    def pass_checkpoint(self, size: int) -> bool:
        """Take note that a checkpoint stands here; return whether one of *size* may, after its last record (§7)."""
        self._proof_is_last = False
        if self._first > 0 and size > self._announced:
            return True  # its last record is not in this dump at all
        return size <= self.passed

    def add_proof(self, proof: Inclusion | Consistency, number: int) -> None:
        """Keep a proof line for ``settle``; beyond 1,024 of them step 1 fails, so that memory stays bounded."""
        if len(self._inclusions) + len(self._consistencies) >= MAX_PROOFS:
            self._findings.fail(Step.FORMAT, f"more than {MAX_PROOFS} proof lines", line=number)
        elif isinstance(proof, Inclusion):
            self._inclusions.append(proof)
            self._proof_is_last = True
        else:
            self._consistencies.append(proof)

    def settle(self) -> None:
        """After the last record: root the tree and check every proof line of the dump."""
        if self.tree.size == self._first > 0:
            self._findings.cannot(Step.TREE, "the dump holds no record to compute a root over")
            return
        if not self._rooted:
            self._root()
        for inclusion in self._inclusions:
            self._check_inclusion(inclusion)
        # By size, so that a proof may start where another one leads.
        for consistency in sorted(self._consistencies, key=lambda each: (each.size1, each.size2)):
            self._check_consistency(consistency)

    def says(self, size: int, root: bytes) -> Judgement:
        """Return how a checkpoint of *size* with *root* stands to the records (§8 steps 8 and 9)."""
        self._waiting.discard(size)
        if size == 0:
            return _compare(root, EMPTY_ROOT, 0)
        if not self._rooted or self.tree.size == self._first > 0:
            return Judgement(Agreement.UNCONNECTED)
        if size > self.tree.size:
            return self._says_beyond(size, root)
        if size < self._first:
            return self._says_before(size, root)
        return _compare(root, self.tree.root(size), size)

    def finish(self, sizes: Coverage) -> None:
        """Fail or question step 8 where the checkpoints of the dump do not cover its records (§7)."""
        fail, size = self._findings.fail, self.tree.size
        for each in sorted(self._waiting):
            self._findings.cannot(Step.TREE, f"a proof line leads to size {each}, of which there is no checkpoint")
        if self._proof_is_last:
            fail(Step.FORMAT, "an inclusion line stands after the last checkpoint", seq=self._first)
        if size == self._first:
            return
        if self._first == 0:
            if not sizes.reaches_end:
                fail(Step.TREE, "no checkpoint covers the last record", expected=f"size {size}")
        elif not sizes.checkpoints:
            fail(Step.TREE, "the dump holds no checkpoint")
        elif sizes.covered < size:
            start = max(self._first, sizes.covered)
            what = f"no checkpoint of the dump, with its proofs, covers records {start} to {size - 1}"
            self._findings.cannot(Step.TREE, what)

    def close(self) -> None:
        """Give temporary files back."""
        self.tree.close()

    def _root(self) -> None:
        for inclusion in self._inclusions:
            if inclusion.seq == self._first:
                try:
                    self.tree.seeds = left_siblings(inclusion.seq, inclusion.size, inclusion.hashes)
                except ProofError:
                    continue  # reported when the line itself is checked
                self._rooted = True
                return
        what = "no usable inclusion proof of the first record, so no root can be computed"
        self._findings.fail(Step.TREE, what, seq=self._first)

    def _check_inclusion(self, proof: Inclusion) -> None:
        fail, seq, size = self._findings.fail, proof.seq, proof.size
        if not self._first <= seq < self.tree.size:
            fail(Step.TREE, "an inclusion proof is for a record that is not in the dump", seq=seq)
            return
        try:
            root = root_from_inclusion(seq, size, self.tree.leaf(seq), proof.hashes)
        except ProofError as error:
            fail(Step.TREE, f"the inclusion proof in size {size} is malformed: {error}", seq=seq)
            return
        if size > self.tree.size:
            self._included.setdefault(size, set()).add(root)
            self._waiting.add(size)
        elif self._rooted and root != self.tree.root(size):
            fail(Step.TREE, f"the inclusion proof in size {size} does not lead to the root computed", seq=seq)

    def _check_consistency(self, proof: Consistency) -> None:
        size1, size2, size = proof.size1, proof.size2, self.tree.size
        if not self._rooted:
            return
        if size1 < self._first:
            self._older.append(proof)
            self._waiting.add(size1)
            return
        root1 = self._known_root(size1)
        if root1 is None:
            self._waiting.add(size1)
            return
        what = f"the consistency proof from size {size1} to {size2}"
        try:
            first, second = roots_from_consistency(size1, size2, root1, proof.hashes)
        except ProofError as error:
            self._findings.fail(Step.TREE, f"{what} is malformed: {error}", seq=size1 - 1)
            return
        known = self._known_root(size2)
        if first != root1 or known not in (None, second):
            self._findings.fail(Step.TREE, f"{what} does not lead to the roots computed", seq=size1 - 1)
        elif size2 > size:
            # What a proof leads on from needs no checkpoint of its own.
            self._waiting.discard(size1)
            self._waiting.add(size2)
            covered = size1 if size1 <= size else self._proven[size1][1]
            self._proven[size2] = (second, max(covered, self._proven.get(size2, (b"", 0))[1]))

    def _says_beyond(self, size: int, root: bytes) -> Judgement:
        included = self._included.get(size, set())
        if wrong := included - {root}:
            return Judgement(Agreement.DIFFERS, 0, min(wrong))
        if size in self._proven:
            expected, covered = self._proven[size]
            return _compare(root, expected, covered)
        # An inclusion proof alone shows one record to be in that tree, not those after it.
        return Judgement(Agreement.UNCONNECTED if included else Agreement.BEYOND)

    def _says_before(self, size: int, root: bytes) -> Judgement:
        proofs = [(each, self._known_root(each.size2)) for each in self._older if each.size1 == size]
        outcomes = {
            verify_consistency(size, proof.size2, root, root2, proof.hashes)
            for proof, root2 in proofs
            if root2 is not None
        }
        if not outcomes:
            return Judgement(Agreement.UNCONNECTED)
        return Judgement(Agreement.DIFFERS) if False in outcomes else Judgement(Agreement.AGREES, size)

    def _known_root(self, size: int) -> bytes | None:
        if self._first <= size <= self.tree.size:
            return self.tree.root(size)
        proven = self._proven.get(size)
        return None if proven is None else proven[0]


def _compare(root: bytes, expected: bytes, covered: int) -> Judgement:
    if root == expected:
        return Judgement(Agreement.AGREES, covered)
    return Judgement(Agreement.DIFFERS, 0, expected)
