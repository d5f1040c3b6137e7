"""What the user asks for: keys, origin, checkpoints and receipts to hold the ledger against, and how to go about it."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from governlayer_verifier.certificate import Certificate, parse_certificate
from governlayer_verifier.chain import is_hex_hash, is_origin
from governlayer_verifier.errors import ArgumentError, FormatError
from governlayer_verifier.note import Checkpoint, VerifierKey, parse_checkpoint, parse_log_key
from governlayer_verifier.policy import Policy, parse_policy
from governlayer_verifier.receipt import Receipt, parse_receipt
from governlayer_verifier.timestamps import Stamps, parse_stamps

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What the user named, parsed; ``keys`` holds each trusted key and where the user named it.

    ``digest`` is a SHA-256 over all of it as it was named, hex.
    """

    keys: dict[VerifierKey, str]
    policy: Policy | None
    stamps: Stamps
    origin: str | None
    genesis: str | None
    checkpoints: tuple[Checkpoint, ...]
    receipts: tuple[Receipt, ...]
    certificates: tuple[Certificate, ...]
    quick: bool
    digest: str


def parse_asked(
    keys: Sequence[str],
    origin: str | None,
    genesis: str | None,
    checkpoints: Sequence[str],
    receipts: Sequence[str],
    trust: bytes | None,
    timestamps: Sequence[bytes],
    authorities: Sequence[bytes],
    certificates: Sequence[str],
    *,
    quick: bool,
) -> Asked:
    """
    Return what ``verify`` was asked for.

    Raises:
        ArgumentError: a key, origin, hash, checkpoint, receipt, trust file, time stamp or certificate is malformed.
    """
    if origin is not None and not is_origin(origin):
        raise ArgumentError("the origin is not 1 to 255 characters of [A-Za-z0-9._/-]")
    if genesis is not None and not is_hex_hash(genesis):
        raise ArgumentError("the genesis hash is not 64 lower-case hex digits")
    policy = None if trust is None else _parse_trust(trust)
    files = [[each.hex() for each in some] for some in ([trust or b""], timestamps, authorities)]
    named = [
        list(keys),
        origin,
        genesis,
        list(checkpoints),
        list(receipts),
        trust is None,
        files,
        list(certificates),
        quick,
    ]
    return Asked(
        _sources(_parse("key", parse_log_key, keys), policy),
        policy,
        parse_stamps(timestamps, authorities),
        origin,
        genesis,
        tuple(_parse("checkpoint", parse_checkpoint, checkpoints)),
        tuple(_parse("receipt", parse_receipt, receipts)),
        tuple(_parse("erasure certificate", parse_certificate, certificates)),
        quick,
        sha256(json.dumps(named).encode()).hexdigest(),
    )


def _sources(keys: Iterable[VerifierKey], policy: Policy | None) -> dict[VerifierKey, str]:
    sources = {each.key: f"trust file, line {each.line}" for each in (policy.logs if policy is not None else ())}
    return dict.fromkeys(keys, "--key") | sources


def _parse_trust(trust: bytes) -> Policy:
    try:
        return parse_policy(trust)
    except FormatError as error:
        raise ArgumentError(f"trust file: {error}") from None


def _parse(what: str, parser: Callable[[str], _T], texts: Iterable[str]) -> Iterator[_T]:
    for index, text in enumerate(texts, 1):
        try:
            yield parser(text)
        except FormatError as error:
            raise ArgumentError(f"{what} {index}: {error}") from None
