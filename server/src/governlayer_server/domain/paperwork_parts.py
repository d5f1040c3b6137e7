"""Parts of papers that are made of the inventory, the counts and what was supplied."""

from collections.abc import Iterator, Mapping, Sequence

from governlayer_server.domain.inventory import Inventory
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.paperwork import Blank, Category, CountedType, OfOrganization, Party, Stored
from governlayer_server.domain.record_counts import TypeCount
from governlayer_server.domain.supplied_facts import OperatorFacts, OrganizationFacts
from governlayer_server.domain.times import time_text

_UNKNOWN = "a type that this version does not know"
_OF_PARTY = {
    "name": "name",
    "contact": "address and contact",
    "representative": "representative, if there is one",
    "data_protection_officer": "data protection officer with contact, if there is one",
}
_OF_ORGANIZATION = {
    "joint_controllers": "joint controllers with contact; [] if there are none",
    "purposes": "purposes of the processing",
    "recipients": "categories of other recipients; [] if there are none",
    "transfers": "transfers to third countries with safeguards; [] if there are none",
}
_OF_LOGS = {"systems": "the AI systems that ask the appliance, and what each is intended for"}


def about(organization: Organization) -> OfOrganization:
    """Return what papers say of *organization*."""
    return OfOrganization(
        id=str(organization.id),
        name=organization.name,
        since=time_text(organization.created_us),
        store_payloads=organization.settings.store_payloads,
        retention_days=organization.settings.retention_days,
        retention=organization.settings.retention,
        retention_reason=organization.settings.retention_reason,
    )


def party(facts: OperatorFacts | OrganizationFacts, name: str | None = None) -> Party:
    """Return who is responsible; *name* where none was supplied."""
    return Party(
        name=facts.name or name,
        contact=facts.contact,
        representative=facts.representative,
        data_protection_officer=facts.data_protection_officer,
    )


def categories(inventory: Inventory) -> Sequence[Category]:
    """Return the personal data that is kept, one entry for each place and kind of people."""
    found: dict[tuple[str, str], Category] = {}
    for entry in inventory.entries():
        if entry.people is None or entry.basis is None:
            continue
        where = f"{entry.kind} {entry.place}"
        before = found.get((where, entry.people))
        found[where, entry.people] = Category(
            where=where,
            people=entry.people,
            data=_with(before.data if before else (), entry.what),
            purpose=entry.purpose,
            proposed_basis=entry.basis,
            kept=entry.kept,
            protection=_with(before.protection if before else (), entry.stored),
            erased_by=entry.erased_by,
        )
    return list(found.values())


def _with(texts: Sequence[str], text: str) -> Sequence[str]:
    return texts if text in texts else (*texts, text)


def stored(inventory: Inventory, counts: Mapping[str, TypeCount]) -> Stored:
    """Return what a ledger with these *counts* holds."""
    every = counts.values()
    return Stored(
        records=sum(one.count for one in every),
        oldest_at=time_text(min(one.oldest_us for one in every)) if counts else None,
        newest_at=time_text(max(one.newest_us for one in every)) if counts else None,
        erasures=counts["erasure"].count if "erasure" in counts else 0,
        retentions=counts["retention"].count if "retention" in counts else 0,
        by_type=[
            CountedType(
                type=one.type,
                says=inventory.records.get(one.type, _UNKNOWN),
                count=one.count,
                oldest_at=time_text(one.oldest_us),
                newest_at=time_text(one.newest_us),
            )
            for one in every
        ],
    )


def blanks_of_records(organization: Organization, ours: OrganizationFacts, operator: OperatorFacts) -> Sequence[Blank]:
    """Return what is missing in the records of processing."""
    section = f'[organization."{organization.id}"]'
    return [
        *_blanks("controller.", _without(_OF_PARTY, "name"), ours, section),
        *_blanks("", _OF_ORGANIZATION, ours, section, {"recipients": "other_recipients"}),
        *_blanks("processor.", _OF_PARTY, operator, "[operator]"),
    ]


def blanks_of_logs(organization: Organization, ours: OrganizationFacts) -> Sequence[Blank]:
    """Return what is missing in the statement on logs."""
    return list(_blanks("", _OF_LOGS, ours, f'[organization."{organization.id}"]'))


def _blanks(
    prefix: str,
    wanted: Mapping[str, str],
    facts: OperatorFacts | OrganizationFacts,
    section: str,
    members: Mapping[str, str] | None = None,
) -> Iterator[Blank]:
    names = members or {}
    for name, what in wanted.items():
        if getattr(facts, name) is None:
            yield Blank(member=prefix + names.get(name, name), what=what, setting=f"{section} {name}")


def _without(texts: Mapping[str, str], name: str) -> Mapping[str, str]:
    return {key: text for key, text in texts.items() if key != name}
