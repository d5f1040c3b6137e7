"""The web application over an opened appliance: use cases of the routes, figures, pages, and work in the background."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from governlayer_server.adapters.cedar.engine import CedarEngine
from governlayer_server.adapters.cedar.files import read_policies
from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.adapters.crypto.totp import Totp
from governlayer_server.adapters.logs.access import access_logger
from governlayer_server.adapters.mail.smtp import SmtpMailer
from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.adapters.postgres.deployment_store import PostgresPolicyStore
from governlayer_server.adapters.postgres.ledger_audit import PostgresLedgerAudit
from governlayer_server.adapters.redis.attempts import RedisSignInAttempts
from governlayer_server.adapters.redis.forgetting import RedisForgetting
from governlayer_server.adapters.redis.local_attempts import LocalSignInAttempts
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.console.account import account_routes
from governlayer_server.console.docs import docs_route
from governlayer_server.console.pages import Assets, static_route
from governlayer_server.domain.policy import PolicySet
from governlayer_server.domain.record_type import RecordType
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.sign_in import SignInAttempts
from governlayer_server.settings import Settings
from governlayer_server.usecases.accepted_restores import Restores
from governlayer_server.usecases.anchors_state import AnchorsState
from governlayer_server.usecases.answer_once import AnswerOnce
from governlayer_server.usecases.authenticate import Authenticate
from governlayer_server.usecases.change_organization import ChangeOrganization
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.create_organization import FoundOrganization
from governlayer_server.usecases.evaluate import Evaluate
from governlayer_server.usecases.export_ledger import ExportLedger
from governlayer_server.usecases.govern import Govern
from governlayer_server.usecases.identity import Credentials, Identity, Letters, make_identity
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.usecases.make_receipt import MakeReceipt
from governlayer_server.usecases.manage_keys import ManageKeys
from governlayer_server.usecases.manage_users import ManageUsers
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.usecases.read_tiles import ReadTiles
from governlayer_server.usecases.read_usage import ReadUsage
from governlayer_server.usecases.read_users import ReadUsers
from governlayer_server.usecases.record_heads import RecordHeads
from governlayer_server.usecases.register import Register
from governlayer_server.usecases.remove_stale import RemoveStale
from governlayer_server.usecases.throttle import Throttle
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.usecases.user_event import UserEvents
from governlayer_server.usecases.verify_ledger import VerifyLedger
from governlayer_server.web.app import Metrics, UseCases, create_app
from governlayer_server.web.kept_probes import KeptProbes
from governlayer_server.web.links import Links
from governlayer_server.web.observe import Observed
from governlayer_server.web.routes.health import Installation
from governlayer_server.wiring.anchors import show_anchors, start_anchors
from governlayer_server.wiring.erasures import Erasures
from governlayer_server.wiring.figures import (
    show_appends,
    show_backups,
    show_certificates,
    show_database,
    show_directories,
    show_publishing,
    show_states,
)
from governlayer_server.wiring.holds import Holds
from governlayer_server.wiring.parts import Parts
from governlayer_server.wiring.probes import probes_of
from governlayer_server.wiring.rotations import Rotations
from governlayer_server.wiring.scheduled_backups import ScheduledBackups

_USAGE_S, _FAILURES_S, _STALE_S, _CLOSED_S, _RETENTION_S = 5.0, 30.0, 3600.0, 5.0, 3600.0
_ROTATIONS_S = 30.0
_TILES_S, _CHECKPOINTS_S, _HEADS_S, _ERASURES_S = 1.0, 1.0, 60.0, 10.0
_PROMOTION_S = 5.0
_BACKUPS_S = 60.0
_TOMBSTONES_S = 5.0
Record = Callable[[RecordType, Mapping[str, object]], Awaitable[None]]


class Operations(Struct, frozen=True, kw_only=True):
    """What the opened appliance lends to its web application."""

    version: str
    accounts: AccountStore
    ledger: LedgerStore
    once: AnswerOnce
    manage_keys: ManageKeys
    keep_paperwork: KeepPaperwork
    read_ledger: ReadLedger
    export_ledger: ExportLedger
    publish_checkpoints: PublishCheckpoints
    anchors: AnchorsState
    restores: Restores
    record: Record
    rotations: Rotations
    erasures: Erasures
    holds: Holds
    found: FoundOrganization
    one_time: OneTimeTokens
    links: Links
    https: Path | None = None
    backups: ScheduledBackups | None = None


async def build_application(operations: Operations, parts: Parts, settings: Settings) -> tuple[Observed, PolicySet]:
    """
    Return the application and the policy set that is in force in it; its background work has begun.

    Raises:
        PolicyError: the policy set cannot be used.
    """
    engine = await _engine(operations, parts, settings)
    limit_requests = _limit_requests(parts, settings)
    installation = Installation(deployment=settings.deployment, version=operations.version)
    probes = KeptProbes(probes_of(operations.ledger, parts, limit_requests, operations.anchors), parts.clock)

    async def components() -> Mapping[str, bool]:
        return (await probes()).works

    figures = PrometheusMetrics(operations.version, components)
    show_states(figures, parts, limit_requests, operations.rotations)
    show_publishing(figures, operations.publish_checkpoints.state, parts.clock)
    show_appends(figures, parts.tally)
    show_database(figures, parts)
    show_directories(figures, parts, settings)
    show_certificates(figures, settings, operations.https)
    start_anchors(settings.anchors, operations.anchors, operations.ledger, parts, operations.restores)
    show_anchors(figures, operations.anchors)
    parts.background.every(_CLOSED_S, parts.refusals.reload, at_end=False)
    if (scheduled := operations.backups) is not None:
        show_backups(figures, scheduled)
        parts.background.every(_BACKUPS_S, scheduled, at_end=False)
        parts.background.every(_TOMBSTONES_S, scheduled.copy_tombstones, at_end=False)
    assets = Assets.shipped()
    app = create_app(
        _use_cases(operations, parts, settings, engine, limit_requests),
        installation,
        probes,
        parts.clock,
        parts.entropy,
        access_logger(),
        Metrics(measure=figures.measure, exposition=figures.exposition),
        settings.edge,
        [docs_route(assets), *account_routes(assets), static_route(assets)],
    )
    return app, engine.policy_set


def _use_cases(
    operations: Operations, parts: Parts, settings: Settings, engine: CedarEngine, limit_requests: LimitRequests
) -> UseCases:
    tokens, usage = parts.keys.tokens, CountUsage(operations.accounts, parts.clock)
    accounts, published = operations.accounts, operations.publish_checkpoints
    attempts = RedisSignInAttempts(parts.redis, LocalSignInAttempts(parts.clock), parts.outage)
    forgetting = RedisForgetting(parts.redis)
    parts.background.start(lambda: forgetting.listen(parts.principals.forget))
    parts.background.every(_USAGE_S, usage.flush)
    remove_stale = RemoveStale(accounts=accounts, clock=parts.clock, limits=settings.identity.sessions)
    parts.background.every(_STALE_S, remove_stale, at_end=False)
    parts.background.every(_TILES_S, TileLedger(ledger=operations.ledger, guard=parts.refusals), at_end=False)
    parts.background.every(_CHECKPOINTS_S, operations.publish_checkpoints)
    parts.background.every(_ROTATIONS_S, operations.rotations.jwt.retire_quietly, at_end=False)
    parts.background.every(_ROTATIONS_S, operations.rotations.unfinished.look, at_end=False)
    record_heads = RecordHeads(ledger=operations.ledger, accounts=accounts, clock=parts.clock)
    parts.background.every(_HEADS_S, record_heads, at_end=False)
    parts.background.every(_PROMOTION_S, parts.database.look_for_promotion, at_end=False)
    parts.background.every(_ERASURES_S, operations.erasures.finish_later, at_end=False)
    if settings.ledgers.retention_job:
        parts.background.every(_RETENTION_S, operations.holds.retention, at_end=False)
    return UseCases(
        authenticate=Authenticate(
            accounts=operations.accounts,
            vault=parts.vault,
            clock=parts.clock,
            tokens=tokens,
            cache=parts.principals,
            usage=usage,
            limits=settings.identity.sessions,
        ),
        limit_requests=limit_requests,
        govern=Govern(
            evaluate=Evaluate(engine=engine, clock=parts.clock),
            ledger=operations.ledger,
            running=operations.once.running,
            signer=parts.signer,
            **parts.common,
        ),
        manage_keys=operations.manage_keys,
        keep_paperwork=operations.keep_paperwork,
        erase=operations.erasures.erase,
        read_ledger=operations.read_ledger,
        export_ledger=operations.export_ledger,
        export_subject=operations.holds.export_subject,
        manage_holds=operations.holds.manage,
        prove_ledger=published.prove,
        make_receipt=MakeReceipt(
            prove=published.prove, checkpoints=published.checkpoints, signer=parts.signer, guard=parts.refusals
        ),
        read_tiles=ReadTiles(prove=published.prove),
        verify_ledger=VerifyLedger(
            audit=PostgresLedgerAudit(parts.database),
            prove=published.prove,
            checkpoints=published.checkpoints,
            clock=parts.clock,
        ),
        identity=_identity(operations, settings, parts, tokens, attempts),
        register=Register(
            accounts=accounts,
            found=operations.found,
            one_time=operations.one_time,
            registration=settings.identity.registration,
            throttle=Throttle(attempts=attempts, clock=parts.clock, entropy=parts.entropy),
            events=UserEvents(clock=parts.clock, entropy=parts.entropy),
        ),
        read_users=ReadUsers(accounts=accounts, vault=parts.vault),
        manage_users=ManageUsers(accounts=accounts, once=operations.once, one_time=operations.one_time, **parts.common),
        change_organization=ChangeOrganization(accounts=accounts, **parts.common),
        read_usage=ReadUsage(accounts=accounts, usage=usage, clock=parts.clock),
        links=operations.links,
    )


def _identity(
    operations: Operations, settings: Settings, parts: Parts, tokens: AccessTokens, attempts: SignInAttempts
) -> Identity:
    mail = settings.mail
    identity = make_identity(
        operations.accounts,
        parts.vault,
        parts.clock,
        parts.entropy,
        attempts,
        Credentials(
            passwords=parts.passwords,
            common=operations.found.common,
            codes=Totp(parts.entropy),
            tokens=tokens,
            lifetime_s=settings.identity.access_token_s,
            limits=settings.identity.sessions,
        ),
        Letters(
            mailer=None if mail is None else SmtpMailer(mail.server, mail.sender),
            public_url=settings.edge.public_url or "",
            later=parts.background.later,
        ),
    )
    parts.background.every(_FAILURES_S, identity.failures.flush_due, last=identity.failures.flush)
    return identity


def _limit_requests(parts: Parts, settings: Settings) -> LimitRequests:
    shared: Any = {
        "replicas": settings.limits.replicas,
        "timeout_us": settings.redis.timeout_ms * 1_000,
        "outage": parts.outage,
    }
    return LimitRequests(
        organizations=RedisQuotaStore(parts.redis, parts.clock, **shared),
        # Apart, so that a flood of addresses pushes no organization out of this replica's memory.
        addresses=RedisQuotaStore(parts.redis, parts.clock, **shared),
        address_limit=settings.limits.address_limit,
        enterprise_limit=settings.limits.enterprise_limit,
    )


async def _engine(operations: Operations, parts: Parts, settings: Settings) -> CedarEngine:
    parsed = read_policies(settings.policies)
    policies = PostgresPolicyStore(parts.database)
    number, fresh = await policies.version_of(parsed.hash, parsed.text, parts.clock.now_us())
    if fresh:
        await operations.record("policy.published", {"hash": parsed.hash, "version": number})
    return CedarEngine(parsed, number)
