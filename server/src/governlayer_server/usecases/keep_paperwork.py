"""Papers from live data: records of processing, and the statement on logs."""

from collections.abc import Callable
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.appliance_facts import (
    NOT_COVERED,
    PROCESSING,
    ApplianceFacts,
    integrity,
    measures,
    readers,
    recording,
    time_limits,
)
from governlayer_server.domain.inventory import Inventory
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.paperwork import (
    LOGS_TITLE,
    RECORDS_TITLE,
    DataKey,
    LogKeeping,
    ProcessingRecords,
    ServingKeys,
)
from governlayer_server.domain.paperwork_parts import (
    about,
    blanks_of_logs,
    blanks_of_records,
    categories,
    party,
    stored,
)
from governlayer_server.domain.supplied_facts import SuppliedFacts
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Signers
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.data_keys import DataKeyStore
from governlayer_server.usecases.count_records import CountRecords


class KeepPaperwork(Struct, frozen=True, kw_only=True):
    """Writes papers about one organization. Nothing is stored. ``wrapping_key`` tells the id of the key that wraps."""

    accounts: AccountStore
    data_keys: DataKeyStore
    wrapping_key: Callable[[], str]
    count_records: CountRecords
    signer: Signers
    clock: Clock
    inventory: Inventory
    facts: ApplianceFacts
    supplied: SuppliedFacts

    async def processing_records(self, organization_id: UUID) -> ProcessingRecords:
        """
        Return the records of processing (GDPR Art. 30(1) and (2)).

        Raises:
            NotFound: there is no such organization.
            LedgerUnavailable: the database is away, or it is not known which keys sign.
        """
        organization = await self._organization(organization_id)
        ours, operator = self.supplied.of(organization), self.supplied.operator
        return ProcessingRecords(
            title=RECORDS_TITLE,
            generated_at=time_text(self.clock.now_us()),
            deployment=self.facts.deployment,
            version=self.facts.version,
            organization=about(organization),
            controller=party(ours, organization.name),
            joint_controllers=ours.joint_controllers,
            processor=party(operator),
            purposes=ours.purposes,
            processing=PROCESSING,
            categories=categories(self.inventory),
            recipients=self.facts.recipients,
            other_recipients=ours.recipients,
            transfers=ours.transfers,
            measures=measures(self.facts, self.signer.vkeys, operator.measures),
            keys=await self._keys(organization_id),
            stored=stored(self.inventory, await self.count_records(tenant_name(organization_id))),
            to_supply=blanks_of_records(organization, ours, operator),
        )

    async def log_keeping(self, organization_id: UUID) -> LogKeeping:
        """
        Return the statement on logs (AI Act Art. 12, 19 and 26(6)).

        Raises:
            NotFound: there is no such organization.
            LedgerUnavailable: the database is away, or it is not known which keys sign.
        """
        organization = await self._organization(organization_id)
        ours = self.supplied.of(organization)
        return LogKeeping(
            title=LOGS_TITLE,
            generated_at=time_text(self.clock.now_us()),
            deployment=self.facts.deployment,
            version=self.facts.version,
            organization=about(organization),
            systems=ours.systems,
            recording=recording(),
            stored=stored(self.inventory, await self.count_records(tenant_name(organization_id))),
            kept=time_limits(organization.settings),
            integrity=integrity(self.facts, self.signer.vkeys),
            access=readers(),
            not_covered=NOT_COVERED,
            to_supply=blanks_of_logs(organization, ours),
        )

    async def _keys(self, organization_id: UUID) -> ServingKeys:
        found = await self.data_keys.data_keys(tenant_name(organization_id))
        return ServingKeys(
            key_provider=self.facts.key_provider,
            key_encryption_key=self.wrapping_key(),
            data_keys=[DataKey(number=one.number, state=one.state.value) for one in found],
            signing_keys=self.signer.vkeys,
        )

    async def _organization(self, organization_id: UUID) -> Organization:
        async with self.accounts.tenant(organization_id) as tenant:
            return await tenant.organization()
