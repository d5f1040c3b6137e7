"""What ``restore`` records own up to (ledger-v1 §2.2): the ledger was put back, and what was lost by it."""

from dataclasses import dataclass

from governlayer_verifier.errors import FormatError
from governlayer_verifier.note import parse_checkpoint
from governlayer_verifier.record import Facts

MOST = 100


@dataclass(frozen=True, slots=True)
class Restored:
    """
    A restore that stands in the ledger.

    ``seq`` is that of its record, and of the first record that may have been lost; ``lost`` is the size of the lost
    checkpoint that it names, None where it names none. That it is true is its operator's word.
    """

    seq: int
    lost: int | None

    def __str__(self) -> str:
        """Return it in words."""
        if self.lost is None or self.lost <= self.seq:
            return f"record {self.seq}: restored from a backup; no checkpoint of lost records was known"
        return (
            f"record {self.seq}: restored from a backup; records {self.seq} to {self.lost - 1} of the history before, "
            f"up to the checkpoint of size {self.lost} that it names, are lost"
        )


def restored_by(facts: Facts, origin: str) -> Restored | None:
    """Return what a ``restore`` record says, None where the record is broken, which other steps tell."""
    if facts.seq is None:
        return None
    note = facts.body.get("lost")
    if not isinstance(note, str):
        return Restored(facts.seq, None)
    try:
        checkpoint = parse_checkpoint(note)
    except FormatError:
        return Restored(facts.seq, None)
    return Restored(facts.seq, checkpoint.size if checkpoint.origin == origin else None)
