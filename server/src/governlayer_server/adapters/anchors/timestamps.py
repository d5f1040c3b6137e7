"""A time stamp authority over HTTP: ``ports.anchors.TimestampAuthority`` (RFC 3161 §3.4)."""

from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from governlayer_server.adapters.outgoing import OutgoingClient
from governlayer_server.domain.errors import ConfigurationError, NoteError, Unavailable
from governlayer_server.domain.times import SECOND_US

_HEADERS = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}


class HttpTimestampAuthority:
    """
    Asks one authority, and verifies what it says: its certificate chain, the nonce and the hash.

    Args:
        client: of its URL.
        roots: file of the certificates (PEM) that its stamps must lead to.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """

    def __init__(self, client: OutgoingClient, roots: Path) -> None:
        self._client = client
        try:
            self._roots = x509.load_pem_x509_certificates(roots.read_bytes())
        except (OSError, ValueError):
            raise ConfigurationError(f"{roots} holds no certificate of a time stamp authority (PEM)") from None

    async def stamp(self, data: bytes) -> tuple[bytes, int]:
        """
        Return the verified answer for the SHA-256 of *data*, DER, and the time in it in microseconds.

        Raises:
            Unavailable: there was none in time.
            NoteError: it does not verify.
        """
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        status, answer = await self._client.post("", request.as_bytes(), _HEADERS)
        if status != 200:
            raise Unavailable("the authority does not answer as it should")
        verifier = VerifierBuilder.from_request(request)
        for root in self._roots:
            verifier = verifier.add_root_certificate(root)
        try:
            found = decode_timestamp_response(answer)
            verifier.build().verify_message(found, data)
        except (VerificationError, ValueError):
            raise NoteError("the time stamp does not verify") from None
        return answer, round(found.tst_info.gen_time.timestamp() * SECOND_US)
