"""The server erases and certifies, the verifier judges: certificates against dumps, good and bad."""

import io
import json
from collections.abc import Sequence
from uuid import UUID

import pytest
from governlayer_server.domain.erasure_certificate import CONTEXT
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_verifier.certificate import parse_certificate
from governlayer_verifier.errors import ArgumentError, FormatError
from governlayer_verifier.note import parse_checkpoint
from governlayer_verifier.report import Report
from governlayer_verifier.verify import verify

from tests.fakes.appliance import FakeAppliance, action, principal_of

NAMES = ["arguments", "content", "context", "findings"]
BASIS = "GDPR Art. 17(1)(a), § 35 BDSG"


class Court:
    """A ledger, and the verifier over dumps of it."""

    def __init__(self, appliance: FakeAppliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization

    @property
    def id(self) -> UUID:
        return self.organization.id

    async def decide(self, *names: str) -> UUID:
        asked = action("text", data_subjects=list(names))
        answered = await self.appliance.govern(principal_of(self.organization), asked, None)
        return UUID(answered.decision.decision_id)

    async def erase(self, name: str) -> str:
        return (await self.appliance.erase.subject(SYSTEM, self.id, name, BASIS)).certificate

    async def dump(self, **options: int) -> bytes:
        return await self.appliance.dump(self.id, names=NAMES, **options)

    async def judge(self, certificates: Sequence[str], dump: bytes | None = None, *, trusting: bool = True) -> Report:
        keys = self.appliance.signer.vkeys[:1] if trusting else []
        given = dump or await self.dump()
        return verify(io.BytesIO(given), keys=keys, certificates=certificates)


@pytest.fixture
async def court() -> Court:
    appliance = FakeAppliance()
    made = Court(appliance, await appliance.start())
    for names in (("ann",), ("bob",), (), ("ann", "bob")):
        await made.decide(*names)
    return made


def failures(report: Report) -> str:
    return " ".join(each.what for each in report.step(11).failures)


async def test_a_certificate_holds_against_the_dump(court: Court) -> None:
    certificate = await court.erase("ann")
    by_id = (await court.appliance.erase.decision(SYSTEM, court.id, await court.decide(), BASIS)).certificate
    report = await court.judge([certificate, by_id])
    assert (report.verdict, report.exit_status) == ("valid", 0), report.as_text()
    assert [each.status for each in report.trust.certificates] == ["pass", "pass"]
    assert json.loads(certificate.splitlines()[1])["erasure_id"] in report.as_text()
    assert report.as_json()["trust"]["certificates"][0]["status"] == "pass"


async def test_one_of_several_records_holds_too(court: Court) -> None:
    for number in range(3_000):
        await court.decide(*(["carol"] if number % 2 else []))
    certificate = await court.erase("carol")
    assert len(json.loads(certificate.splitlines()[1])["erasure_records"]) > 1
    assert (await court.judge([certificate])).exit_status == 0


async def test_without_a_key_or_with_a_part_of_the_ledger_it_is_not_checked(court: Court) -> None:
    certificate = await court.erase("ann")
    await court.decide()
    report = await court.judge([certificate], trusting=False)
    assert (report.exit_status, report.trust.certificates[0].status) == (3, "not_checked")
    size = len(court.appliance.ledger.canonical(str(court.id)))
    report = await court.judge([certificate], await court.dump(first=size - 1))
    assert report.trust.certificates[0].reason == "records that it names are outside of this dump"


@pytest.mark.parametrize(
    "change",
    [
        ('"records":2', '"records":3'),
        ('"kind":"subject"', '"kind":"decision"'),
        ("GDPR Art. 17", "GDPR Art. 18"),
        ("AI Act", "A.I. Act"),
    ],
)
async def test_a_changed_text_is_signed_by_nobody(court: Court, change: tuple[str, str]) -> None:
    certificate = await court.erase("ann")
    assert change[0] in certificate
    report = await court.judge([certificate.replace(*change)])
    assert report.exit_status == 1
    assert "wrong signature" in failures(report) or "does not say what its records say" in failures(report)


async def test_what_the_ledger_does_not_say_is_no_erasure(court: Court) -> None:
    """Signed by the right key, and not true: of records that are others, and of a ledger that is another."""
    certificate = await court.erase("ann")
    said = json.loads(certificate.splitlines()[1])
    (record,) = said["erasure_records"]

    def signed(**members: object) -> str:
        text = CONTEXT + "\n" + json.dumps(
            {**said, **members}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ) + "\n"  # fmt: skip
        return f"{text}\n{''.join(court.appliance.signer.sign(text))}"

    assert (await court.judge([signed()])).exit_status == 0
    for members, expected in (
        ({"erasure_records": [{**record, "hash": "0" * 64}]}, "by another hash"),
        ({"erasure_records": [{**record, "seq": 0}]}, "which is no erasure record"),
        ({"ranges": [[0, 1]]}, "does not say what its records say"),
        ({"kind": "organization"}, "does not say what its records say"),
        ({"subjects": []}, "does not say what its records say"),
        ({"decision_id": "another"}, "does not say what its records say"),
        ({"records": 1_000}, "does not say what its records say"),
        ({"erasure_records": [record, record]}, "does not say what its records say"),
        ({"basis": "another"}, "does not say what its records say"),
        ({"names": ["content"]}, "does not say what its records say"),
        ({"erasure_id": "another"}, "does not say what its records say"),
        ({"origin": "other.example.com/ledgers/x"}, "is of another ledger"),
    ):
        report = await court.judge([signed(**members)])
        assert report.exit_status == 1
        assert expected in failures(report), (members, failures(report))


async def test_a_payload_that_is_disclosed_all_the_same_fails(court: Court) -> None:
    before = await court.dump()
    certificate = await court.erase("ann")
    lines = (await court.dump()).splitlines(keepends=True)
    gone = [line for line in before.splitlines(keepends=True) if line.startswith(b'{"payload"') and line not in lines]
    (first, *_) = gone
    seq = json.loads(first)["payload"]["seq"]
    at = next(n for n, line in enumerate(lines) if line.startswith(b'{"actor"') and json.loads(line)["seq"] == seq)
    report = await court.judge([certificate], b"".join([*lines[: at + 1], first, *lines[at + 1 :]]))
    assert report.exit_status == 1
    assert "present though a later record names it as erased" in failures(report)


async def test_a_certificate_of_a_key_that_nobody_trusts_is_none(court: Court) -> None:
    certificate = await court.erase("ann")
    text = certificate[: certificate.rindex("\n\n") + 1]
    other = FakeAppliance()
    other.signer.renew([type(court.appliance.signer._keys[0])("gl.example.com", bytes(range(32)))])  # type: ignore[arg-type]
    report = await court.judge([f"{text}\n{''.join(other.signer.sign(text))}"])
    assert "is signed by no trusted key" in failures(report)


async def test_a_certificate_is_no_checkpoint_and_a_checkpoint_no_certificate(court: Court) -> None:
    certificate = await court.erase("ann")
    with pytest.raises(FormatError):
        parse_checkpoint(certificate)
    dump = await court.dump()
    notes = [json.loads(line)["checkpoint"] for line in dump.splitlines() if line.startswith(b'{"checkpoint"')]
    with pytest.raises(FormatError):
        parse_certificate(notes[0])


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "text",
        CONTEXT + "\n{}\n\n— a AAAAAAAA\n",
        CONTEXT + '\n{"v":1}\n\n— a AAAAAAAA\n',
        CONTEXT + "\n[]\n\n— a AAAAAAAA\n",
        CONTEXT + '\n{"v":1 }\n\n— a AAAAAAAA\n',
        CONTEXT + "\nNaN\n\n— a AAAAAAAA\n",
    ],
)
async def test_what_is_none_is_refused_before_anything_is_read(court: Court, broken: str) -> None:
    with pytest.raises(ArgumentError, match="erasure certificate 1"):
        await court.judge([broken], b"{}")
