"""Every table of tenants, and what binds its rows to the transaction's tenant: of all migrations."""

from governlayer_server.adapters.postgres.migrations import (
    m0002_access,
    m0005_tiles,
    m0006_checkpoints,
    m0007_anchors,
    m0008_refusals,
    m0009_data_keys,
    m0011_erasures,
    m0012_holds,
)

TENANT_TABLES = {
    **m0002_access.TENANT_TABLES,
    **m0005_tiles.TENANT_TABLES,
    **m0006_checkpoints.TENANT_TABLES,
    **m0007_anchors.TENANT_TABLES,
    **m0008_refusals.TENANT_TABLES,
    **m0009_data_keys.TENANT_TABLES,
    **m0011_erasures.TENANT_TABLES,
    **m0012_holds.TENANT_TABLES,
}
