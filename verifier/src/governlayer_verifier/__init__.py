"""Offline verifier of GovernLayer ledger dumps (ledger-v1).

Written from the specification alone; it shares no code with the server, needs nothing but the standard
library and never opens a network connection. ``verify`` returns a frozen ``Report``.
"""

from governlayer_verifier.errors import ArgumentError, InputError
from governlayer_verifier.report import Report, StepResult
from governlayer_verifier.verify import verify

__version__ = "0.1.0"
__all__ = ["ArgumentError", "InputError", "Report", "StepResult", "__version__", "verify"]
