"""What checks the ledgers of an opened appliance: at its start, on demand, and after a restore."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.logs.access import access_logger
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.postgres.ledger_audit import PostgresLedgerAudit
from governlayer_server.adapters.system.checkpoint_directory import kept_notes
from governlayer_server.adapters.system.evidence import EvidenceDirectory
from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.note import ParsedCheckpoint, parse_verifier_key
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.ledger_keys import Algorithm, LedgerKey
from governlayer_server.settings import Settings
from governlayer_server.usecases.accept_restore import AcceptRestore
from governlayer_server.usecases.accepted_restores import AcceptedRestores
from governlayer_server.usecases.binding_checkpoints import BindingCheckpoints
from governlayer_server.usecases.check_ledgers import CheckLedgers
from governlayer_server.usecases.fsck_ledger import FsckLedger
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.verify_note import log_signatures
from governlayer_server.wiring.parts import Parts


class LedgerChecks(Struct, frozen=True, kw_only=True):
    """The checks, and what they read."""

    check: CheckLedgers
    fsck: FsckLedger
    accept_restore: AcceptRestore
    checkpoints: PostgresCheckpointStore
    restores: AcceptedRestores


def ledger_checks(settings: Settings, parts: Parts, ledger: LedgerStore, keys: Sequence[LedgerKey]) -> LedgerChecks:
    """Return the checks of the appliance that is made of *parts*; *keys* are all that ever signed for it."""
    audit, checkpoints = PostgresLedgerAudit(parts.database), PostgresCheckpointStore(parts.database)
    signing = [key for key in keys if key.algorithm is Algorithm.ED25519]
    known = [parse_verifier_key(vkey) for vkey in parts.sealed_keys.genuine(signing)]

    def outside(origin: str) -> Iterator[tuple[str, int, str]]:
        directory = settings.anchors.directory
        return iter(()) if directory is None else kept_notes(directory, origin)

    def is_signed(checkpoint: ParsedCheckpoint) -> bool:
        try:
            return bool(log_signatures(checkpoint, known, verify_ed25519))
        except NoteError:
            return False

    prove = ProveLedger(ledger=ledger)
    restores = AcceptedRestores(refusals=parts.refusals, ledger=ledger, head_at=prove.head, is_signed=is_signed)
    check = CheckLedgers(
        audit=audit,
        refusals=parts.refusals,
        kept=BindingCheckpoints(published=checkpoints, outside=outside, restores=restores, is_signed=is_signed),
        root_at=prove.root,
        keep_evidence=EvidenceDirectory(settings.ledgers.evidence).keep,
        log=access_logger(),
        clock=parts.clock,
    )
    return LedgerChecks(
        check=check,
        fsck=FsckLedger(audit=audit, tiles=ledger, checkpoints=checkpoints, vault=parts.vault, is_signed=is_signed),
        accept_restore=AcceptRestore(check=check, refusals=parts.refusals, clock=parts.clock, entropy=parts.entropy),
        checkpoints=checkpoints,
        restores=restores,
    )
