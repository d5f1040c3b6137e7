"""RFC 3161 time stamps, where the package rfc3161-client can: like ML-DSA-44, nothing depends on it.

Without it a time stamp is reported as not checked, never as good or wrong.
"""

import importlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from governlayer_verifier.errors import FormatError, VerifierError
from governlayer_verifier.findings import shown

_PACKAGES = ("rfc3161_client", "cryptography.x509")
_SHA256 = "2.16.840.1.101.3.4.2.1"


class UnavailableError(VerifierError):
    """This Python cannot read time stamps; nothing was judged."""


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed time stamp: over which SHA-256 and, in UTC, when it says so. Nothing in it is verified yet."""

    imprint: bytes
    time: str
    _response: Any = field(repr=False, compare=False)

    def fault(self, certificates: tuple[Any, ...]) -> str | None:
        """Return why no authority of *certificates* made this (RFC 3161 §2.2, §2.3), None where one did."""
        package = importlib.import_module("rfc3161_client")
        try:
            package.VerifierBuilder(roots=list(certificates)).build().verify(self._response, self.imprint)
        except (package.VerificationError, ValueError) as error:
            return shown(error, 120)
        return None


@cache
def reason_unavailable() -> str | None:
    """Return why this Python cannot read time stamps, None where it can."""
    try:
        for name in _PACKAGES:
            importlib.import_module(name)
    except ImportError:
        return "a time stamp needs the package rfc3161-client, which is not installed"
    return None


def parse_token(content: bytes) -> Token:
    """
    Return the time stamp in *content*, a TimeStampResp in DER (RFC 3161 §2.4.2).

    Raises:
        FormatError: it is none, the authority refused, or its imprint is not a SHA-256.
        UnavailableError: no package here can read it.
    """
    package = _package(_PACKAGES[0])
    try:
        response = package.decode_timestamp_response(content)
        info = response.tst_info
        algorithm = info.message_imprint.hash_algorithm.dotted_string
        imprint, time = bytes(info.message_imprint.message), info.gen_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise FormatError(f"not an RFC 3161 time stamp in DER: {shown(error, 120)}") from None
    if algorithm != _SHA256:
        raise FormatError("the imprint of the time stamp is not a SHA-256")
    return Token(imprint, time, response)


def parse_certificates(pem: bytes) -> tuple[Any, ...]:
    """
    Return the certificates in *pem*.

    Raises:
        FormatError: there is none.
        UnavailableError: no package here can read them.
    """
    try:
        return tuple(_package(_PACKAGES[1]).load_pem_x509_certificates(pem))
    except ValueError:
        raise FormatError("no certificate in PEM") from None


def _package(name: str) -> Any:
    reason = reason_unavailable()
    if reason is not None:
        raise UnavailableError(reason)
    return importlib.import_module(name)
