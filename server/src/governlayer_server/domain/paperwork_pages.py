"""Papers as Markdown, to read and print."""

from collections.abc import Iterator, Sequence

from governlayer_server.domain.inventory_page import table_head, table_row
from governlayer_server.domain.paperwork import (
    Blank,
    Category,
    LogKeeping,
    Measure,
    OfOrganization,
    Party,
    ProcessingRecords,
    Recipient,
    ServingKeys,
    Stored,
)
from governlayer_server.domain.retention import kept_for

_BLANK = "**[to be supplied]**"
_NOTE = (
    "Made by the appliance from what is stored and configured at that time. It is no legal advice, and it does not say "
    "whether any obligation is met. Legal bases are proposals: the controller decides."
)


def records_page(paper: ProcessingRecords) -> str:
    """Return the records of processing as Markdown."""
    return _page(
        paper,
        _section("Controller (Art. 30(1)(a))", _party(paper.controller)),
        _section("Joint controllers (Art. 30(1)(a))", _texts(paper.joint_controllers)),
        _section("Processor (Art. 30(2)(a))", _party(paper.processor)),
        _section("Purposes (Art. 30(1)(b))", _texts(paper.purposes)),
        _section("Processing on behalf of the controller (Art. 30(2)(b))", _texts(paper.processing)),
        _section("People, data and time limits (Art. 30(1)(c) and (f))", _categories(paper.categories)),
        _section("Recipients that are configured (Art. 30(1)(d))", _recipients(paper.recipients)),
        _section("Other recipients (Art. 30(1)(d))", _texts(paper.other_recipients)),
        _section("Transfers to third countries (Art. 30(1)(e), (2)(c))", _texts(paper.transfers)),
        _section("Measures (Art. 30(1)(g), (2)(d), Art. 32(1))", _measures(paper.measures)),
        _section("Keys in service", _keys(paper.keys)),
        _section("What the ledger holds", _stored(paper.stored)),
        _section("To be supplied", _blanks(paper.to_supply)),
    )


def logs_page(paper: LogKeeping) -> str:
    """Return the statement on logs as Markdown."""
    return _page(
        paper,
        _section("AI systems", _texts(paper.systems)),
        _section("Recording (Art. 12)", _measures(paper.recording)),
        _section("What is recorded", _stored(paper.stored)),
        _section("Time limits (Art. 19(1), 26(6))", _measures(paper.kept)),
        _section("Kept from change", _measures(paper.integrity)),
        _section("Who reads it", _measures(paper.access)),
        _section("Not covered", _texts(paper.not_covered)),
        _section("To be supplied", _blanks(paper.to_supply)),
    )


def _page(paper: ProcessingRecords | LogKeeping, *sections: str) -> str:
    head = [
        f"# {paper.title}",
        "",
        _NOTE,
        "",
        f"- Made: {paper.generated_at}",
        f"- Deployment: {_plain(paper.deployment)}, GovernLayer {paper.version}",
        *_about(paper.organization),
    ]
    return "\n".join([*head, *sections]) + "\n"


def _about(organization: OfOrganization) -> Iterator[str]:
    yield f"- Organization: {_plain(organization.name)} ({organization.id}), since {organization.since}"
    yield f"- Texts behind records: `{organization.store_payloads}`"
    yield f"- Kept: {kept_for(organization.retention_days, organization.retention)}"
    if organization.retention_reason is not None:
        yield f"- Reason: {_plain(organization.retention_reason)}"


def _section(title: str, lines: Iterator[str]) -> str:
    return "\n".join(["", f"## {title}", "", *lines])


def _party(party: Party) -> Iterator[str]:
    yield f"- Name: {_given(party.name)}"
    yield f"- Contact: {_given(party.contact)}"
    yield f"- Representative: {_given(party.representative)}"
    yield f"- Data protection officer: {_given(party.data_protection_officer)}"


def _texts(texts: Sequence[str] | None) -> Iterator[str]:
    if texts is None:
        yield _BLANK
    elif not texts:
        yield "None."
    else:
        yield from (f"- {_plain(text)}" for text in texts)


def _categories(categories: Sequence[Category]) -> Iterator[str]:
    yield table_head("where", "people", "data", "purpose", "proposed basis", "kept", "protection", "erased by")
    for one in categories:
        data, protection = "; ".join(one.data), "; ".join(one.protection)
        yield table_row(
            one.where, one.people, data, one.purpose, one.proposed_basis, one.kept, protection, one.erased_by
        )


def _recipients(recipients: Sequence[Recipient]) -> Iterator[str]:
    if not recipients:
        yield "None: the appliance connects to its database and Redis only."
        return
    yield table_head("recipient", "receives")
    yield from (table_row(_plain(one.name), one.receives) for one in recipients)


def _measures(measures: Sequence[Measure]) -> Iterator[str]:
    yield from (f"- {one.name}: {_plain(one.detail)}" for one in measures)


def _keys(keys: ServingKeys) -> Iterator[str]:
    own = ", ".join(f"{one.number} ({one.state})" for one in keys.data_keys)
    yield f"- Key-encryption key: `{keys.key_encryption_key}`, from the provider `{keys.key_provider}`"
    yield f"- Data keys of the organization: {own or 'none yet'}"
    yield from (f"- Signing key of the ledger: `{one}`" for one in keys.signing_keys)


def _stored(stored: Stored) -> Iterator[str]:
    if not stored.by_type:
        yield "No records yet."
        return
    yield f"{stored.records} records, from {stored.oldest_at} to {stored.newest_at}. Texts were destroyed by"
    yield f"{stored.erasures} erasures and {stored.retentions} removals at the end of their time.\n"
    yield table_head("type", "says", "records", "oldest", "newest")
    for one in stored.by_type:
        yield table_row(f"`{one.type}`", one.says, str(one.count), one.oldest_at, one.newest_at)


def _blanks(blanks: Sequence[Blank]) -> Iterator[str]:
    if not blanks:
        yield "Nothing."
    for one in blanks:
        yield f"- `{one.member}`: {one.what} (`{one.setting}` in the file that GOVERNLAYER_PAPERWORK_FILE names)"


def _given(text: str | None) -> str:
    return _BLANK if text is None else _plain(text)


def _plain(text: str) -> str:
    """Return *text* on one line, with nothing in it that Markdown or HTML would take for more than text."""
    line = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in line)
