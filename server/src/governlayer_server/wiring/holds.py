"""Legal holds, retention and exports of data subjects over an opened appliance."""

from msgspec import Struct

from governlayer_server.adapters.postgres.legal_holds import PostgresHolds
from governlayer_server.adapters.postgres.turns import RETENTION, PostgresTurn
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.usecases.apply_retention import ApplyRetention
from governlayer_server.usecases.erase import Erase
from governlayer_server.usecases.export_subject import ExportSubject
from governlayer_server.usecases.make_receipt import MakeReceipt
from governlayer_server.usecases.manage_holds import ManageHolds
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.wiring.parts import Parts


class Holds(Struct, frozen=True, kw_only=True):
    """What keeps from destroying, what destroys in time, and what tells a data subject what there is."""

    manage: ManageHolds
    retention: ApplyRetention
    export_subject: ExportSubject


def holds(
    parts: Parts, accounts: AccountStore, ledger: LedgerStore, published: PublishCheckpoints, erase: Erase
) -> Holds:
    """Return the use cases."""
    store = PostgresHolds(parts.database)
    receipts = MakeReceipt(
        prove=published.prove, checkpoints=published.checkpoints, signer=parts.signer, guard=parts.refusals
    )
    return Holds(
        manage=ManageHolds(store=store, ledgers=erase.store, once=erase.once, **parts.common),
        retention=ApplyRetention(
            accounts=accounts,
            store=store,
            ledgers=erase.store,
            turn=PostgresTurn(parts.database, RETENTION, parts.clock),
            clock=parts.clock,
            entropy=parts.entropy,
        ),
        export_subject=ExportSubject(
            ledger=ledger, ledgers=erase.store, make_receipt=receipts, once=erase.once, **parts.common
        ),
    )
