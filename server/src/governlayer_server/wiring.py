"""Builds the adapters, hands them to the use cases, returns the application. The only file that knows everything."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from msgspec import Struct

from governlayer_server.adapters.cedar.engine import CedarEngine
from governlayer_server.adapters.cedar.files import read_policies
from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.adapters.crypto.passwords import BcryptPasswords
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.crypto.xaes import KEY_BYTES
from governlayer_server.adapters.logs.access import access_logger
from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.adapters.postgres.account_store import PostgresAccountStore
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.deployment_store import (
    DeploymentRow,
    PostgresDeploymentStore,
    PostgresPolicyStore,
)
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.postgres.migrate import pending_migrations
from governlayer_server.adapters.redis.connect import AnyRedis, connect_redis
from governlayer_server.adapters.redis.forgetting import RedisForgetting
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.redis.running_requests import RedisRunningRequests, redis_answers
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.console.docs import docs_route
from governlayer_server.console.pages import Assets, static_route
from governlayer_server.domain.errors import CipherError, ConfigurationError, GovernLayerError
from governlayer_server.domain.ledger.checkpoint import verifier_key
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.policy import PolicySet
from governlayer_server.domain.quota import Mode
from governlayer_server.ports import LedgerStore
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.settings import Settings
from governlayer_server.usecases.authenticate import Authenticate
from governlayer_server.usecases.change_organization import ChangeOrganization
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.create_key import CreateKey
from governlayer_server.usecases.create_organization import (
    SYSTEM_LEDGER,
    CreateOrganization,
    FoundOrganization,
    origin_of,
)
from governlayer_server.usecases.evaluate import Evaluate
from governlayer_server.usecases.export_ledger import ExportLedger
from governlayer_server.usecases.govern import Govern
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.usecases.manage_organizations import ManageOrganizations
from governlayer_server.usecases.manage_users import ManageUsers
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.usecases.read_usage import ReadUsage
from governlayer_server.usecases.read_users import ReadUsers
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.register import Register
from governlayer_server.usecases.set_up import SetUp
from governlayer_server.web.app import Metrics, UseCases, create_app
from governlayer_server.web.links import Links
from governlayer_server.web.observe import Observed
from governlayer_server.web.routes.health import About, Readiness

VERSION = version("governlayer-server")
_PROBE_S = 3.0


class Appliance(Struct, frozen=True, kw_only=True):
    """An opened appliance: what the command line and the web server may call."""

    deployment: str
    accounts: AccountStore
    ledger: LedgerStore
    create_organization: CreateOrganization
    manage_organizations: ManageOrganizations
    set_up: SetUp
    create_key: CreateKey
    read_ledger: ReadLedger
    export_ledger: ExportLedger
    _parts: "_Parts"

    async def record_event(self, record_type: str, body: Mapping[str, object]) -> None:
        """Append a record of the deployment itself to the system ledger."""
        await _record(self._parts, self.ledger, record_type, body)

    async def application(self, settings: Settings, links: Links) -> Observed:
        """
        Return the web application under the policy set in ``settings.policies``; the start is recorded with it.

        Args:
            settings: of this appliance.
            links: where people reach it.

        Raises:
            PolicyError: the policy set cannot be used. Nothing is served.
        """
        application, policy_set = await _application(self, self._parts, settings, links)
        in_force = {"hash": policy_set.hash, "version": policy_set.version}
        await self.record_event("system.started", {"policy_set": in_force, "version": VERSION})
        return application


class _Parts(Struct, frozen=True, kw_only=True):
    database: Database
    redis: AnyRedis
    vault: EnvelopeVault
    signer: Ed25519Signer
    clock: SystemClock
    entropy: SystemEntropy
    principals: PrincipalCache


@asynccontextmanager
async def open_appliance(settings: Settings) -> AsyncIterator[Appliance]:
    """
    Open the appliance that *settings* name; its database must have been migrated.

    Raises:
        LedgerUnavailable: PostgreSQL is away.
        ConfigurationError: migrations are missing, or the keys or the name belong to another installation.
    """
    database = await connect(settings.database)
    redis = connect_redis(settings.redis)
    try:
        if pending := await pending_migrations():
            raise ConfigurationError(f"{len(pending)} migrations have not been applied: run `governlayer migrate`")
        await database.require_bound_role()
        clock, entropy = SystemClock(), SystemEntropy()
        deployments = PostgresDeploymentStore(database)
        vault, signer = await _keys(settings, deployments, clock, entropy)
        parts = _Parts(
            database=database,
            redis=redis,
            vault=vault,
            signer=signer,
            clock=clock,
            entropy=entropy,
            principals=PrincipalCache(clock),
        )
        ledger = PostgresLedgerStore(database, clock)
        await ledger.create(SYSTEM_LEDGER, None, origin_of(settings.deployment, SYSTEM_LEDGER))
        if not (await ledger.head(SYSTEM_LEDGER)).size:
            key = verifier_key(signer.name, signer.public_key)
            await _record(parts, ledger, "ledger.key", {"event": "introduced", "vkey": key})
        yield _appliance(settings, parts, ledger)
    finally:
        await redis.aclose()
        await database.close()


def _appliance(settings: Settings, parts: _Parts, ledger: PostgresLedgerStore) -> Appliance:
    accounts = PostgresAccountStore(parts.database, parts.clock, RedisForgetting(parts.redis).forget)
    common: dict[str, Any] = {"vault": parts.vault, "clock": parts.clock, "entropy": parts.entropy}
    one_time = OneTimeTokens(**common)
    found = FoundOrganization(
        passwords=BcryptPasswords(settings.pepper, settings.identity.bcrypt_cost),
        common=ZxcvbnPasswords(),
        deployment=settings.deployment,
        **common,
    )
    return Appliance(
        deployment=settings.deployment,
        accounts=accounts,
        ledger=ledger,
        create_organization=CreateOrganization(accounts=accounts, found=found),
        manage_organizations=ManageOrganizations(
            accounts=accounts, one_time=one_time, clock=parts.clock, entropy=parts.entropy
        ),
        set_up=SetUp(accounts=accounts, one_time=one_time),
        create_key=CreateKey(accounts=accounts, **common),
        read_ledger=ReadLedger(ledger=ledger, signer=parts.signer),
        export_ledger=ExportLedger(ledger=ledger, signer=parts.signer, **common),
        _parts=parts,
    )


async def _application(
    appliance: Appliance, parts: _Parts, settings: Settings, links: Links
) -> tuple[Observed, PolicySet]:
    accounts = appliance.accounts
    usage = CountUsage(accounts, parts.clock)
    common: dict[str, Any] = {"vault": parts.vault, "clock": parts.clock, "entropy": parts.entropy}
    engine = await _engine(appliance, parts, settings)
    limit_requests = _limit_requests(parts, settings)
    use_cases = UseCases(
        authenticate=Authenticate(
            accounts=appliance.accounts,
            vault=parts.vault,
            clock=parts.clock,
            tokens=_access_tokens(settings, parts),
            cache=parts.principals,
            usage=usage,
            limits=settings.identity.sessions,
        ),
        limit_requests=limit_requests,
        govern=Govern(
            evaluate=Evaluate(engine=engine, clock=parts.clock),
            ledger=appliance.ledger,
            running=RedisRunningRequests(parts.redis, parts.entropy),
            vault=parts.vault,
            signer=parts.signer,
            clock=parts.clock,
            entropy=parts.entropy,
        ),
        read_ledger=appliance.read_ledger,
        export_ledger=appliance.export_ledger,
        register=Register(
            accounts=accounts,
            found=appliance.create_organization.found,
            one_time=appliance.set_up.one_time,
            registration=settings.identity.registration,
        ),
        read_users=ReadUsers(accounts=accounts, vault=parts.vault),
        manage_users=ManageUsers(accounts=accounts, one_time=appliance.set_up.one_time, **common),
        change_organization=ChangeOrganization(accounts=accounts, **common),
        read_usage=ReadUsage(accounts=accounts, usage=usage, clock=parts.clock),
        links=links,
    )
    about = About(
        deployment=settings.deployment,
        version=VERSION,
        ledger_keys=[verifier_key(parts.signer.name, parts.signer.public_key)],
    )

    async def probes() -> Readiness:
        asked = {
            "ledger": _ledger_answers(appliance.ledger),
            "migrations": _migrated(),
            "postgresql": parts.database.answers(),
            "redis": redis_answers(parts.redis),
        }
        works = dict(zip(asked, await asyncio.gather(*map(_in_time, asked.values())), strict=True))
        local = limit_requests.mode is Mode.LOCAL or not works["redis"]
        return Readiness(works, ("rate_limits",) if local else ())

    async def components() -> Mapping[str, bool]:
        return (await probes()).works

    figures = PrometheusMetrics(VERSION, components)
    figures.gauge(
        "rate_limits_local",
        "1 while this replica limits requests by itself, because Redis is away; 0 while all replicas share the counts.",
        lambda: float(limit_requests.mode is Mode.LOCAL),
    )
    assets = Assets.shipped()
    app = create_app(
        use_cases,
        about,
        probes,
        parts.clock,
        parts.entropy,
        access_logger(),
        Metrics(measure=figures.measure, exposition=figures.exposition),
        settings.edge,
        [docs_route(assets), static_route(assets)],
    )
    return app, engine.policy_set


def _access_tokens(settings: Settings, parts: _Parts) -> AccessTokens:
    return AccessTokens(
        keys=settings.identity.jwt_secrets,
        issuer=settings.deployment,
        audience=f"{settings.deployment}/api",
        lifetime_s=settings.identity.access_token_s,
        clock=parts.clock,
        entropy=parts.entropy,
    )


def _limit_requests(parts: _Parts, settings: Settings) -> LimitRequests:
    return LimitRequests(
        organizations=RedisQuotaStore(parts.redis, parts.clock, replicas=settings.replicas),
        # Apart, so that a flood of addresses pushes no organization out of this replica's memory.
        addresses=RedisQuotaStore(parts.redis, parts.clock, replicas=settings.replicas),
        address_limit=settings.address_limit,
        enterprise_limit=settings.enterprise_limit,
    )


async def _engine(appliance: Appliance, parts: _Parts, settings: Settings) -> CedarEngine:
    parsed = read_policies(settings.policies)
    policies = PostgresPolicyStore(parts.database)
    number, fresh = await policies.version_of(parsed.hash, parsed.text, parts.clock.now_us())
    if fresh:
        await appliance.record_event("policy.published", {"hash": parsed.hash, "version": number})
    return CedarEngine(parsed, number)


async def _keys(
    settings: Settings, deployments: PostgresDeploymentStore, clock: SystemClock, entropy: SystemEntropy
) -> tuple[EnvelopeVault, Ed25519Signer]:
    """Read the deployment's keys, or found the deployment."""
    row = await deployments.read()
    if row is None:
        row = await deployments.found(_new_deployment(settings, clock, entropy))
    if row.name != settings.deployment:
        raise ConfigurationError(
            f"this database belongs to the deployment {row.name}; a deployment never changes its name"
        )
    vault = _vault(settings, row.install_id, deployments, entropy)
    try:
        signer = Ed25519Signer(row.name, vault.unwrap(_signing_key(vault), row.wrapped_seed))
    except CipherError:
        raise ConfigurationError("the key-encryption key or the pepper is not the one of this installation") from None
    return vault, signer


def _signing_key(vault: EnvelopeVault) -> str:
    """What the signing key is wrapped for: this pepper too, because with another one no credential would be known."""
    return f"ledger-signing-key/{vault.fingerprint('pepper', b'').hex()}"


def _new_deployment(settings: Settings, clock: SystemClock, entropy: SystemEntropy) -> DeploymentRow:
    now_us = clock.now_us()
    install_id = str(new_id(clock, entropy))
    seed = entropy.bytes(KEY_BYTES)
    vault = _vault(settings, install_id, None, entropy)
    return DeploymentRow(
        install_id=install_id,
        name=settings.deployment,
        wrapped_seed=vault.wrap(_signing_key(vault), seed),
        public_key=Ed25519Signer(settings.deployment, seed).public_key,
        created_us=now_us,
    )


def _vault(
    settings: Settings, install_id: str, deployments: PostgresDeploymentStore | None, entropy: SystemEntropy
) -> EnvelopeVault:
    async def no_data_keys(*_: object) -> bytes:
        raise ConfigurationError("the deployment has not been founded")

    return EnvelopeVault(
        install_id=install_id,
        key_encryption_key=settings.key_encryption_key,
        pepper=settings.pepper,
        keys=no_data_keys if deployments is None else deployments.data_key,
        entropy=entropy,
    )


async def _record(parts: _Parts, ledger: LedgerStore, record_type: str, body: Mapping[str, object]) -> None:
    await record_event(ledger, parts.clock, parts.entropy, SYSTEM_LEDGER, SYSTEM, record_type, body)


async def _ledger_answers(ledger: LedgerStore) -> bool:
    try:
        await ledger.head(SYSTEM_LEDGER)
    except GovernLayerError:
        return False
    return True


async def _in_time(probe: Coroutine[Any, Any, bool]) -> bool:
    try:
        async with asyncio.timeout(_PROBE_S):
            return await probe
    except TimeoutError:
        return False


async def _migrated() -> bool:
    try:
        return not await pending_migrations()
    except GovernLayerError:
        return False
