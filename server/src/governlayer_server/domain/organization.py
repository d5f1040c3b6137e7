"""Organizations (tenants) and what they have chosen."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from governlayer_server.domain.plan import Plan

MIN_RETENTION_DAYS = 183
MAX_RETENTION_DAYS = 36_500
MAX_RETENTION_REASON_CHARACTERS = 100
RetentionDays = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_RETENTION_DAYS,
        description=f"1 to {MAX_RETENTION_DAYS}; under {MIN_RETENTION_DAYS} only with a `retention_reason`",
    ),
]
RetentionReason = Annotated[
    str,
    Meta(
        max_length=MAX_RETENTION_REASON_CHARACTERS,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 .,()/:;_§-]*(?![\s\S])",
        description="a reference to a law or contract, no names: letters, digits, spaces and . , ( ) / : ; _ § -",
    ),
]


class OnError(StrEnum):
    """What becomes of an action that could not be evaluated. There is one safe answer."""

    DENY = "deny"


class DefaultDecision(StrEnum):
    """What becomes of an action that no policy permits."""

    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"


class StorePayloads(StrEnum):
    """What is kept of the texts behind a record."""

    NONE = "none"
    REDACTED = "redacted"
    ENCRYPTED = "encrypted"


class Joining(StrEnum):
    """Whether people may join the organization by invitation."""

    INVITE = "invite"
    CLOSED = "closed"


class DataClassDays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many days payloads of a name are kept; null: for ``retention_days``."""

    arguments: RetentionDays | None = None
    content: RetentionDays | None = None
    context: RetentionDays | None = None
    findings: RetentionDays | None = None


class OrganizationSettings(Struct, frozen=True, kw_only=True):
    """
    What an organization has chosen.

    Attributes:
        retention_days: for how many days payloads are kept, 1 to 36,500, or None: until erased.
        retention: the same for payloads of a name, where it differs.
        retention_reason: why something is kept for less than 183 days; it stands in the ledger.
    """

    on_error: OnError = OnError.DENY
    default_decision: DefaultDecision = DefaultDecision.DENY
    retention_days: int | None = None
    retention: DataClassDays = DataClassDays()
    retention_reason: str | None = None
    store_payloads: StorePayloads = StorePayloads.ENCRYPTED
    registration: Joining = Joining.INVITE


class SettingsChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    New values for some of the settings; what is left out stays.

    ``retention_days`` null: payloads are kept until erased. ``retention`` is replaced as a whole.
    """

    on_error: OnError | UnsetType = UNSET
    default_decision: DefaultDecision | UnsetType = UNSET
    retention_days: RetentionDays | UnsetType | None = UNSET
    retention: DataClassDays | UnsetType = UNSET
    retention_reason: RetentionReason | UnsetType | None = UNSET
    store_payloads: StorePayloads | UnsetType = UNSET
    registration: Joining | UnsetType = UNSET

    def applied_to(self, settings: OrganizationSettings) -> OrganizationSettings:
        """Return *settings* with the new values."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not UNSET}
        return replace(settings, **given)


class Organization(Struct, frozen=True, kw_only=True):
    """An organization (tenant). Its id is also its ledger's id. A closed one lets nobody in, an erased one never."""

    id: UUID
    name: str
    plan: Plan
    created_us: int
    settings: OrganizationSettings = field(default_factory=OrganizationSettings)
    closed_us: int | None = None
    erased_us: int | None = None
