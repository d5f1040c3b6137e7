"""Seal payloads: commit to each, and encrypt nonce and text for storage apart from the record (ledger-v1 §6)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from governlayer_server.domain.errors import CipherError
from governlayer_server.domain.ledger.commitment import NONCE_BYTES, Payload, commitments
from governlayer_server.ports import Entropy, Place, Vault
from governlayer_server.ports.ledger import SealedPayload


async def seal_payloads(
    vault: Vault,
    entropy: Entropy,
    organization_id: UUID,
    record_id: UUID,
    texts: Mapping[str, str],
    subjects: Sequence[UUID] = (),
) -> tuple[tuple[SealedPayload, ...], Mapping[str, str]]:
    """
    Return the payloads as they are stored, and their commitments by name.

    Args:
        vault: encrypts.
        entropy: makes a fresh nonce for each payload.
        organization_id: whose data it is.
        record_id: the record that commits to them.
        texts: payload name to UTF-8 text of at most 1 MiB.
        subjects: ids of the keys of the data subjects that the record names.

    Raises:
        LedgerFormatError: a text is too long. Nothing is stored.
    """
    payloads = tuple(
        Payload(name=name, nonce=entropy.bytes(NONCE_BYTES), text=text) for name, text in sorted(texts.items())
    )
    committed = commitments(payloads)
    sealed = [
        SealedPayload(
            name=payload.name,
            sealed=await vault.seal(
                _place(organization_id, record_id, payload.name), payload.nonce + payload.text.encode(), subjects
            ),
        )
        for payload in payloads
    ]
    return tuple(sealed), committed


async def open_payload(vault: Vault, organization_id: UUID | None, record_id: UUID, stored: SealedPayload) -> Payload:
    """
    Return a stored payload with its nonce.

    Raises:
        CipherError: it is damaged, or was sealed for another record, name or organization.
    """
    opened = await vault.open(_place(organization_id, record_id, stored.name), stored.sealed)
    if len(opened) < NONCE_BYTES:
        raise CipherError("the payload is shorter than its nonce")
    return Payload(name=stored.name, nonce=opened[:NONCE_BYTES], text=opened[NONCE_BYTES:].decode())


def _place(organization_id: UUID | None, record_id: UUID, name: str) -> Place:
    return Place(organization_id=organization_id, table="ledger_payload", column="sealed", row=f"{record_id}/{name}")
