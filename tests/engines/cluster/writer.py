"""
Asks for decisions without pause until it is told to stop: ``python writer.py URL CA STATE``, the API key on standard input.

Prints an empty line with the first answer, and one line of JSON at the end: how many were answered, which failed (the
SDK's own tries are used up then), the longest wait, and the id of each decision by its place on the ledger. Ends when
standard input does.
"""

import json
import ssl
import sys
import threading
import time
from typing import Any

from governlayer import GovernLayer
from governlayer.errors import GovernLayerError

_PAUSE_S = 0.02


def main() -> int:
    """Write until standard input ends; 1 if a question was not answered."""
    url, authority, state = sys.argv[1:]
    key = sys.stdin.readline().strip()
    told = threading.Event()
    threading.Thread(target=_wait_for_end, args=(told,), daemon=True).start()
    tls = ssl.create_default_context(cafile=authority)
    with GovernLayer(key, base_url=url, verify=tls, state_dir=state, timeout_s=10.0, on_unavailable="raise") as client:
        result = write(client, told)
    print(json.dumps(result))
    return 1 if result["failed"] else 0


def _wait_for_end(told: threading.Event) -> None:
    sys.stdin.read()
    told.set()


def write(client: GovernLayer, told: threading.Event) -> dict[str, Any]:
    """Return what happened until *told*."""
    decisions: dict[int, str] = {}
    failed: list[str] = []
    slowest_s = 0.0
    while not told.is_set():
        start_s = time.monotonic()
        try:
            decision = client.govern(stage="input", agent="writer", action="chat.receive", content="Hello")
            assert decision.ledger is not None
            if not decisions:
                print(flush=True)
            decisions[decision.ledger.seq] = decision.decision_id
        except GovernLayerError as error:
            failed.append(f"{type(error).__name__}: {error}")
        slowest_s = max(slowest_s, time.monotonic() - start_s)
        time.sleep(_PAUSE_S)
    return {"answered": len(decisions), "failed": failed, "slowest_s": round(slowest_s, 3), "decisions": decisions}


if __name__ == "__main__":
    sys.exit(main())
