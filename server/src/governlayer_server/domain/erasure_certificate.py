"""
The certificate of an erasure: what was destroyed, what is kept and why, in one signed text.

    GovernLayer erasure certificate v1
    <one line: RFC 8785 JSON>
    <empty line>
    — <key name> <base64(4-byte key id ‖ signature)>

A signed note (c2sp.org/signed-note). Its first line has spaces, which no origin has, so no reader of checkpoints takes
it for one. Where it is documented: docs/reference/erasure-certificate.md.
"""

from typing import Any

import rfc8785

from governlayer_server.domain.erasure import ErasureKind, Tombstone
from governlayer_server.domain.times import time_text

CONTEXT = "GovernLayer erasure certificate v1"
_KEPT = (
    {
        "basis": "GDPR Art. 17(3)(b) and (e); AI Act Art. 12, 19 and 26(6)",
        "what": "the records of the ledger with their hashes: facts of decisions, without personal data",
    },
    {
        "basis": "GDPR Art. 5(2) and 17(3)(b)",
        "what": "the tombstone of this erasure and its records in the ledger: ids, numbers and the legal basis",
    },
)
_FINGERPRINT = {
    "basis": "GDPR Art. 5(2) and 17(3)(b)",
    "what": "a keyed fingerprint of the subject's name beside the tombstone, by which this erasure is found again",
}
_UNREADABLE = "ciphertexts in free space of the database and its log: they open with nothing that is left in it"
_REMNANTS = {
    ErasureKind.SUBJECT: (
        {"until": "at once", "what": _UNREADABLE},
        {
            "until": "the tables of keys have been rewritten and the database has dropped its old log",
            "what": "the subject's key, wrapped under the key-encryption key",
        },
    ),
    ErasureKind.DECISION: (
        {
            "until": "the tables of payloads have been rewritten and the database has dropped its old log, "
            "or the organization's data key has been replaced",
            "what": "ciphertexts in free space of the database and in its log, under the organization's data key "
            "and the keys of the data subjects that the record names",
        },
    ),
    ErasureKind.ORGANIZATION: (
        {"until": "at once", "what": _UNREADABLE},
        {
            "until": "the tables of keys and of members have been rewritten and the database has dropped its old log",
            "what": "the organization's wrapped data keys; names of API keys and ids of members",
        },
    ),
}
_BACKUPS = {
    ErasureKind.SUBJECT: "backups hold no keys of data subjects; the separate file of keys is replaced by the next "
    "backup. Who has an older copy of that file and the passphrase can open what older backups hold: versions that a "
    "store keeps, copies and remnants of a disk. A restore erases again what the list of tombstones names",
    ErasureKind.DECISION: "backups made before hold the ciphertexts until they are deleted. A restore erases again "
    "what the list of tombstones names",
    ErasureKind.ORGANIZATION: "backups made before hold the ciphertexts and the wrapped data keys until they are "
    "deleted. A restore erases again what the list of tombstones names",
}


def certificate_text(tombstone: Tombstone) -> str:
    """Return the text that is signed: two lines, each with its newline."""
    members: dict[str, Any] = {
        "backups": _BACKUPS[tombstone.kind],
        "basis": tombstone.basis,
        "decision_id": None if tombstone.decision is None else str(tombstone.decision),
        "erasure_id": str(tombstone.id),
        "erasure_records": [{"hash": one.hash, "seq": one.seq} for one in tombstone.erasure_records],
        "kept": [*_KEPT, _FINGERPRINT] if tombstone.kind is ErasureKind.SUBJECT else list(_KEPT),
        "kind": tombstone.kind.value,
        "names": list(tombstone.names),
        "origin": tombstone.origin,
        "ranges": [list(one) for one in tombstone.ranges],
        "records": tombstone.records,
        "remnants": list(_REMNANTS[tombstone.kind]),
        "subjects": [str(one) for one in tombstone.subjects],
        "time": time_text(tombstone.time_us),
        "v": 1,
    }
    return f"{CONTEXT}\n{rfc8785.dumps(members).decode()}\n"
