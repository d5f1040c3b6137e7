"""The use cases over stores in memory, with the real vault and the real signer."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from governlayer_server.adapters.crypto.access_tokens import AccessTokens
from governlayer_server.adapters.crypto.common_passwords import ZxcvbnPasswords
from governlayer_server.adapters.crypto.data_keys import DataKeys
from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.crypto.passwords import BcryptPasswords
from governlayer_server.adapters.crypto.peppers import Peppers
from governlayer_server.adapters.crypto.sealed_keys import SealedKeys
from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.totp import Totp
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.redis.local_attempts import LocalSignInAttempts
from governlayer_server.domain.access import Principal, Role, Scope
from governlayer_server.domain.account import Session, User
from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.appliance_facts import ApplianceFacts
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM, ActorKind
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.registration import Registration
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.supplied_facts import SuppliedFacts
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.ledger_keys import Algorithm, KeyState
from governlayer_server.usecases.answer_once import AnswerOnce
from governlayer_server.usecases.apply_retention import ApplyRetention
from governlayer_server.usecases.authenticate import Authenticate
from governlayer_server.usecases.change_organization import ChangeOrganization
from governlayer_server.usecases.count_records import CountRecords
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.create_organization import (
    CreateOrganization,
    FoundOrganization,
    origin_of,
)
from governlayer_server.usecases.erase import Erase
from governlayer_server.usecases.evaluate import Evaluate
from governlayer_server.usecases.export_ledger import ExportLedger
from governlayer_server.usecases.export_subject import ExportSubject
from governlayer_server.usecases.govern import Govern
from governlayer_server.usecases.identity import Credentials, Letters, make_identity, operate_users
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.usecases.make_receipt import MakeReceipt
from governlayer_server.usecases.manage_holds import ManageHolds
from governlayer_server.usecases.manage_keys import ManageKeys, NewKey
from governlayer_server.usecases.manage_organizations import ManageOrganizations
from governlayer_server.usecases.manage_users import ManageUsers
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.usecases.read_cosigned import ReadCosigned
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.usecases.read_tiles import ReadTiles
from governlayer_server.usecases.read_usage import ReadUsage
from governlayer_server.usecases.read_users import ReadUsers
from governlayer_server.usecases.register import Register
from governlayer_server.usecases.rotate_keys import RotateKeys
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.set_up import SetUp
from governlayer_server.usecases.throttle import Throttle
from governlayer_server.usecases.user_event import UserEvents
from governlayer_server.usecases.verify_ledger import VerifyLedger
from msgspec.structs import replace

from tests.fakes.account_store import MemoryAccountStore
from tests.fakes.anchors import MemoryAnchorStore
from tests.fakes.checkpoints import MemoryCheckpointStore
from tests.fakes.clock import FakeClock, FakeEntropy, WallClock
from tests.fakes.data_keys import MemoryDataKeys
from tests.fakes.erasures import MemoryErasures, MemoryTombstones
from tests.fakes.holds import MemoryHolds
from tests.fakes.identity import CountedPasswords, Later, MemoryMailer
from tests.fakes.ledger_audit import MemoryLedgerAudit
from tests.fakes.ledger_keys import MemoryLedgerKeyStore
from tests.fakes.ledger_store import MemoryLedgerStore
from tests.fakes.policy_engine import ScriptedEngine
from tests.fakes.quota_store import MemoryQuotaStore
from tests.fakes.record_counts import MemoryRecordCounts
from tests.fakes.running_requests import MemoryRunningRequests
from tests.fakes.turns import MemoryTurn

DEPLOYMENT = "gl.example.com"
KEK, PEPPER, SEED = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
JWT_SECRET = bytes(range(128, 192))
CHEAP_COST = 4
ADDRESS_LIMIT = 300
PUBLIC_URL = "https://gl.example.com"
FACTS = ApplianceFacts(
    deployment=DEPLOYMENT, version="0", key_provider="file", bcrypt_cost=CHEAP_COST, session_idle_minutes=480,
    session_hours=168,
)  # fmt: skip


@dataclass
class FakeAppliance:
    """Everything that wiring would build."""

    clock: FakeClock = field(default_factory=FakeClock)
    entropy: FakeEntropy = field(default_factory=FakeEntropy)
    engine: ScriptedEngine = field(default_factory=lambda: ScriptedEngine("allow"))
    data_keys: MemoryDataKeys = field(default_factory=MemoryDataKeys)
    running: MemoryRunningRequests = field(default_factory=MemoryRunningRequests)

    def __post_init__(self) -> None:
        self.quotas = MemoryQuotaStore(self.clock)
        self.addresses = MemoryQuotaStore(self.clock)
        self.limit_requests = LimitRequests(
            organizations=self.quotas, addresses=self.addresses, address_limit=ADDRESS_LIMIT
        )
        self.ledger = MemoryLedgerStore(self.clock, self.data_keys)
        self.accounts = MemoryAccountStore(self.ledger)
        self.ring, self.peppers = KeyRing("install", [KEK]), Peppers(PEPPER)
        self.vault = EnvelopeVault(
            install_id="install",
            ring=self.ring,
            peppers=self.peppers,
            keys=DataKeys(self.ring, self.data_keys, self.clock, self.entropy),
        )
        self.checkpoints = MemoryCheckpointStore(self.ledger)
        self.sealed_keys = SealedKeys(DEPLOYMENT, self.vault, self.clock, self.entropy)
        first = Ed25519Signer(DEPLOYMENT, SEED)
        self.ledger_keys = MemoryLedgerKeyStore(
            self.sealed_keys.stored(
                first.vkey, Algorithm.ED25519, self.sealed_keys.wrap(SEED), KeyState.ACTIVE, self.clock.now_us()
            )
        )
        self.signer = self.sealed_keys.signer
        self.signer.renew([first])
        self.passwords = CountedPasswords(BcryptPasswords(self.peppers, CHEAP_COST))
        self.attempts = LocalSignInAttempts(WallClock(self.clock))
        self.mailer, self.later, self.codes = MemoryMailer(), Later(), Totp(self.entropy)
        common: dict[str, Any] = {"vault": self.vault, "clock": self.clock, "entropy": self.entropy}
        self.govern = Govern(
            evaluate=Evaluate(engine=self.engine, clock=self.clock),
            ledger=self.ledger,
            running=self.running,
            signer=self.signer,
            **common,
        )
        self.one_time = OneTimeTokens(**common)
        self.found = FoundOrganization(
            passwords=self.passwords,
            common=ZxcvbnPasswords(),
            deployment=DEPLOYMENT,
            **common,
        )
        self.create_organization = CreateOrganization(accounts=self.accounts, found=self.found)
        self.set_up = SetUp(accounts=self.accounts, one_time=self.one_time)
        self.manage_organizations = ManageOrganizations(
            accounts=self.accounts, one_time=self.one_time, clock=self.clock, entropy=self.entropy
        )
        once = AnswerOnce(ledger=self.ledger, running=self.running, vault=self.vault, clock=self.clock)
        self.tombstones, self.erasures = MemoryTombstones(), MemoryErasures(self.ledger, self.data_keys, self.accounts)
        self.erase = Erase(
            store=self.erasures, tombstones=self.tombstones, once=once, signer=self.signer, **common,
        )  # fmt: skip
        self.turn = MemoryTurn()
        self.holds = MemoryHolds(self.erasures)
        self.manage_holds = ManageHolds(store=self.holds, ledgers=self.erasures, once=once, **common)
        self.apply_retention = ApplyRetention(
            accounts=self.accounts, store=self.holds, ledgers=self.erasures, turn=self.turn, clock=self.clock,
            entropy=self.entropy,
        )  # fmt: skip
        self.manage_users = ManageUsers(accounts=self.accounts, once=once, one_time=self.one_time, **common)
        self.read_users = ReadUsers(accounts=self.accounts, vault=self.vault)
        self.change_organization = ChangeOrganization(accounts=self.accounts, **common)
        self.manage_keys = ManageKeys(accounts=self.accounts, once=once, **common)
        self.cache = PrincipalCache(self.clock, life_us=0)
        self.tokens = AccessTokens(
            keys=[JWT_SECRET], issuer=DEPLOYMENT, audience=DEPLOYMENT + "/api", lifetime_s=900,
            clock=self.clock, entropy=self.entropy,
        )  # fmt: skip
        self.usage = CountUsage(self.accounts, self.clock)
        self.authenticate = Authenticate(
            accounts=self.accounts,
            vault=self.vault,
            clock=self.clock,
            tokens=self.tokens,
            cache=self.cache,
            usage=self.usage,
            limits=SessionLimits(),
        )
        self.read_usage = ReadUsage(accounts=self.accounts, usage=self.usage, clock=self.clock)
        self.prove_ledger = ProveLedger(ledger=self.ledger)
        self.anchors = MemoryAnchorStore(self.checkpoints)
        cosigned = ReadCosigned(anchors=self.anchors, checkpoints=self.checkpoints)
        self.read_ledger = ReadLedger(ledger=self.ledger, signer=self.signer, cosigned=cosigned)
        self.read_tiles = ReadTiles(prove=self.prove_ledger)
        self.ledger_audit = MemoryLedgerAudit(self.ledger)
        self.verify_ledger = VerifyLedger(
            audit=self.ledger_audit, prove=self.prove_ledger, checkpoints=self.checkpoints, clock=self.clock
        )
        self.make_receipt = MakeReceipt(prove=self.prove_ledger, checkpoints=self.checkpoints, signer=self.signer)
        self.export_subject = ExportSubject(
            ledger=self.ledger, ledgers=self.erasures, make_receipt=self.make_receipt, once=once, **common
        )
        self.export_ledger = ExportLedger(
            ledger=self.ledger, prove=self.prove_ledger, cosigned=cosigned, signer=self.signer, **common
        )
        self.publish_checkpoints = PublishCheckpoints(
            ledger=self.ledger, checkpoints=self.checkpoints, prove=self.prove_ledger,
            signer=self.signer, clock=self.clock, log=lambda *_, **__: None,
        )  # fmt: skip
        self.rotate_keys = RotateKeys(
            keys=self.ledger_keys, maker=self.sealed_keys, signer=self.signer, ledger=self.ledger,
            accounts=self.accounts, publish=self.publish_checkpoints, clock=self.clock,
        )  # fmt: skip

        self.keep_paperwork = KeepPaperwork(
            accounts=self.accounts, data_keys=self.data_keys, wrapping_key=lambda: self.ring.active,
            count_records=CountRecords(self.ledger, MemoryRecordCounts(self.ledger)),
            signer=self.signer, clock=self.clock, inventory=shipped_inventory(), facts=FACTS, supplied=SuppliedFacts(),
        )  # fmt: skip
        self.identity = make_identity(
            self.accounts, self.vault, self.clock, self.entropy, self.attempts,
            Credentials(
                passwords=self.passwords, common=ZxcvbnPasswords(), codes=self.codes, tokens=self.tokens,
                lifetime_s=900, limits=SessionLimits(),
            ),
            Letters(mailer=self.mailer, public_url=PUBLIC_URL, later=self.later),
        )  # fmt: skip
        self.operate_users = operate_users(self.accounts, **common)

    async def start(self, name: str = "Acme") -> Organization:
        """Make the system ledger and an organization."""
        await self.ledger.create(SYSTEM_LEDGER, None, origin_of(DEPLOYMENT, SYSTEM_LEDGER))
        return await self.create_organization(name, Plan.PRO, f"{name.lower()}@example.com", None)

    def register(self, registration: Registration = Registration.INVITE) -> Register:
        """The use case under the deployment's choice *registration*."""
        throttle = Throttle(attempts=self.attempts, clock=self.clock, entropy=self.entropy)
        return Register(
            accounts=self.accounts,
            found=self.found,
            one_time=self.one_time,
            registration=registration,
            throttle=throttle,
            events=UserEvents(clock=self.clock, entropy=self.entropy),
        )

    async def key_for(self, organization: Organization, *scopes: Scope) -> str:
        return (await self.new_key(organization, scopes=scopes or tuple(Scope))).key

    async def new_key(self, organization: Organization, **terms: Any) -> NewKey:
        """A key made by the operator."""
        named = KeyTerms(**{"name": "key", "scopes": [Scope.GOVERN], **terms})
        return await self.manage_keys.create(SYSTEM, organization.id, named)

    async def dump(self, organization_id: UUID, **options: Any) -> bytes:
        """The whole dump; its export is recorded."""
        export = await self.export_ledger(SYSTEM, organization_id, **options)
        return b"".join([line async for line in export.lines])


async def add_user(appliance: FakeAppliance, organization: Organization, role: Role) -> User:
    """An active member."""
    user_id = new_id(appliance.clock, appliance.entropy)
    user = User(
        id=user_id,
        organization_id=organization.id,
        role=role,
        email_sealed=b"sealed",
        email_index=user_id.bytes,
        password_hash=b"hash",
        created_us=appliance.clock.now_us(),
    )
    user = sealed(appliance.vault, user)
    async with appliance.accounts.tenant(organization.id) as tenant:
        await tenant.users.add(user)
    return user


async def token_of(appliance: FakeAppliance, user: User) -> str:
    """An access token of *user*, who has just signed in."""
    now_us = appliance.clock.now_us()
    session = Session(
        id=new_id(appliance.clock, appliance.entropy),
        organization_id=user.organization_id,
        user_id=user.id,
        created_us=now_us,
        seen_us=now_us,
        authenticated_us=now_us,
    )
    async with appliance.accounts.tenant(user.organization_id) as tenant:
        await tenant.sessions.add(sealed(appliance.vault, session))
    return appliance.tokens.issue(
        subject=user.id, organization_id=user.organization_id, role=user.role, session_id=session.id, now_us=now_us
    )


async def user_token(appliance: FakeAppliance, organization: Organization, role: Role) -> str:
    """An access token of a new member with *role*, who has just signed in."""
    return await token_of(appliance, await add_user(appliance, organization, role))


def principal_of(organization: Organization, **settings: Any) -> Principal:
    return Principal(
        kind=ActorKind.API_KEY,
        id="0198c5c0-7f00-7000-8000-00000000000a",
        organization_id=organization.id,
        plan=organization.plan,
        scopes=frozenset(Scope),
        settings=replace(organization.settings, **settings),
    )


def action(text: str | None = None, **members: Any) -> ActionRequest:
    """A question; *text* is the content of the user."""
    value: dict[str, Any] = {
        "stage": "model_request",
        "agent": {"id": "support-agent"},
        "action": {"name": "chat.complete"},
        **members,
    }
    if text is not None:
        value["content"] = [{"role": "user", "text": text}]
    return msgspec.convert(value, ActionRequest)
