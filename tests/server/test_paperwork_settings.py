"""What only people know is read from their file; what is not known in it is refused, so that nothing is overlooked."""

from pathlib import Path
from uuid import uuid4

import pytest
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.supplied_facts import OrganizationFacts, SuppliedFacts
from governlayer_server.settings import paperwork_from

WRITTEN = """
[operator]
name = "Hosting Ltd"
contact = "Main Street 1"
measures = ["trained staff"]

[organization."Acme"]
purposes = ["answering customers"]
transfers = []
"""


def named(file: Path) -> dict[str, str]:
    return {"GOVERNLAYER_PAPERWORK_FILE": str(file)}


def test_the_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "paperwork.toml"
    file.write_text(WRITTEN, encoding="utf-8")
    found = paperwork_from(named(file))
    assert (found.operator.name, found.operator.measures) == ("Hosting Ltd", ("trained staff",))
    acme = found.organization["Acme"]
    assert (acme.purposes, acme.transfers, acme.recipients) == (("answering customers",), (), None)
    assert paperwork_from({}, file) == found


def test_nothing_is_supplied_where_there_is_no_file(tmp_path: Path) -> None:
    assert paperwork_from({}) == paperwork_from({}, tmp_path / "none") == SuppliedFacts()
    assert paperwork_from({"GOVERNLAYER_PAPERWORK_FILE": ""}) == SuppliedFacts()


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    for file in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigurationError, match="GOVERNLAYER_PAPERWORK_FILE"):
            paperwork_from(named(file))


@pytest.mark.parametrize(
    "text",
    ["[operator", "[operator]\nnmae = 'x'", "[operator]\nname = 1", "[other]", "[organization.x]\npurposes = 'one'",
     "[operator]\nmeasures = [1]", "\xff"],
)  # fmt: skip
def test_what_is_malformed_or_not_known_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "paperwork.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="malformed"):
        paperwork_from(named(file))


def test_a_section_that_is_no_organizations_is_found() -> None:
    acme, initech = (Organization(id=uuid4(), name=name, plan=Plan.FREE, created_us=1) for name in ("Acme", "Initech"))
    names = ("Acme", str(initech.id), "Acmee", str(uuid4()))
    supplied = SuppliedFacts(organization=dict.fromkeys(names, OrganizationFacts()))
    assert list(supplied.unmatched([acme, initech])) == list(names[2:])
