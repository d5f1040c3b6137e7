"""Which keys are trusted for a ledger: those the operator named, those at first use, and those that they vouch for."""

from __future__ import annotations

import logging

import httpx
import pytest
from governlayer import ConfigurationError, LedgerKeyError, ReceiptError

from tests.sdk.ledger_builder import Key, LedgerBuilder
from tests.sdk.sdk_support import KINDS
from tests.sdk.witness_support import FakeAppliance, Session

pytestmark = pytest.mark.parametrize("kind", KINDS)
OLD, NEW, NEWER, FOREIGN = (Key(seed) for seed in range(1, 5))


@pytest.fixture
def appliance() -> FakeAppliance:
    return FakeAppliance(LedgerBuilder(OLD))


def event(ledger: LedgerBuilder, what: str, key: Key) -> int:
    return ledger.append("ledger.key", {"event": what, "vkey": key.vkey})


def refused(session: Session) -> LedgerKeyError:
    with pytest.raises(LedgerKeyError) as caught:
        session.govern()
    return caught.value


class TestPinned:
    def test_the_key_at_first_use_is_remembered_and_another_refused(self, kind, appliance):
        Session(kind, appliance).govern()
        appliance.ledger.signing = [FOREIGN]
        error = refused(Session(kind, appliance))
        assert appliance.count("/.well-known/") == 1
        assert OLD.id.hex() in str(error)
        assert "ledger_key" in str(error)

    def test_a_named_key_needs_no_list_and_another_is_refused(self, kind, appliance):
        appliance.broken.add("/.well-known/governlayer")
        assert Session(kind, appliance, ledger_key=OLD.vkey).govern().allowed
        refused(Session(kind, appliance, ledger_key=NEW.vkey, state_dir=None))

    def test_several_keys_may_be_named(self, kind, appliance, monkeypatch):
        assert Session(kind, appliance, ledger_key=[NEW.vkey, OLD.vkey]).govern().allowed
        monkeypatch.setenv("GOVERNLAYER_LEDGER_KEY", f"{NEW.vkey} {OLD.vkey}")
        assert Session(kind, appliance, state_dir=None).govern().allowed
        monkeypatch.setenv("GOVERNLAYER_LEDGER_KEY", NEW.vkey)
        refused(Session(kind, appliance, state_dir=None))

    @pytest.mark.parametrize(
        "key",
        [
            "x",
            "gl+00000000+AAAA",
            OLD.vkey[:-4],
            OLD.vkey.replace("+", "-"),
            OLD.vkey.replace(OLD.id.hex(), NEW.id.hex()),
            [""],
            "a+b+c",
        ],
    )
    def test_what_is_no_key_is_refused_at_once(self, kind, appliance, key):
        with pytest.raises(ConfigurationError, match="ledger_key"):
            Session(kind, appliance, ledger_key=key)

    def test_a_key_that_is_listed_but_signed_nothing_is_not_remembered(self, kind, appliance):
        appliance.listed = [FOREIGN, OLD]
        Session(kind, appliance).govern()
        appliance.ledger.signing = [FOREIGN]
        refused(Session(kind, appliance))

    def test_a_named_key_replaces_the_one_at_first_use_and_what_was_seen_stays(self, kind, appliance):
        Session(kind, appliance).govern()
        appliance.ledger.signing = [NEW]
        session = Session(kind, appliance, ledger_key=NEW.vkey)
        session.govern()
        assert (session.kept(), appliance.proofs()) == (2, {(1, 2): 1})
        appliance.ledger.signing = [OLD]
        refused(Session(kind, appliance))

    def test_a_wrong_signature_by_a_trusted_key_spoils_the_right_ones(self, kind, appliance):
        def add(answer):
            answer["receipt"] += OLD.line("another text\n")

        appliance.change = add
        with pytest.raises(ReceiptError, match="signature"):
            Session(kind, appliance).govern()


class TestSuccession:
    def test_a_key_that_the_old_one_vouches_for_takes_over(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        event(appliance.ledger, "introduced", NEW)
        appliance.ledger.signing = [OLD, NEW]
        session.govern()
        appliance.ledger.signing = [NEW]
        for one in (session, Session(kind, appliance), Session(kind, appliance, ledger_key=OLD.vkey)):
            assert one.govern().allowed

    def test_the_old_key_is_out_once_the_new_one_signs_alone(self, kind, appliance):
        self.test_a_key_that_the_old_one_vouches_for_takes_over(kind, appliance)
        appliance.ledger.signing = [OLD]
        for options in ({}, {"ledger_key": OLD.vkey}):
            refused(Session(kind, appliance, **options))

    def test_the_old_key_counts_as_long_as_it_signs(self, kind, appliance):
        """Replicas are restarted one after the other: some sign with both keys already, some not yet."""
        session = Session(kind, appliance)
        session.govern()
        event(appliance.ledger, "introduced", NEW)
        for signing in ([OLD, NEW], [OLD], [NEW, OLD], [OLD]):
            appliance.ledger.signing = signing
            session.govern()

    def test_keys_succeed_each_other(self, kind, appliance):
        session = Session(kind, appliance, consistency_interval_s=0)
        session.govern()
        for old, new in ((OLD, NEW), (NEW, NEWER)):
            event(appliance.ledger, "introduced", new)
            appliance.ledger.signing = [old, new]
            session.client._conversations.witness._next_keys_s = float("-inf")
            session.govern()
            appliance.ledger.signing = [new]
            session.govern()
        assert Session(kind, appliance).govern().allowed

    def test_a_key_that_was_retired_by_a_record_is_out(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        event(appliance.ledger, "introduced", NEW)
        event(appliance.ledger, "retired", OLD)
        appliance.ledger.signing = [OLD, NEW]
        session.govern()
        appliance.ledger.signing = [OLD]
        refused(session)

    def test_a_signature_that_anyone_can_add_moves_nothing_even_if_it_is_listed(self, kind, appliance):
        """Who sits in between has a genuine checkpoint, adds a line of his own, and answers for the list as well."""
        session = Session(kind, appliance)
        session.govern()
        appliance.ledger.signing = [OLD, FOREIGN]
        assert session.govern().allowed
        appliance.ledger.signing = [FOREIGN]
        refused(session)

    @pytest.mark.parametrize("event_of", ["introduced", "retired", "other"])
    def test_a_record_under_a_checkpoint_that_the_new_key_alone_signed_moves_nothing(self, kind, appliance, event_of):
        session = Session(kind, appliance)
        session.govern()
        event(appliance.ledger, event_of, FOREIGN)
        appliance.ledger.signing = [FOREIGN]
        refused(session)

    @pytest.mark.parametrize(
        ("record_type", "body"),
        [
            ("scan", {"event": "introduced", "vkey": NEW.vkey}),
            ("ledger.key", {"event": "retired", "vkey": NEW.vkey}),
            ("ledger.key", {"event": "announced", "vkey": NEW.vkey}),
            ("ledger.key", {"event": "introduced", "vkey": FOREIGN.vkey}),
            ("ledger.key", {"event": "introduced", "vkey": "governlayer.test+00000000+BgAA"}),
            ("ledger.key", {"event": "introduced", "vkey": 5}),
            ("ledger.key", {"event": "introduced"}),
        ],
    )
    def test_a_record_that_does_not_introduce_it_moves_nothing(self, kind, appliance, record_type, body):
        session = Session(kind, appliance)
        session.govern()
        seq = appliance.ledger.append(record_type, body)
        appliance.ledger.signing = [OLD, NEW]

        def handler(request):
            if request.url.path == "/v1/ledger/records":
                return httpx.Response(200, json={"data": [{"record": {"seq": seq}}]})
            return appliance(request)

        other = Session(kind, handler)
        other.govern()
        appliance.ledger.signing = [NEW]
        refused(other)

    def test_the_ledger_of_another_cannot_vouch(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        foreign = LedgerBuilder(OLD, origin="governlayer.test/ledgers/other")
        event(foreign, "introduced", NEW)
        event(appliance.ledger, "introduced", NEW)
        appliance.ledger.signing = [OLD, NEW]

        def handler(request):
            if request.url.path.endswith("/receipt"):
                return httpx.Response(200, text=foreign.receipt(0))
            return appliance(request)

        other = Session(kind, handler)
        other.govern()
        appliance.ledger.signing = [NEW]
        refused(other)

    def test_without_the_scope_for_records_the_old_key_serves_to_its_end_and_that_is_said(
        self, kind, appliance, caplog
    ):
        appliance.audits = False
        session = Session(kind, appliance)
        session.govern()
        event(appliance.ledger, "introduced", NEW)
        appliance.ledger.signing = [OLD, NEW]
        with caplog.at_level(logging.WARNING, "governlayer"):
            session.govern()
            session.govern()
        assert caplog.text.count("newer key") == 1
        appliance.ledger.signing = [NEW]
        refused(session)
        assert Session(kind, appliance, ledger_key=NEW.vkey).govern().allowed

    def test_a_key_counts_only_for_checkpoints_that_cover_its_introduction(self, kind, appliance):
        session = Session(kind, appliance)
        session.govern()
        early = FakeAppliance(appliance.ledger.twin(0))
        early.ledger.signing = [NEW]
        event(appliance.ledger, "introduced", NEW)
        appliance.ledger.signing = [OLD, NEW]
        session.govern()
        refused(Session(kind, early))
