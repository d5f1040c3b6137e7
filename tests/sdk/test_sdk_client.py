from __future__ import annotations

import gzip
import json
import pickle

import httpx
import pytest
from governlayer import (
    ApiError,
    ArgumentError,
    AuthenticationError,
    Conflict,
    GovernanceUnavailable,
    GovernLayerError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)

from tests.sdk.sdk_support import KEY, KINDS, Client, Script, answer, problem

pytestmark = pytest.mark.parametrize("kind", KINDS)
OK = httpx.Response(200, json=answer())

FAULTS = [
    httpx.ConnectError("refused"),
    httpx.ReadError("reset"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadTimeout("slow"),
    httpx.PoolTimeout("slow"),
    httpx.RemoteProtocolError("garbage"),
    ConnectionResetError("raw"),
    httpx.Response(500),
    httpx.Response(502, html="<h1>Bad Gateway</h1>"),
    problem(503, "ledger_unavailable", detail="the ledger cannot be written"),
    httpx.Response(504),
]

MALFORMED = {
    "html": httpx.Response(200, html="<html>Sign in to the hotel's network</html>"),
    "truncated": httpx.Response(200, content=json.dumps(answer()).encode()[:-9]),
    "empty": httpx.Response(200),
    "wrong type": httpx.Response(200, json=answer(enforced="yes")),
    "no ledger": httpx.Response(200, json=answer(ledger=...)),
    "list": httpx.Response(200, json=[answer()]),
    "created": httpx.Response(201, json=answer()),
    "accepted": httpx.Response(202, json=answer()),
    "partial": httpx.Response(206, json=answer()),
}

STATUSES = {
    400: InvalidRequest,
    401: AuthenticationError,
    402: ApiError,
    403: PermissionDenied,
    404: NotFound,
    405: ApiError,
    408: ApiError,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    451: ApiError,
}

BODIES = {
    "html": httpx.Response(403, html="<h1>proxy says no</h1>"),
    "json": httpx.Response(403, json={"detail": "proxy says no"}),
    "broken": httpx.Response(403, content=b"{", headers={"content-type": "application/problem+json"}),
    "list": httpx.Response(403, content=b"[1]", headers={"content-type": "application/problem+json"}),
    "odd": problem(403, "x", detail=[1]),
    "empty": httpx.Response(403),
}


class TestAnswers:
    def test_a_question_is_posted_once_with_the_key_and_answered(self, kind):
        script = Script(OK)
        decision = Client(kind, script).govern(content="hello", session="s1", receipt=True)
        assert decision.allowed
        (request,) = script.requests
        assert (request.method, str(request.url)) == ("POST", "https://governlayer.test/v1/govern")
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["content-type"] == "application/json"
        assert json.loads(request.content) == {
            "stage": "input",
            "agent": {"id": "billing-agent"},
            "action": {"name": "answer"},
            "content": [{"role": "user", "text": "hello"}],
            "session": {"id": "s1"},
            "options": {"mode": "enforce", "scan": "auto", "receipt": True, "explain": False},
        }

    def test_a_path_in_the_base_url_is_kept(self, kind):
        script = Script(OK)
        Client(kind, script, base_url="https://host.test/gl/").govern()
        assert str(script.requests[0].url) == "https://host.test/gl/v1/govern"

    def test_a_dry_run_needs_no_record_but_an_enforced_question_does(self, kind):
        dry = httpx.Response(200, json=answer(mode="dry_run", enforced=False, ledger=...))
        assert Client(kind, Script(dry)).govern(mode="dry_run").decision == "allow"
        for mode in ("enforce", "shadow"):
            refused = Client(kind, Script(dry)).govern(mode=mode)
            assert (refused.decision, refused.reason_code, refused.allowed) == ("deny", "unavailable", False)

    @pytest.mark.parametrize("asked", ["enforce", "dry_run"])
    def test_an_answer_in_shadow_mode_to_another_question_is_no_answer(self, kind, asked):
        shadow = httpx.Response(200, json=answer(mode="shadow", enforced=False, decision="deny"))
        refused = Client(kind, Script(shadow)).govern(mode=asked)
        assert (refused.decision, refused.reason_code, refused.allowed) == ("deny", "unavailable", False)

    def test_an_argument_that_cannot_be_sent_is_refused_before_anything_is_sent(self, kind):
        script = Script(OK)
        for wrong in ({"purpose": "\ud800"}, {"data_classes": "email"}, {"idempotency_key": "a b"}):
            with pytest.raises(ArgumentError):
                Client(kind, script).govern(**wrong)
        assert script.requests == []


class TestOutage:
    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: repr(fault)[:40])
    def test_it_is_retried_and_then_a_deny(self, kind, fault):
        script = Script(fault)
        decision = Client(kind, script).govern()
        assert (decision.decision, decision.reason_code, decision.determined_by) == (
            "deny",
            "unavailable",
            "error",
        )
        assert decision.ledger is None
        assert not decision.allowed
        assert len(script.requests) == 3
        assert "3 tries" in decision.reason

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: repr(fault)[:40])
    def test_it_is_an_error_where_that_was_chosen(self, kind, fault):
        with pytest.raises(GovernanceUnavailable) as caught:
            Client(kind, Script(fault), on_unavailable="raise").govern(idempotency_key="mine")
        assert (caught.value.tries, caught.value.idempotency_key) == (3, "mine")
        assert isinstance(caught.value.last_error, ServerError) == isinstance(fault, httpx.Response)
        assert caught.value.__cause__ is caught.value.last_error
        assert caught.value.__context__ is None
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: repr(fault)[:40])
    def test_an_answer_to_a_later_try_counts_and_all_tries_are_one_question(self, kind, fault):
        script = Script(fault, fault, OK)
        assert Client(kind, script).govern().allowed
        assert len(script.requests) == 3
        assert len({request.headers["idempotency-key"] for request in script.requests}) == 1
        assert len({request.content for request in script.requests}) == 1

    def test_each_question_has_its_own_idempotency_key_unless_given(self, kind):
        script = Script(OK)
        client = Client(kind, script)
        client.govern()
        client.govern()
        client.govern(idempotency_key="run-7/step-3")
        keys = [request.headers["idempotency-key"] for request in script.requests]
        assert len(set(keys)) == 3
        assert keys[2] == "run-7/step-3"

    def test_no_retries_means_one_try(self, kind):
        script = Script(httpx.ConnectError("refused"))
        Client(kind, script, max_retries=0).govern()
        assert len(script.requests) == 1

    @pytest.mark.parametrize("status", [501, 505, 599])
    def test_a_server_error_that_will_not_pass_is_a_deny_at_once(self, kind, status):
        script = Script(httpx.Response(status))
        assert Client(kind, script).govern().reason_code == "unavailable"
        assert len(script.requests) == 1

    @pytest.mark.parametrize("response", MALFORMED.values(), ids=MALFORMED)
    def test_a_malformed_answer_is_a_deny(self, kind, response):
        decision = Client(kind, Script(response)).govern()
        assert (decision.decision, decision.reason_code, decision.allowed) == ("deny", "unavailable", False)
        with pytest.raises(GovernanceUnavailable):
            Client(kind, Script(response), on_unavailable="raise").govern()

    def test_an_unknown_decision_is_kept_and_not_allowed(self, kind):
        decision = Client(kind, Script(httpx.Response(200, json=answer(decision="quarantine")))).govern()
        assert (decision.decision, decision.allowed) == ("quarantine", False)

    def test_a_compressed_answer_was_not_asked_for_and_is_not_unpacked(self, kind):
        packed = gzip.compress(json.dumps(answer()).encode())
        script = Script(lambda request: httpx.Response(200, stream=Bytes(packed), headers={"content-encoding": "gzip"}))
        assert Client(kind, script).govern().reason_code == "unavailable"
        assert script.requests[0].headers["accept-encoding"] == "identity"

    def test_an_endless_answer_is_cut_off(self, kind):
        endless = Bytes(*[b" " * 65536] * 200)
        decision = Client(kind, Script(lambda request: httpx.Response(200, stream=endless)), max_retries=0).govern()
        assert "too large" in decision.reason

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, kind, status):
        script = Script(httpx.Response(status, headers={"location": "https://elsewhere.test/v1/govern"}), OK)
        assert Client(kind, script).govern().reason_code == "unavailable"
        assert [request.url.host for request in script.requests] == ["governlayer.test"]


class Bytes(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, *chunks):
        self._chunks = chunks

    def __iter__(self):
        yield from self._chunks

    async def __aiter__(self):
        for chunk in self._chunks:
            yield chunk


class TestRefusals:
    @pytest.mark.parametrize("mode", ["deny", "raise"])
    @pytest.mark.parametrize(("status", "cls"), STATUSES.items())
    def test_each_status_has_its_error_and_is_not_retried(self, kind, status, cls, mode):
        script = Script(problem(status, "some_code", detail="what happened", request_id="req_1"))
        with pytest.raises(ApiError) as caught:
            Client(kind, script, on_unavailable=mode).govern()
        error = caught.value
        assert type(error) is cls
        assert (error.status, error.code, error.detail, error.request_id) == (
            status,
            "some_code",
            "what happened",
            "req_1",
        )
        assert len(script.requests) == 1
        assert error.__context__ is None

    def test_the_refused_members_are_named(self, kind):
        errors = [{"pointer": "/content/0/role", "detail": "must be a string"}, "junk", {"pointer": 3}]
        with pytest.raises(InvalidRequest, match="/content/0/role: must be a string") as caught:
            Client(kind, Script(problem(422, "invalid", errors=errors))).govern()
        assert [(e.pointer, e.detail) for e in caught.value.errors] == [
            ("/content/0/role", "must be a string"),
            ("", ""),
        ]
        copied = pickle.loads(pickle.dumps(caught.value))
        assert (type(copied), str(copied), copied.errors) == (
            InvalidRequest,
            str(caught.value),
            caught.value.errors,
        )

    @pytest.mark.parametrize("response", BODIES.values(), ids=BODIES)
    def test_a_body_that_is_no_problem_document_is_not_quoted(self, kind, response):
        with pytest.raises(PermissionDenied) as caught:
            Client(kind, Script(response)).govern()
        assert "proxy says no" not in str(caught.value)
        assert caught.value.status == 403
        assert caught.value.detail is None

    def test_the_request_id_is_taken_from_the_header_where_the_body_has_none(self, kind):
        with pytest.raises(NotFound, match="request id req_9"):
            Client(kind, Script(httpx.Response(404, headers={"x-request-id": "req_9"}))).govern()

    def test_a_message_is_one_bounded_line(self, kind):
        with pytest.raises(InvalidRequest) as caught:
            Client(kind, Script(problem(400, "bad", detail="a\r\nforged log line\x1b[2J" + "x" * 9999))).govern()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 700

    def test_a_first_try_still_running_is_waited_for(self, kind):
        running = problem(409, "idempotency_in_progress")
        script = Script(running, OK)
        assert Client(kind, script).govern().allowed
        assert len(script.requests) == 2
        with pytest.raises(Conflict):
            Client(kind, Script(running)).govern()


class TestRateLimit:
    def test_it_is_waited_out_inside_the_budget(self, kind):
        script = Script(problem(429, "rate_limited", {"retry-after": "0"}), OK)
        assert Client(kind, script).govern().allowed
        assert len(script.requests) == 2

    @pytest.mark.parametrize("mode", ["deny", "raise"])
    def test_a_longer_wait_is_told_at_once_and_never_an_allow(self, kind, mode):
        script = Script(problem(429, "rate_limited", {"retry-after": "17"}), OK)
        with pytest.raises(RateLimited) as caught:
            Client(kind, script, on_unavailable=mode).govern()
        assert caught.value.retry_after_s == 17
        assert len(script.requests) == 1
        assert pickle.loads(pickle.dumps(caught.value)).retry_after_s == 17

    @pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "٣", "Wed, 21 Oct 2099 07:28:00 GMT", "9" * 40])
    def test_a_wait_in_another_form_is_left_aside(self, kind, value):
        script = Script(problem(429, "rate_limited", {"retry-after": value}) if value.isascii() else problem(429, "x"))
        with pytest.raises(RateLimited) as caught:
            Client(kind, script).govern()
        assert caught.value.retry_after_s is None
        assert len(script.requests) == 3


class TestReady:
    def test_it_asks_once_without_the_key(self, kind):
        script = Script(httpx.Response(200))
        assert Client(kind, script).ready() is True
        (request,) = script.requests
        assert (request.method, request.url.path) == ("GET", "/readyz")
        assert KEY not in str(request.headers.raw)

    @pytest.mark.parametrize("fault", [httpx.Response(503), httpx.Response(302), httpx.ConnectError("refused")])
    def test_anything_but_200_is_not_ready(self, kind, fault):
        script = Script(fault)
        assert Client(kind, script).ready() is False
        assert len(script.requests) == 1


def test_every_error_is_a_governlayer_error(kind):
    with pytest.raises(GovernLayerError):
        Client(kind, Script(httpx.Response(401))).govern()
    with pytest.raises(GovernLayerError):
        Client(kind, Script(httpx.Response(503)), on_unavailable="raise").govern()
