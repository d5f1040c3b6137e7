"""Offline verifier of GovernLayer ledger dumps (ledger-v1).

Written from the specification alone; it shares no code with the server, needs nothing but the standard
library and never opens a network connection. ``verify`` returns a frozen ``Report``.
"""

from governlayer_verifier.errors import ArgumentError, InputError
from governlayer_verifier.report import Report, StepResult
from governlayer_verifier.verify import verify
from governlayer_verifier.version import __version__

__all__ = ["ArgumentError", "InputError", "Report", "StepResult", "__version__", "verify"]
