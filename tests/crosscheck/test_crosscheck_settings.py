"""What organizations choose to store and to do by default: the verifier accepts the ledger all the same."""

import json

import pytest
from governlayer_server.domain.organization import DefaultDecision, StorePayloads

from tests.crosscheck.ledgers import write_decisions
from tests.crosscheck.test_crosscheck import refused

# Four decisions with content, arguments, context and findings each.
PAYLOADS = {StorePayloads.NONE: 0, StorePayloads.REDACTED: 16, StorePayloads.ENCRYPTED: 16}


@pytest.mark.parametrize("store", StorePayloads)
@pytest.mark.parametrize("default", DefaultDecision)
def test_dumps_and_receipts_are_accepted_whatever_is_stored(store: StorePayloads, default: DefaultDecision) -> None:
    made = write_decisions("allow", "deny", "", "redact", store_payloads=store, default_decision=default)
    report = made.verdict(checkpoints=[made.checkpoint], receipts=made.receipts)
    assert report.verdict == "valid", report.as_text()
    assert (report.records, report.payloads) == (8, PAYLOADS[store])
    assert (b"ann@example.org" in made.dump) == (store is StorePayloads.ENCRYPTED)
    assert (b"bob@example.org" in made.dump) == (store is StorePayloads.ENCRYPTED)
    decisions = [json.loads(line)["body"] for line in made.dump.splitlines() if b'"type":"decision"' in line]
    by_default = [one for one in decisions if one["determined_by"] == "default"]
    assert [one["decision"] for one in by_default] == [default.value]
    assert by_default[0]["reason_code"] == "no_policy_permits"


def test_an_added_commitment_is_refused_where_nothing_is_stored() -> None:
    made = write_decisions("allow", store_payloads=StorePayloads.NONE)
    assert made.dump.count(b'"commitments":{}') == 5
    edited = made.dump.replace(b'"commitments":{}', b'"commitments":{"content":"' + b"ab" * 32 + b'"}', 3)
    assert refused(made, edited)
