"""Where S3-compatible storage is; apart from ``store_s3``, because loading boto3 takes long."""

from pathlib import Path

from msgspec import Struct

from governlayer_server.adapters.outgoing import checked_url


class S3Address(Struct, frozen=True, kw_only=True):
    """
    Where a bucket is, and who may use it. Neither key is in ``repr``.

    Attributes:
        endpoint: ``https://…``; plain HTTP for loopback only.
        bucket: its name; the endpoint's path names it, not its host.
        prefix: in front of all names; empty, or ends with ``/``.
        ca: certificates (PEM) that alone are trusted; None: the public authorities that botocore brings.
    """

    endpoint: str
    bucket: str
    prefix: str
    region: str
    access_key: str
    secret_key: str
    ca: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what would cross a network in the clear."""
        checked_url(self.endpoint)

    def __repr__(self) -> str:
        """No keys."""
        return f"S3Address({self.endpoint}, {self.bucket}/{self.prefix})"
