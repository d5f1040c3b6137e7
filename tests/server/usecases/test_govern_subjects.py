"""Govern: what names data subjects is readable as long as all of their keys are there, and recorded as naming them."""

from uuid import UUID

import pytest
from governlayer_server.domain.errors import CipherError, LedgerUnavailable
from governlayer_server.domain.organization import Organization, StorePayloads
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.seal_payloads import open_payload
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance, action, principal_of

ONCE = Once(key="request-1", body=b'{"the":"body"}')


def appended(appliance: FakeAppliance, organization: Organization) -> list[Append]:
    return [append for append, record in appliance.ledger.rows_of(str(organization.id)) if record.type == "decision"]


async def readable(appliance: FakeAppliance, organization: Organization, append: Append) -> list[bool]:
    results = []
    for payload in append.payloads:
        try:
            await open_payload(appliance.vault, organization.id, append.record_id, payload)
            results.append(True)
        except CipherError:
            results.append(False)
    return results


async def subject(appliance: FakeAppliance, organization: Organization, name: str) -> UUID:
    found = await appliance.vault.find_subject(organization.id, name)
    assert found is not None
    return found


async def test_a_decision_names_its_subjects_and_opens_with_all_of_their_keys(
    appliance: FakeAppliance, acme: Organization
) -> None:
    for names in (["ann", "bob"], ["bob"], []):
        await appliance.govern(principal_of(acme), action("hello", data_subjects=names), ONCE if not names else None)
    both, only_bob, nobody = appended(appliance, acme)
    ann, bob = [await subject(appliance, acme, name) for name in ("ann", "bob")]
    assert (set(both.subjects), only_bob.subjects, nobody.subjects) == ({ann, bob}, (bob,), ())
    appliance.data_keys.destroy(ann)
    appliance.vault.forget_subjects([ann])
    for append, opens in ((both, False), (only_bob, True), (nobody, True)):
        assert set(await readable(appliance, acme, append)) == {opens}


async def test_the_kept_answer_needs_the_keys_too(appliance: FakeAppliance, acme: Organization) -> None:
    request = action("hello", data_subjects=["ann"])
    await appliance.govern(principal_of(acme), request, ONCE)
    ann = await subject(appliance, acme, "ann")
    appliance.data_keys.destroy(ann)
    appliance.vault.forget_subjects([ann])
    with pytest.raises(CipherError):
        await appliance.govern(principal_of(acme), request, ONCE)


async def test_what_is_asked_while_a_subject_is_erased_is_new_data_under_a_new_key(
    appliance: FakeAppliance, acme: Organization
) -> None:
    await appliance.govern(principal_of(acme), action("before", data_subjects=["ann"]))
    destroyed = await subject(appliance, acme, "ann")
    appliance.data_keys.destroy(destroyed)  # by another process: this one still has the key in memory
    await appliance.govern(principal_of(acme), action("after", data_subjects=["ann"]))
    before, after = appended(appliance, acme)
    assert after.subjects == (await subject(appliance, acme, "ann"),)
    assert destroyed not in after.subjects
    assert not any(await readable(appliance, acme, before))
    assert all(await readable(appliance, acme, after))


async def test_no_decision_leaves_while_the_keys_cannot_be_kept(appliance: FakeAppliance, acme: Organization) -> None:
    real = appliance.data_keys.add_subject_keys

    async def destroyed_at_once(owner: str, keys: object, now_us: int) -> None:
        await real(owner, keys, now_us)  # type: ignore[arg-type]
        await appliance.vault.find_subject(acme.id, "ann")
        for mine in appliance.data_keys.of_subjects.values():
            mine.clear()

    appliance.data_keys.add_subject_keys = destroyed_at_once  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable):
        await appliance.govern(principal_of(acme), action("hello", data_subjects=["ann"]))
    assert appended(appliance, acme) == []


async def test_who_stores_nothing_names_nobody(appliance: FakeAppliance, acme: Organization) -> None:
    principal = principal_of(acme)
    settings = replace(principal.settings, store_payloads=StorePayloads.NONE)
    await appliance.govern(replace(principal, settings=settings), action("hello", data_subjects=["ann"]))
    (append,) = appended(appliance, acme)
    assert (append.subjects, append.payloads) == ((), ())
    assert await appliance.vault.find_subject(acme.id, "ann") is None
