"""Papers about the appliance that the settings describe."""

from collections.abc import Iterator

from governlayer_server.adapters.backup.s3_address import S3Address
from governlayer_server.adapters.postgres.data_keys import PostgresDataKeys
from governlayer_server.adapters.postgres.record_counts import PostgresRecordCounts
from governlayer_server.domain.appliance_facts import ApplianceFacts
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.paperwork import Recipient
from governlayer_server.domain.times import HOUR_US, MINUTE_US
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.settings import AnchorSettings, Settings
from governlayer_server.settings.backups import BackupSettings, Destination
from governlayer_server.settings.key_providers import Provider
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
        facts=facts_of(settings, parts.keys.provider.name, version),
        supplied=settings.paperwork,
    )


def facts_of(settings: Settings, key_provider: str, version: str) -> ApplianceFacts:
    """Return what papers say of the appliance that *settings* describe; no secret is in it."""
    sessions = settings.identity.sessions
    return ApplianceFacts(
        deployment=settings.deployment,
        version=version,
        key_provider=key_provider,
        bcrypt_cost=settings.identity.bcrypt_cost,
        session_idle_minutes=sessions.idle_us // MINUTE_US,
        session_hours=sessions.absolute_us // HOUR_US,
        recipients=tuple(_recipients(settings, key_provider)),
        anchors=tuple(_anchors(settings.anchors)),
        backups=_backups(settings.backups),
    )


def _backups(backups: BackupSettings) -> str | None:
    if backups.hours is None:
        return None
    return (
        f"every {backups.hours} hours, encrypted, to {_place(backups.destination)}; `governlayer doctor` tells the age"
    )


def _place(destination: Destination) -> str:
    if isinstance(destination, S3Address):
        return f"the bucket {destination.bucket} at {destination.endpoint}"
    return f"the directory {destination}"


def _recipients(settings: Settings, key_provider: str) -> Iterator[Recipient]:
    if settings.mail is not None:
        receives = "e-mail addresses of members, and letters with links for a new password"
        yield Recipient(name=f"mail server {settings.mail.server.host}", receives=receives)
    if isinstance(settings.backups.to, S3Address):
        receives = "backups, encrypted: they open with their passphrase or the key-encryption key"
        yield Recipient(name=_place(settings.backups.to), receives=receives)
    if key_provider == Provider.TRANSIT:
        yield Recipient(name="Vault or OpenBao", receives="key-encryption keys, to open and to close; no personal data")
    yield from (Recipient(name=name, receives=_CHECKPOINTS) for name in _anchors(settings.anchors))


def _anchors(anchors: AnchorSettings) -> Iterator[str]:
    yield from (f"witness {one.name} ({one.url})" for one in anchors.witnesses)
    if anchors.directory is not None:
        yield f"directory {anchors.directory}"
    if anchors.syslog is not None:
        yield f"system log {anchors.syslog}"
    if anchors.timestamps is not None:
        yield f"time stamp authority {anchors.timestamps.url}"
