"""What only the people responsible know, and no paper can be without: it is written down by them, never made up."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from governlayer_server.domain.organization import Organization


class OperatorFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who runs the appliance; a processor where it serves others (GDPR Art. 30(2)(a)). None: not supplied."""

    name: str | None = None
    contact: str | None = None
    representative: str | None = None
    data_protection_officer: str | None = None
    measures: tuple[str, ...] = ()


class OrganizationFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What an organization says of itself as the controller (GDPR Art. 30(1)). None: not supplied; empty: there are none.

    Attributes:
        name: of the controller; the organization's name in the appliance if None.
        contact: address, e-mail.
        representative: of the controller, if it has one.
        data_protection_officer: with contact.
        joint_controllers: with contact.
        purposes: what it uses AI agents for.
        recipients: who else is shown the data.
        transfers: to third countries, each with its safeguards.
        systems: the AI systems that ask the appliance, with their intended purposes.
    """

    name: str | None = None
    contact: str | None = None
    representative: str | None = None
    data_protection_officer: str | None = None
    joint_controllers: tuple[str, ...] | None = None
    purposes: tuple[str, ...] | None = None
    recipients: tuple[str, ...] | None = None
    transfers: tuple[str, ...] | None = None
    systems: tuple[str, ...] | None = None


class SuppliedFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was supplied; organizations by id or by name."""

    operator: OperatorFacts = OperatorFacts()
    organization: Mapping[str, OrganizationFacts] = field(default_factory=dict)

    def of(self, organization: Organization) -> OrganizationFacts:
        """Return what was supplied for *organization*, under its id or else its name."""
        by_name = self.organization.get(organization.name, OrganizationFacts())
        return self.organization.get(str(organization.id), by_name)

    def unmatched(self, organizations: Iterable[Organization]) -> Sequence[str]:
        """Return the sections that are of none of *organizations*, neither by id nor by name."""
        known = {name for one in organizations for name in (str(one.id), one.name)}
        return [name for name in self.organization if name not in known]
