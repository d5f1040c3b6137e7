"""What can go wrong, drawn as one tree; a ledger that fails a step is a finding, never an exception.

VerifierError
├── ArgumentError   what the user named is not usable (exit status 2)
├── InputError      the dump cannot be read at all (exit status 2)
└── FormatError     one piece of the input breaks its grammar (becomes a finding)
"""


class VerifierError(Exception):
    """Root of every error of this package."""


class ArgumentError(VerifierError, ValueError):
    """A key, checkpoint, receipt, origin or hash given by the user is malformed; nothing was verified."""


class InputError(VerifierError):
    """The dump cannot be read: missing, a directory, damaged compression, no way to decompress."""


class FormatError(VerifierError, ValueError):
    """A line, note, key or receipt breaks its grammar."""
