"""A log whose trees tests make as they like, honest or not, and what it asks of a witness."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.domain.ledger.checkpoint import signed_note
from governlayer_server.domain.ledger.note import ED25519, VerifierKey
from governlayer_server.domain.ledger.witness import add_checkpoint_body

from tests.fakes.rfc6962 import mth
from tests.fakes.rfc6962 import proof as consistency


@dataclass
class Log:
    """A ledger of plain leaves under one key."""

    origin: str = "log.example.com/ledgers/1"
    seed: bytes = bytes(range(32))
    leaves: list[bytes] = field(default_factory=list)

    @property
    def signer(self) -> Ed25519Signer:
        return Ed25519Signer(self.origin.partition("/")[0], self.seed)

    @property
    def key(self) -> VerifierKey:
        return VerifierKey(name=self.signer.name, kind=ED25519, public_key=self.signer.public_key)

    def grown(self, count: int, salt: bytes = b"") -> "Log":
        """The same log with *count* leaves: one history for each *salt*."""
        return Log(self.origin, self.seed, [salt + b"entry-%d" % number for number in range(count)])

    def text(self) -> str:
        return f"{self.origin}\n{len(self.leaves)}\n{base64.b64encode(mth(self.leaves)).decode()}\n"

    def note(self) -> str:
        text = self.text()
        return signed_note(text, [self.signer.line(text)])

    def request(self, old: int, proof: Sequence[bytes] | None = None) -> bytes:
        """What a client sends to have this log cosigned from size *old* on."""
        honest = consistency(old, self.leaves) if 0 < old <= len(self.leaves) else []
        return add_checkpoint_body(old, honest if proof is None else proof, self.note()).encode()
