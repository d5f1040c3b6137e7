"""Who may found an organization over the API (API contract §2)."""

from enum import StrEnum


class Registration(StrEnum):
    """The deployment's choice; people join an organization that exists by its own invitations, whatever this says."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"
