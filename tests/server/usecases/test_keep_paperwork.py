"""Papers come from what is stored, configured and supplied; what nobody supplied is left blank and said to be."""

from collections.abc import Mapping
from uuid import UUID

import msgspec
import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.organization import Organization, SettingsChange, StorePayloads
from governlayer_server.domain.paperwork import LogKeeping, ProcessingRecords, Recipient
from governlayer_server.domain.paperwork_pages import logs_page, records_page
from governlayer_server.domain.record_counts import TypeCount
from governlayer_server.domain.supplied_facts import OperatorFacts, OrganizationFacts, SuppliedFacts
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.count_records import CountRecords
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.usecases.new_id import new_id
from msgspec.structs import replace

from tests.fakes.appliance import FACTS, FakeAppliance, action, principal_of
from tests.fakes.people import add_user, principal_for
from tests.fakes.record_counts import MemoryRecordCounts

WHOLE = OrganizationFacts(
    name="Acme GmbH", contact="Main Street 1", representative="none needed", data_protection_officer="Dana",
    joint_controllers=(), purposes=("answering customers",), recipients=("tax office",), transfers=(),
    systems=("support bot: answers questions",),
)  # fmt: skip
OPERATOR = OperatorFacts(
    name="Hosting Ltd", contact="ops@example.com", representative="-", data_protection_officer="Olaf",
    measures=("staff is trained each year",),
)  # fmt: skip


@pytest.fixture
def appliance() -> FakeAppliance:
    return FakeAppliance()


@pytest.fixture
async def acme(appliance: FakeAppliance) -> Organization:
    return await appliance.start()


def supplied(appliance: FakeAppliance, organizations: Mapping[str, OrganizationFacts]) -> KeepPaperwork:
    return replace_keeper(appliance, supplied=SuppliedFacts(operator=OPERATOR, organization=organizations))


def replace_keeper(appliance: FakeAppliance, **changes: object) -> KeepPaperwork:
    return replace(appliance.keep_paperwork, **changes)


async def append(appliance: FakeAppliance, organization: Organization, record_type: str) -> None:
    draft = Draft(type=record_type, actor=SYSTEM, body={})
    record_id = new_id(appliance.clock, appliance.entropy)
    await appliance.ledger.append(Append(ledger_id=str(organization.id), record_id=record_id, draft=draft))


async def both(keep: KeepPaperwork, organization: Organization) -> tuple[ProcessingRecords, LogKeeping]:
    return await keep.processing_records(organization.id), await keep.log_keeping(organization.id)


async def test_what_the_ledger_holds_is_counted_now(appliance: FakeAppliance, acme: Organization) -> None:
    before, _ = await both(appliance.keep_paperwork, acme)
    for _ in range(3):
        appliance.clock.advance(1_000_000)
        await appliance.govern(principal_of(acme), action("hello"))
    for record_type in ("erasure", "retention", "retention", "a.new.type"):
        await append(appliance, acme, record_type)
    for paper in await both(appliance.keep_paperwork, acme):
        kinds = {one.type: one for one in paper.stored.by_type}
        assert paper.stored.records == before.stored.records + 7 == sum(one.count for one in kinds.values())
        assert (kinds["decision"].count, paper.stored.erasures, paper.stored.retentions) == (3, 1, 2)
        assert kinds["decision"].oldest_at < kinds["decision"].newest_at <= (paper.stored.newest_at or "")
        assert paper.stored.oldest_at == before.stored.oldest_at
        assert kinds["decision"].says == shipped_inventory().records["decision"]
        assert "does not know" in kinds["a.new.type"].says


async def test_settings_of_the_organization_are_those_of_now(appliance: FakeAppliance, acme: Organization) -> None:
    principal = principal_for(await add_user(appliance, acme, Role.ADMIN), acme)
    records, logs = await both(appliance.keep_paperwork, acme)
    assert (records.organization.retention_days, records.organization.store_payloads) == (None, StorePayloads.ENCRYPTED)
    assert "; until erased" in str(logs.kept)
    change = SettingsChange(retention_days=200, store_payloads=StorePayloads.NONE)
    await appliance.change_organization(principal, None, change)
    records, logs = await both(appliance.keep_paperwork, acme)
    assert (records.organization.retention_days, records.organization.store_payloads) == (200, StorePayloads.NONE)
    assert "200 days" in str(logs.kept)
    assert "no texts are kept" in str(logs.kept)
    assert "183 days" in str(logs.kept)


async def test_nothing_is_made_up_of_what_only_people_know(appliance: FakeAppliance, acme: Organization) -> None:
    records, logs = await both(appliance.keep_paperwork, acme)
    assert records.controller.name == "Acme"
    for value in (
        records.controller.contact, records.controller.representative, records.controller.data_protection_officer,
        records.processor.name, records.processor.contact, records.purposes, records.transfers,
        records.joint_controllers, records.other_recipients, logs.systems,
    ):  # fmt: skip
        assert value is None
    named = {one.member for one in (*records.to_supply, *logs.to_supply)}
    assert named == {
        "controller.contact", "controller.representative", "controller.data_protection_officer", "joint_controllers",
        "purposes", "other_recipients", "transfers", "processor.name", "processor.contact", "processor.representative",
        "processor.data_protection_officer", "systems",
    }  # fmt: skip
    assert records_page(records).count("**[to be supplied]**") == len(records.to_supply)
    assert logs_page(logs).count("**[to be supplied]**") == len(logs.to_supply) == 1
    for blank in records.to_supply:
        assert blank.member in records_page(records)
        assert blank.setting.startswith((f'[organization."{acme.id}"] ', "[operator] "))


@pytest.mark.parametrize("by", ["id", "name"])
async def test_what_was_supplied_is_in_the_papers(appliance: FakeAppliance, acme: Organization, by: str) -> None:
    keep = supplied(appliance, {str(getattr(acme, by)): WHOLE, "Other": OrganizationFacts(name="Other Ltd")})
    records, logs = await both(keep, acme)
    assert (records.to_supply, logs.to_supply) == ([], [])
    page = records_page(records) + logs_page(logs)
    for text in ("Acme GmbH", "Main Street 1", "Dana", "answering customers", "tax office", "support bot", "Olaf"):
        assert text in page
    assert "staff is trained each year" in page
    assert "**[to be supplied]**" not in page
    assert page.count("None.") == 2, "no joint controllers, no transfers"
    assert "Other Ltd" not in page


async def test_what_was_supplied_by_id_comes_before_what_has_the_name(
    appliance: FakeAppliance, acme: Organization
) -> None:
    other = OrganizationFacts(name="somebody of the same name")
    records, _ = await both(supplied(appliance, {str(acme.id): WHOLE, acme.name: other}), acme)
    assert records.controller.name == "Acme GmbH"


async def test_configuration_is_told_as_it_is(appliance: FakeAppliance, acme: Organization) -> None:
    records, logs = await both(appliance.keep_paperwork, acme)
    assert records.recipients == ()
    assert "none is configured" in str(logs.integrity)
    assert "the appliance makes none by itself" in str(records.measures)
    facts = replace(
        FACTS, key_provider="transit", bcrypt_cost=14, session_idle_minutes=30, anchors=("witness w1",),
        backups="every 6 hours",
        recipients=(Recipient(name="mail server mail.example.com", receives="e-mail addresses of members"),),
    )  # fmt: skip
    records, logs = await both(replace_keeper(appliance, facts=facts), acme)
    measures = " ".join(one.detail for one in records.measures)
    assert "makes none by itself" not in measures
    for text in ("`transit`", "every 6 hours", "cost 14", "after 30 minutes", "witness w1", *appliance.signer.vkeys):
        assert text in measures
    assert "none is configured" not in str(logs.integrity)
    assert "mail.example.com" in records_page(records)


async def test_the_keys_in_service_are_named_and_never_shown(appliance: FakeAppliance, acme: Organization) -> None:
    await appliance.govern(principal_of(acme), action("hello"))
    records, _ = await both(appliance.keep_paperwork, acme)
    assert (records.keys.key_provider, records.keys.key_encryption_key) == ("file", appliance.ring.active)
    assert records.keys.signing_keys == appliance.signer.vkeys
    own = await appliance.data_keys.data_keys(str(acme.id))
    assert [(one.number, one.state) for one in records.keys.data_keys] == [(one.number, one.state) for one in own]
    assert (1, "active") in [(one.number, one.state) for one in records.keys.data_keys]
    shown = records_page(records) + msgspec.json.encode(records).decode()
    assert appliance.ring.active in shown
    for key in own:
        assert key.wrapped.hex() not in shown


async def test_categories_are_the_personal_data_of_the_inventory(appliance: FakeAppliance, acme: Organization) -> None:
    records, _ = await both(appliance.keep_paperwork, acme)
    found = {(one.where, one.people): one for one in records.categories}
    people = shipped_inventory().people
    assert "e-mail address" in found["table app_user", people["member"]].data
    assert found["table ledger_payload", people["subject"]].data == ("the text, with the nonce of its commitment",)
    entries = [one for one in shipped_inventory().entries() if one.people]
    assert set(found) == {(f"{one.kind} {one.place}", one.people) for one in entries}
    for entry in entries:
        category = found[f"{entry.kind} {entry.place}", entry.people or ""]
        assert entry.what in category.data
        assert entry.stored in category.protection


async def test_no_paper_says_that_an_obligation_is_met(appliance: FakeAppliance, acme: Organization) -> None:
    for keep in (appliance.keep_paperwork, supplied(appliance, {acme.name: WHOLE})):
        records, logs = await both(keep, acme)
        texts = [
            records_page(records),
            logs_page(logs),
            *(msgspec.json.encode(one).decode() for one in (records, logs)),
        ]
        for text in texts:
            for word in ("complian", "complies", "conform", "fulfil", "guarantee"):
                assert word not in text.lower()
        assert texts[0].count("does not say whether any obligation is met") == 1


async def test_names_are_text_and_never_markup(appliance: FakeAppliance, acme: Organization) -> None:
    hostile = "# x\n\n| a | <script>alert(1)</script> [b](javascript:c) `d` **e** \\"
    keep = supplied(appliance, {acme.name: replace(WHOLE, name=hostile, purposes=(hostile,))})
    page = records_page((await both(keep, acme))[0])
    assert "<script>" not in page
    assert "\\[b\\](javascript" in page
    assert "\n| a" not in page
    assert "\n# x" not in page
    assert page.count("\n# ") + page.startswith("# ") == 1
    assert "\\# x \\| a \\| \\<script\\>" in page


async def test_an_organization_that_is_not_there_has_no_papers(appliance: FakeAppliance, acme: Organization) -> None:
    for write in (appliance.keep_paperwork.processing_records, appliance.keep_paperwork.log_keeping):
        with pytest.raises(NotFound):
            await write(UUID(int=1))


async def test_records_are_counted_once_and_in_pieces(appliance: FakeAppliance, acme: Organization) -> None:
    ledger_id, reads = str(acme.id), MemoryRecordCounts(appliance.ledger)
    count = CountRecords(appliance.ledger, reads, at_once=2)
    size = (await appliance.ledger.head(ledger_id)).size
    for _ in range(5 - size):
        await append(appliance, acme, "export")
    found = await count(ledger_id)
    assert sum(one.count for one in found.values()) == 5
    assert reads.read == [(0, 1), (2, 3), (4, 4)]
    assert await count(ledger_id) == found
    assert len(reads.read) == 3
    appliance.clock.advance(1)
    await append(appliance, acme, "export")
    after = await count(ledger_id)
    assert reads.read[3:] == [(5, 5)]
    assert after["export"] == TypeCount(
        type="export", count=found["export"].count + 1, oldest_us=found["export"].oldest_us,
        newest_us=appliance.clock.now_us(),
    )  # fmt: skip


async def test_a_count_that_was_given_up_goes_on_where_it_ended(appliance: FakeAppliance, acme: Organization) -> None:
    class Failing(MemoryRecordCounts):
        async def by_type(self, ledger_id: str, first: int, last: int) -> list[TypeCount]:
            found = list(await super().by_type(ledger_id, first, last))
            if self.read.count((first, last)) == 1 and first == 2:
                raise TimeoutError
            return found

    for _ in range(4):
        await append(appliance, acme, "export")
    reads = Failing(appliance.ledger)
    count = CountRecords(appliance.ledger, reads, at_once=2)
    with pytest.raises(TimeoutError):
        await count(str(acme.id))
    size = (await appliance.ledger.head(str(acme.id))).size
    assert sum(one.count for one in (await count(str(acme.id))).values()) == size
    assert reads.read[:3] == [(0, 1), (2, 3), (2, 3)]


async def test_a_ledger_that_was_set_back_is_counted_anew(appliance: FakeAppliance, acme: Organization) -> None:
    ledger_id = str(acme.id)
    count = CountRecords(appliance.ledger, MemoryRecordCounts(appliance.ledger))
    for _ in range(3):
        await append(appliance, acme, "export")
    await count(ledger_id)
    other = FakeAppliance()
    older = await other.start()
    count._known[str(older.id)] = count._known[ledger_id]
    count._ledger, count._counts = other.ledger, MemoryRecordCounts(other.ledger)
    assert "export" not in await count(str(older.id))
