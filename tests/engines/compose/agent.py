"""An agent: asks so many times, and prints each decision."""

import sys

from governlayer import GovernLayer

with GovernLayer(timeout_s=30) as client:
    for number in range(int(sys.argv[1])):
        decision = client.govern(
            stage="input", agent="support-bot", action="chat.receive", content=f"{sys.argv[2]} {number}"
        )
        print(decision.decision, flush=True)
