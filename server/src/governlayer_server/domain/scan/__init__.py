"""
Finding personal data, secrets and prompt injection in texts, and taking them out.

Pure and deterministic: the same texts and detector versions give the same findings on every machine. All
patterns run under RE2, in time linear in the text. Findings hold positions and types, never what was found.
"""

from governlayer_server.domain.scan.arguments import argument_texts, long_number, publishable, redact_arguments
from governlayer_server.domain.scan.detector import Detector, Match, UnknownDetectorError
from governlayer_server.domain.scan.finding import Finding, Severity
from governlayer_server.domain.scan.redact import redact
from governlayer_server.domain.scan.scanner import DETECTORS, ScanText, scan

__all__ = [
    "DETECTORS",
    "Detector",
    "Finding",
    "Match",
    "ScanText",
    "Severity",
    "UnknownDetectorError",
    "argument_texts",
    "long_number",
    "publishable",
    "redact",
    "redact_arguments",
    "scan",
]
