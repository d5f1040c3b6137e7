"""What papers say of the appliance itself: how it is configured, and what of that protects data."""

from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.domain.organization import MIN_RETENTION_DAYS, OrganizationSettings, StorePayloads
from governlayer_server.domain.paperwork import Measure, Recipient
from governlayer_server.domain.retention import kept_for

PROCESSING = (
    "decides by policy whether an AI agent may act, and scans and scores what the agent is about to do",
    "records each decision on a ledger that cannot be changed unnoticed",
    "keeps the texts behind the records, encrypted, as the organization has chosen",
    "keeps accounts of the organization's members and lets them sign in",
)
"""The categories of processing that the appliance carries out (GDPR Art. 30(2)(b))."""
NOT_COVERED = (
    "whether an AI system is high-risk, and whether these obligations apply to it",
    "logs that the AI system, its model or its host keep by themselves",
    "what an agent does without asking the appliance",
    "the input and output themselves where `store_payloads` is `none`, or once they were erased",
)
_STORED = {
    StorePayloads.NONE: "no texts are kept; answers to requests with an idempotency key are, for 24 hours",
    StorePayloads.REDACTED: "texts are kept with what was found in them redacted",
    StorePayloads.ENCRYPTED: "texts are kept whole, encrypted",
}


class ApplianceFacts(Struct, frozen=True, kw_only=True):
    """
    How the appliance is configured.

    Attributes:
        deployment: its name.
        version: of the software.
        key_provider: who hands over the key-encryption key.
        bcrypt_cost: of passwords.
        session_idle_minutes: after how long without use a session ends.
        session_hours: after how long it ends in any case.
        recipients: who gets something.
        anchors: where published checkpoints go.
        backups: how often backups are made by the appliance itself, and where they go; None: it makes none.
    """

    deployment: str
    version: str
    key_provider: str
    bcrypt_cost: int
    session_idle_minutes: int
    session_hours: int
    recipients: tuple[Recipient, ...] = ()
    anchors: tuple[str, ...] = ()
    backups: str | None = None


def measures(facts: ApplianceFacts, signing_keys: Sequence[str], others: Sequence[str]) -> Sequence[Measure]:
    """Return the technical measures, and then the *others*, which the operator supplied."""
    return [
        Measure(
            name="encryption of stored data",
            detail="XAES-256-GCM under one key for each organization and one for each data subject; these are wrapped "
            f"by a key-encryption key from the provider `{facts.key_provider}`, which is not in the database",
        ),
        Measure(
            name="encryption on the way",
            detail="TLS 1.2 or newer with verified certificates; in the clear within the machine only",
        ),
        Measure(
            name="pseudonymization",
            detail="records hold random ids, numbers and fixed words; e-mail addresses, network addresses and names of "
            "data subjects are found by keyed hashes",
        ),
        Measure(
            name="access",
            detail="roles of members, scopes of API keys, password and code again for dangerous acts; sessions end "
            f"after {facts.session_idle_minutes} minutes without use and after {facts.session_hours} hours",
        ),
        Measure(
            name="passwords and secrets",
            detail=f"bcrypt of cost {facts.bcrypt_cost} over a keyed hash; API keys and tokens as keyed hashes only; a "
            "second factor can be set up",
        ),
        Measure(name="separation of organizations", detail="by each query, and by row level security of the database"),
        *integrity(facts, signing_keys),
        Measure(
            name="backups",
            detail=facts.backups
            or "the appliance makes none by itself; whether the operator runs `governlayer backup` it does not know",
        ),
        Measure(
            name="logs of operation",
            detail="templates of paths, status and time; no bodies, queries, keys or texts",
        ),
        *(Measure(name="supplied by the operator", detail=one) for one in others),
    ]


def integrity(facts: ApplianceFacts, signing_keys: Sequence[str]) -> Sequence[Measure]:
    """Return what shows that the ledger was not changed."""
    elsewhere = "; ".join(facts.anchors)
    return [
        Measure(
            name="hash chain",
            detail="each record holds the hash of the one before; `gl-verify` recomputes a dump without the appliance",
        ),
        Measure(name="signed checkpoints", detail=f"published within seconds, under {', '.join(signing_keys)}"),
        Measure(
            name="checkpoints kept elsewhere",
            detail=elsewhere or "none is configured: who rules the machine could rewrite the ledger and sign it again",
        ),
    ]


def recording() -> Sequence[Measure]:
    """Return how events are recorded (AI Act Art. 12(1) and (2))."""
    return [
        Measure(
            name="automatic recording (Art. 12(1))",
            detail="each decision is durable on the ledger before the agent gets its answer; without a record there is "
            "no decision. Dry runs leave no record",
        ),
        Measure(
            name="situations of risk (Art. 12(2)(a))",
            detail="each decision holds the risk score with its level and vector, what was found by kind and count, "
            "the policies that applied, and the reason",
        ),
        Measure(
            name="post-market monitoring (Art. 12(2)(b))",
            detail="records can be listed and filtered by time, agent, type and decision, and exported as a whole",
        ),
        Measure(
            name="monitoring of operation (Art. 12(2)(c))",
            detail="records name agent, action, tool, policy set and version, and whether the decision was enforced",
        ),
    ]


def time_limits(settings: OrganizationSettings) -> Sequence[Measure]:
    """Return for how long logs are kept (AI Act Art. 19(1) and 26(6): at least six months)."""
    return [
        Measure(name="records", detail="as long as the deployment; the appliance has no way to remove one"),
        Measure(
            name="texts behind records",
            detail=f"{_STORED[settings.store_payloads]}; {kept_for(settings.retention_days, settings.retention)}",
        ),
        Measure(
            name="shortest time that can be set",
            detail=f"{MIN_RETENTION_DAYS} days, less only with a reason on record; "
            "what a data subject asks to be erased may go before, what is under a legal hold goes later",
        ),
    ]


def readers() -> Sequence[Measure]:
    """Return who reads the logs, and how."""
    return [
        Measure(name="members", detail="owner, admin and auditor, over the API"),
        Measure(name="API keys", detail="with the scope `audit`; with `govern` hashes and proofs alone"),
        Measure(
            name="authorities and auditors",
            detail="dumps (`governlayer ledger dump`, GET /v1/ledger/dump); each export is itself recorded. Texts are "
            "in a dump only where they are asked for by name",
        ),
    ]
