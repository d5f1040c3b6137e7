"""
What stands in the records of processing (GDPR Art. 30) and in the statement on logs (AI Act Art. 12, 19, 26(6)).

All of it is made of what is stored, configured and supplied. What was not supplied is null and listed in ``to_supply``.
Nothing here says whether an obligation is met: that is for people to judge.
"""

from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.domain.organization import DataClassDays, StorePayloads

RECORDS_TITLE = "Records of processing activities (GDPR Art. 30(1) and (2))"
LOGS_TITLE = "Record-keeping (AI Act Art. 12, 19 and 26(6))"


class OfOrganization(Struct, frozen=True, kw_only=True):
    """The organization that a paper is about, and the settings of it that matter here."""

    id: str
    name: str
    since: str
    store_payloads: StorePayloads
    retention_days: int | None
    retention: DataClassDays
    retention_reason: str | None


class Party(Struct, frozen=True, kw_only=True):
    """Who is responsible; null: not supplied."""

    name: str | None
    contact: str | None
    representative: str | None
    data_protection_officer: str | None


class Blank(Struct, frozen=True, kw_only=True):
    """Something that was not supplied: which member of the paper is null, what belongs there, where to write it."""

    member: str
    what: str
    setting: str


class Category(Struct, frozen=True, kw_only=True):
    """Personal data of one kind of people in one place (Art. 30(1)(c) and (f)); the basis is a proposal."""

    where: str
    people: str
    data: Sequence[str]
    purpose: str
    proposed_basis: str
    kept: str
    protection: Sequence[str]
    erased_by: str


class Recipient(Struct, frozen=True, kw_only=True):
    """Who gets something from the appliance, because the operator configured it (Art. 30(1)(d))."""

    name: str
    receives: str


class Measure(Struct, frozen=True, kw_only=True):
    """A technical or organizational measure (Art. 30(1)(g), Art. 32(1)), or another fact about the appliance."""

    name: str
    detail: str


class DataKey(Struct, frozen=True, kw_only=True):
    """A key of the organization: its number, and what it is for (active, retiring, or index)."""

    number: int
    state: str


class ServingKeys(Struct, frozen=True, kw_only=True):
    """The keys in service: which one wraps and who hands it over, the organization's own, those that sign."""

    key_provider: str
    key_encryption_key: str
    data_keys: Sequence[DataKey]
    signing_keys: Sequence[str]


class CountedType(Struct, frozen=True, kw_only=True):
    """How many records of one type there are, what they say, and the times of the oldest and the newest."""

    type: str
    says: str
    count: int
    oldest_at: str
    newest_at: str


class Stored(Struct, frozen=True, kw_only=True):
    """What the ledger of the organization holds now; ``erasures`` and ``retentions`` destroyed payloads."""

    records: int
    oldest_at: str | None
    newest_at: str | None
    erasures: int
    retentions: int
    by_type: Sequence[CountedType]


class ProcessingRecords(Struct, frozen=True, kw_only=True):
    """The records of processing: of the organization as controller, and of the operator as its processor."""

    title: str
    generated_at: str
    deployment: str
    version: str
    organization: OfOrganization
    controller: Party
    joint_controllers: Sequence[str] | None
    processor: Party
    purposes: Sequence[str] | None
    processing: Sequence[str]
    categories: Sequence[Category]
    recipients: Sequence[Recipient]
    other_recipients: Sequence[str] | None
    transfers: Sequence[str] | None
    measures: Sequence[Measure]
    keys: ServingKeys
    stored: Stored
    to_supply: Sequence[Blank]


class LogKeeping(Struct, frozen=True, kw_only=True):
    """The statement on logs: which events are recorded, for how long, how they are kept from change, who reads them."""

    title: str
    generated_at: str
    deployment: str
    version: str
    organization: OfOrganization
    systems: Sequence[str] | None
    recording: Sequence[Measure]
    stored: Stored
    kept: Sequence[Measure]
    integrity: Sequence[Measure]
    access: Sequence[Measure]
    not_covered: Sequence[str]
    to_supply: Sequence[Blank]
