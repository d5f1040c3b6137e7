"""Papers about the appliance that the settings describe."""

from collections.abc import Iterator

from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.record_counts import PostgresRecordCounts
from governlayer_server.domain.appliance_facts import ApplianceFacts
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.paperwork import Recipient
from governlayer_server.domain.times import HOUR_US, MINUTE_US
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.settings import AnchorSettings, Settings
from governlayer_server.usecases.count_records import CountRecords
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.wiring.parts import Parts

_CHECKPOINTS = "names of ledgers, sizes, hashes and signatures; no personal data"


def keep_paperwork(
    settings: Settings, parts: Parts, accounts: AccountStore, ledger: LedgerStore, version: str
) -> KeepPaperwork:
    """Return what writes papers about this appliance."""
    return KeepPaperwork(
        accounts=accounts,
        data_keys=PostgresDataKeys(parts.database),
        wrapping_key=lambda: parts.keys.ring.active,
        count_records=CountRecords(ledger, PostgresRecordCounts(parts.database)),
        signer=parts.signer,
        clock=parts.clock,
        inventory=shipped_inventory(),
        facts=_facts(settings, parts.keys.provider.name, version),
        supplied=settings.paperwork,
    )


def _facts(settings: Settings, key_provider: str, version: str) -> ApplianceFacts:
    sessions = settings.identity.sessions
    return ApplianceFacts(
        deployment=settings.deployment,
        version=version,
        key_provider=key_provider,
        bcrypt_cost=settings.identity.bcrypt_cost,
        session_idle_minutes=sessions.idle_us // MINUTE_US,
        session_hours=sessions.absolute_us // HOUR_US,
        recipients=tuple(_recipients(settings)),
        anchors=tuple(_anchors(settings.anchors)),
    )


def _recipients(settings: Settings) -> Iterator[Recipient]:
    if settings.mail is not None:
        receives = "e-mail addresses of members, and letters with links for a new password"
        yield Recipient(name=f"mail server {settings.mail.server.host}", receives=receives)
    yield from (Recipient(name=name, receives=_CHECKPOINTS) for name in _anchors(settings.anchors))


def _anchors(anchors: AnchorSettings) -> Iterator[str]:
    yield from (f"witness {one.name} ({one.url})" for one in anchors.witnesses)
    if anchors.directory is not None:
        yield f"directory {anchors.directory}"
    if anchors.syslog is not None:
        yield f"system log {anchors.syslog}"
    if anchors.timestamps is not None:
        yield f"time stamp authority {anchors.timestamps.url}"
