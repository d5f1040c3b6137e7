"""What a replica needs to decide, and what it can do without."""

from typing import Final

#: Parts that may fail while decisions go on: without Redis each replica keeps to its share of the limits.
#: What records a decision is none of them.
DISPENSABLE: Final = ("redis",)
