"""What tenants go by: an organization by its id, the deployment itself by a name. So do their ledgers."""

from uuid import UUID

SYSTEM_TENANT = "system"
SYSTEM_LEDGER = SYSTEM_TENANT


def tenant_name(organization_id: UUID | None) -> str:
    """Return the name of the organization, or of the deployment itself (None)."""
    return SYSTEM_TENANT if organization_id is None else str(organization_id)
