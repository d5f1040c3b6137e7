"""Open an appliance: what the command line and the web server may call."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.adapters.crypto.passwords import BcryptPasswords
from governlayer_server.adapters.logs.access import access_logger
from governlayer_server.adapters.postgres.account_store import PostgresAccountStore
from governlayer_server.adapters.postgres.anchors import PostgresAnchorStore
from governlayer_server.adapters.postgres.append_tally import AppendTally
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.postgres.migrate import pending_migrations
from governlayer_server.adapters.postgres.refusals import PostgresRefusals
from governlayer_server.adapters.postgres.restore_target import require_finished
from governlayer_server.adapters.redis.connect import AnyRedis, connect_redis
from governlayer_server.adapters.redis.forgetting import RedisForgetting
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.adapters.redis.running_requests import RedisRunningRequests
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.adapters.system.background import Background
from governlayer_server.domain.errors import ConfigurationError, LedgerRefused
from governlayer_server.domain.record_type import RecordType
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.ledger_keys import LedgerKey
from governlayer_server.settings import Settings
from governlayer_server.usecases.anchors_state import AnchorsState
from governlayer_server.usecases.answer_once import AnswerOnce
from governlayer_server.usecases.check_heads import CheckHeads
from governlayer_server.usecases.check_ledgers import Progress
from governlayer_server.usecases.create_organization import CreateOrganization, FoundOrganization
from governlayer_server.usecases.every_ledger import all_ledger_ids
from governlayer_server.usecases.export_ledger import ExportLedger
from governlayer_server.usecases.identity import operate_users
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.usecases.manage_keys import ManageKeys
from governlayer_server.usecases.manage_organizations import ManageOrganizations
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.operate_users import OperateUsers
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.usecases.read_cosigned import ReadCosigned
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.usecases.read_timestamps import ReadTimestamps
from governlayer_server.usecases.refresh_data_keys import RefreshDataKeys
from governlayer_server.usecases.refresh_keys import RefreshKeys
from governlayer_server.usecases.renew_users import seal_bare_hashes
from governlayer_server.usecases.rotate_keys import RotateKeys
from governlayer_server.usecases.set_up import SetUp
from governlayer_server.web.links import Links
from governlayer_server.wiring.anchors import anchors_state
from governlayer_server.wiring.erasures import Erasures, erasures
from governlayer_server.wiring.founding import begin_system_ledger, deployment_keys, record_of_system
from governlayer_server.wiring.holds import Holds, holds
from governlayer_server.wiring.keys import stores_of
from governlayer_server.wiring.ledger_checks import LedgerChecks, ledger_checks
from governlayer_server.wiring.paperwork import keep_paperwork
from governlayer_server.wiring.parts import Parts
from governlayer_server.wiring.rotations import Rotations, rotations_of

if TYPE_CHECKING:
    from governlayer_server.web.observe import Observed

VERSION = version("governlayer-server")
_KEYS_S = 1.0


class Appliance(Struct, frozen=True, kw_only=True):
    """An opened appliance."""

    deployment: str
    accounts: AccountStore
    ledger: LedgerStore
    create_organization: CreateOrganization
    manage_organizations: ManageOrganizations
    set_up: SetUp
    manage_keys: ManageKeys
    keep_paperwork: KeepPaperwork
    operate_users: OperateUsers
    read_ledger: ReadLedger
    export_ledger: ExportLedger
    publish_checkpoints: PublishCheckpoints
    rotate_keys: RotateKeys
    check_heads: CheckHeads
    read_timestamps: ReadTimestamps
    anchors: AnchorsState
    checks: LedgerChecks
    erasures: Erasures
    rotations: Rotations
    holds: Holds
    parts: Parts

    async def ledger_ids(self) -> Sequence[str]:
        """Return the ids of all ledgers that there must be: the deployment's own, and one for each organization."""
        return await all_ledger_ids(self.accounts)

    async def check_ledgers(self, progress: Progress) -> Sequence[str]:
        """Check the end of every ledger before it is written; return the ids of those that are closed."""
        return await self.checks.check(await self.ledger_ids(), progress)

    async def record_event(self, record_type: RecordType, body: Mapping[str, object]) -> None:
        """Append a record of the deployment itself to the system ledger."""
        await record_of_system(self.ledger, self.parts.clock, self.parts.entropy, record_type, body)

    async def application(self, settings: Settings, links: Links, https: Path | None = None) -> "Observed":
        """
        Return the web application under the policy set in ``settings.policies``; the start is recorded with it.

        Args:
            settings: of this appliance.
            links: where people reach it.
            https: file of the certificate that is served, if one is.

        Raises:
            PolicyError: the policy set cannot be used. Nothing is served.
        """
        # Commands do without: loading it takes a third of their time.
        from governlayer_server.wiring.application import Operations, build_application  # noqa: PLC0415
        from governlayer_server.wiring.scheduled_backups import ScheduledBackups  # noqa: PLC0415

        operations = Operations(
            version=VERSION,
            accounts=self.accounts,
            ledger=self.ledger,
            once=self.manage_keys.once,
            manage_keys=self.manage_keys,
            keep_paperwork=self.keep_paperwork,
            read_ledger=self.read_ledger,
            export_ledger=self.export_ledger,
            publish_checkpoints=self.publish_checkpoints,
            anchors=self.anchors,
            restores=self.checks.restores,
            record=self.record_event,
            rotations=self.rotations,
            erasures=self.erasures,
            holds=self.holds,
            found=self.create_organization.found,
            one_time=self.set_up.one_time,
            links=links,
            https=https,
            backups=None if settings.backups.to is None else ScheduledBackups(self, settings),
        )
        application, policy_set = await build_application(operations, self.parts, settings)
        in_force = {"hash": policy_set.hash, "version": policy_set.version}
        with suppress(LedgerRefused):  # organizations whose own ledgers are sound go on
            await self.record_event("system.started", {"policy_set": in_force, "version": VERSION})
        return application


@asynccontextmanager
async def open_appliance(
    settings: Settings, *, found: bool = True, unfinished: bool = False
) -> AsyncIterator[Appliance]:
    """
    Open the appliance that *settings* name; its database must have been migrated.

    Args:
        settings: of this appliance.
        found: whether to make what a first start makes and is not there: the deployment, its signing keys, the
            beginning of its own ledger. False for who only looks: nothing is written then.
        unfinished: whether a restore into it may have begun and not ended: True for the restore alone.

    Raises:
        LedgerUnavailable: PostgreSQL is away.
        ConfigurationError: migrations are missing, the keys or the name belong to another installation, row level
            security would not bind the database role, or *found* is False and there is no whole deployment.
    """
    redis = connect_redis(settings.redis)
    try:
        async with _opened(settings, redis, found=found, unfinished=unfinished) as appliance:
            yield appliance
    finally:
        await redis.aclose()


@asynccontextmanager
async def _opened(settings: Settings, redis: AnyRedis, *, found: bool, unfinished: bool) -> AsyncIterator[Appliance]:
    database = await connect(settings.database, standbys=settings.standbys)
    try:
        if pending := await pending_migrations():
            raise ConfigurationError(f"{len(pending)} migrations have not been applied: run `governlayer migrate`")
        await database.require_bound_role()
        if not unfinished:
            await require_finished(database)
        clock, entropy = SystemClock(), SystemEntropy()
        stores = stores_of(database)
        keys = await deployment_keys(settings, stores, clock, entropy, found=found)
        refusals = PostgresRefusals(database, clock)
        await refusals.reload()
        tally = AppendTally(clock)
        ledger = PostgresLedgerStore(database, clock, refusals, tally)
        if found:
            await keys.vault.tombstone_mac(b"")  # its key is there, and in backups, before anything is erased
            with suppress(LedgerRefused):  # it is there then, and closed
                await begin_system_ledger(ledger, keys.signing.signer, settings.deployment, clock)
        hasher = BcryptPasswords(keys.peppers, settings.identity.bcrypt_cost, threads=_password_threads())
        with closing(hasher) as passwords:
            async with Background(access_logger()) as background:
                refresh = RefreshKeys(keys=stores.ledger_keys, maker=keys.signing)
                background.every(_KEYS_S, refresh, at_end=False)
                background.every(_KEYS_S, RefreshDataKeys(stores.keks, keys.reload), at_end=False)
                parts = Parts(
                    database=database,
                    redis=redis,
                    outage=Outage(redis, clock),
                    keys=keys,
                    vault=keys.vault,
                    signer=keys.signing.signer,
                    sealed_keys=keys.signing,
                    ledger_keys=stores.ledger_keys,
                    clock=clock,
                    entropy=entropy,
                    principals=PrincipalCache(clock),
                    passwords=passwords,
                    background=background,
                    refusals=refusals,
                    tally=tally,
                )
                appliance = _appliance(settings, parts, ledger, await stores.ledger_keys.all())
                if found:
                    await seal_bare_hashes(appliance.accounts, parts.vault)
                yield appliance
    finally:
        await database.close()


def _appliance(settings: Settings, parts: Parts, ledger: PostgresLedgerStore, keys: Sequence[LedgerKey]) -> Appliance:
    others = RedisForgetting(parts.redis)

    async def forget(organization_id: UUID) -> None:
        parts.principals.forget(organization_id)  # here at once, whatever Redis does
        await others.forget(organization_id)

    once = _answer_once(parts, ledger)
    accounts = PostgresAccountStore(parts.database, parts.clock, forget, parts.vault.ready, parts.refusals)
    one_time = OneTimeTokens(**parts.common)
    anchors, checkpoints = PostgresAnchorStore(parts.database), PostgresCheckpointStore(parts.database)
    cosigned = ReadCosigned(anchors=anchors, checkpoints=checkpoints)
    found = FoundOrganization(
        passwords=parts.passwords, common=ZxcvbnPasswords(), deployment=settings.deployment, **parts.common
    )
    publish = PublishCheckpoints(
        ledger=ledger,
        checkpoints=checkpoints,
        prove=ProveLedger(ledger=ledger),
        signer=parts.signer,
        clock=parts.clock,
        log=access_logger(),
        guard=parts.refusals,
    )
    erasing = erasures(settings, parts, once)
    return Appliance(
        deployment=settings.deployment,
        accounts=accounts,
        ledger=ledger,
        create_organization=CreateOrganization(accounts=accounts, found=found),
        manage_organizations=ManageOrganizations(
            accounts=accounts, one_time=one_time, clock=parts.clock, entropy=parts.entropy
        ),
        set_up=SetUp(accounts=accounts, one_time=one_time),
        manage_keys=ManageKeys(accounts=accounts, once=once, **parts.common),
        keep_paperwork=keep_paperwork(settings, parts, accounts, ledger, VERSION),
        operate_users=operate_users(accounts, **parts.common),
        read_ledger=ReadLedger(ledger=ledger, signer=parts.signer, cosigned=cosigned, guard=parts.refusals),
        export_ledger=ExportLedger(
            ledger=ledger, prove=publish.prove, cosigned=cosigned, signer=parts.signer, **parts.common
        ),
        publish_checkpoints=publish,
        check_heads=CheckHeads(ledger=ledger, prove=publish.prove),
        rotate_keys=RotateKeys(
            keys=parts.ledger_keys,
            maker=parts.sealed_keys,
            signer=parts.signer,
            ledger=ledger,
            accounts=accounts,
            publish=publish,
            clock=parts.clock,
        ),
        read_timestamps=ReadTimestamps(anchors=anchors, checkpoints=checkpoints),
        anchors=anchors_state(settings.anchors, anchors, parts.clock),
        checks=ledger_checks(settings, parts, ledger, keys),
        erasures=erasing,
        holds=holds(parts, accounts, ledger, publish, erasing.erase),
        rotations=rotations_of(settings, parts, ledger, accounts),
        parts=parts,
    )


def _password_threads() -> int:
    """Half of the cores, at most four: the others go on deciding."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def _answer_once(parts: Parts, ledger: LedgerStore) -> AnswerOnce:
    running = RedisRunningRequests(parts.redis, parts.entropy, parts.outage)
    return AnswerOnce(ledger=ledger, running=running, vault=parts.vault, clock=parts.clock)
