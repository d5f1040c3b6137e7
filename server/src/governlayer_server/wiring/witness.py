"""A witness, opened: what ``governlayer ledger witness`` serves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.logs.access import access_logger
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.adapters.witness.home import open_witness
from governlayer_server.domain.ledger.note import VerifierKey
from governlayer_server.usecases.witness_checkpoint import WitnessCheckpoint
from governlayer_server.web.observe import Observed
from governlayer_server.web.witness import create_witness_app


@contextmanager
def opened_witness(
    directory: Path, name: str | None, logs: Sequence[VerifierKey]
) -> Iterator[tuple[WitnessCheckpoint, Observed]]:
    """
    Open the witness in *directory* that trusts *logs*, and its web application.

    Raises:
        ConfigurationError: its directory cannot be used (``adapters/witness/home.py``).
    """
    clock, entropy = SystemClock(), SystemEntropy()
    with open_witness(directory, name, entropy) as (state, signer):
        witness = WitnessCheckpoint(logs=logs, state=state, signer=signer, verify=verify_ed25519, clock=clock)
        yield witness, create_witness_app(witness, clock, entropy, access_logger())
