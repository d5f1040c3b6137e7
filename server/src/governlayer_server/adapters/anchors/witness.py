"""A witness elsewhere, over HTTP: ``ports.anchors.Witness`` (c2sp.org/tlog-witness)."""

from governlayer_server.adapters.outgoing import OutgoingClient
from governlayer_server.domain.errors import NoteError
from governlayer_server.ports.anchors import WitnessAnswer


class HttpWitness:
    """
    Asks one witness.

    Args:
        client: of its URL.
    """

    def __init__(self, client: OutgoingClient) -> None:
        self._client = client

    async def add_checkpoint(self, body: str) -> WitnessAnswer:
        """
        Return its answer.

        Raises:
            Unavailable: it gave none in time.
            NoteError: its answer is no text.
        """
        status, answer = await self._client.post(
            "/add-checkpoint", body.encode(), {"content-type": "text/plain; charset=utf-8"}
        )
        try:
            return WitnessAnswer(status=status, text=answer.decode())
        except UnicodeDecodeError:
            raise NoteError("the answer of the witness is not UTF-8 text") from None
