"""Witness checkpoints of other machines' ledgers: c2sp.org/tlog-witness."""

from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import Inconsistent, NoteError, NotSigned, OtherSize, ProofError, UnknownOrigin
from governlayer_server.domain.ledger.cosignature import Cosignature, cosignature_line, cosigned_message
from governlayer_server.domain.ledger.note import COSIGNATURE, ParsedCheckpoint, SignatureLine, VerifierKey
from governlayer_server.domain.ledger.proofs import verify_consistency
from governlayer_server.domain.ledger.witness import AddCheckpoint, parse_add_checkpoint
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock, Signer
from governlayer_server.ports.anchors import Verify, Witnessed, WitnessState
from governlayer_server.usecases.verify_note import log_signatures

_NOTHING = Witnessed(size=0, root=sha256(b"").digest(), note="")


class WitnessCheckpoint(Struct, frozen=True, kw_only=True):
    """
    Cosigns checkpoints that extend what it cosigned before, and no others.

    ``logs`` are the keys that it trusts, each for the origins that begin with its name.
    """

    logs: Sequence[VerifierKey]
    state: WitnessState
    signer: Signer
    verify: Verify
    clock: Clock

    @property
    def key(self) -> VerifierKey:
        """The key of its cosignatures, for those who configure it as a witness."""
        return VerifierKey(name=self.signer.name, kind=COSIGNATURE, public_key=self.signer.public_key)

    def __call__(self, body: bytes) -> str:
        """
        Return the cosignature line of the checkpoint in *body*, after it has become the last one, durably.

        Args:
            body: of ``POST /add-checkpoint``.

        Raises:
            NoteError: the request is malformed.
            UnknownOrigin: no trusted key is for this origin.
            NotSigned: no trusted key signed it.
            OtherSize: the proof does not begin at what was cosigned last; the error names that size.
            Inconsistent: the checkpoint does not extend what was cosigned last. In no case anything was cosigned.
        """
        request = parse_add_checkpoint(body)
        signatures = self._log_signatures(request.checkpoint)
        if request.old > request.checkpoint.size:
            raise NoteError("the old size is larger than that of the checkpoint")
        last = self.state.newest(request.checkpoint.origin)
        _require_extension(request, last or _NOTHING)
        return self._cosign(request.checkpoint, signatures, last)

    def newest(self, origin_hash: str) -> str | None:
        """Return the note cosigned last of the origin with this SHA-256 (64 hex digits), if there is one."""
        found = self.state.by_hash(origin_hash)
        return None if found is None else found.note

    def _log_signatures(self, checkpoint: ParsedCheckpoint) -> list[SignatureLine]:
        keys = [key for key in self.logs if f"{checkpoint.origin}/".startswith(f"{key.name}/")]
        if not keys:
            raise UnknownOrigin("no trusted key is for this origin")
        try:
            return log_signatures(checkpoint, keys, self.verify)
        except NoteError as error:
            raise NotSigned(str(error)) from None

    def _cosign(self, checkpoint: ParsedCheckpoint, signatures: Sequence[SignatureLine], last: Witnessed | None) -> str:
        time_s = self.clock.now_us() // SECOND_US
        signature = self.signer.sign(cosigned_message(checkpoint.text, time_s))
        line = cosignature_line(self.key, Cosignature(time_s=time_s, signature=signature))
        note = f"{checkpoint.text}\n{''.join(map(str, (*signatures, line)))}"
        after = Witnessed(size=checkpoint.size, root=checkpoint.root, note=note)
        # The signature leaves only when its checkpoint is the last one, durably: somebody may have been faster.
        if not self.state.replace(checkpoint.origin, last, after):
            raise OtherSize((self.state.newest(checkpoint.origin) or _NOTHING).size)
        return str(line)


def _require_extension(request: AddCheckpoint, last: Witnessed) -> None:
    checkpoint = request.checkpoint
    if request.old != last.size:
        raise OtherSize(last.size)
    if request.old not in {0, checkpoint.size}:
        _require_consistency(request, last)
    elif request.proof:
        raise Inconsistent("from size 0, or to the same size, the proof is empty")
    elif checkpoint.size == last.size and checkpoint.root != last.root:
        raise Inconsistent("this is another tree of the size that was cosigned last")


def _require_consistency(request: AddCheckpoint, last: Witnessed) -> None:
    checkpoint = request.checkpoint
    try:
        verify_consistency(last.size, checkpoint.size, last.root, checkpoint.root, request.proof)
    except ProofError as error:
        raise Inconsistent(f"the checkpoint does not extend the one cosigned last: {error}") from None
