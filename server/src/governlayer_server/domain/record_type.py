"""The types of records that the appliance writes into ledgers."""

from typing import Literal, TypeAlias

# The type checker holds what is written to it, and a test the inventory.
RecordType: TypeAlias = Literal[
    "decision",
    "key.created",
    "key.rotated",
    "key.revoked",
    "user.created",
    "user.changed",
    "organization.changed",
    "policy.published",
    "export",
    "erasure",
    "legal_hold",
    "retention",
    "ledger.key",
    "ledger.heads",
    "system.started",
    "system.stopped",
    "secret.rotated",
    "restore",
]
