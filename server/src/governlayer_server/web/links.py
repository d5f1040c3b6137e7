"""Links that are handed out: a one-time token stands behind ``#``, so that no server and no proxy logs it."""

from msgspec import Struct


class Links(Struct, frozen=True):
    """Links below *url*, where people reach the appliance: scheme, host and port."""

    url: str

    def setup(self, token: str) -> str:
        """Return where an organization is founded with *token*."""
        return f"{self.url}/setup#invite={token}"

    def join(self, token: str) -> str:
        """Return where an invitation to an organization is taken up."""
        return f"{self.url}/join#invite={token}"
