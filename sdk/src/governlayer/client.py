"""The blocking client: drives conversations over httpx.Client."""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from os import PathLike
from types import TracebackType
from typing import NoReturn, Self, TypeVar

import httpx

from ._config import OnUnavailable, Verify, client_options, configure
from ._conversation import conversations_for
from ._wire import (
    MAX_ANSWER_BYTES,
    TIMED_OUT,
    TOO_LARGE,
    TRANSPORT_ERRORS,
    Conversation,
    Fault,
    Outcome,
    Reply,
    Send,
    Work,
    fault_of,
    has_plain_body,
    timeouts,
)
from .ask import (
    Action,
    Agent,
    Content,
    Mode,
    Resource,
    Scan,
    Stage,
    System,
    govern_body,
)
from .decision import Decision
from .errors import ConfigurationError
from .ledger import Checkpoint, Ledger

T = TypeVar("T")


class GovernLayer:
    """
    Asks the appliance before an agent acts. Safe to share between threads; one per process is enough.

    Args:
        api_key: default ``GOVERNLAYER_API_KEY``; sent as ``Authorization: Bearer``.
        base_url: default ``GOVERNLAYER_BASE_URL``; https, or http on loopback. May hold a path, but neither
            credentials nor a query. Redirects are never followed.
        timeout_s: seconds for one question over all of its tries, name resolution included; 0 to 600.
        connect_timeout_s: seconds for opening a connection, within the budget.
        max_retries: tries after the first, 0 to 10, all with the same idempotency key.
        on_unavailable: what an outage becomes: ``"deny"``, a Decision with ``reason_code`` "unavailable", or
            ``"raise"``, GovernanceUnavailable. There is no way to make it an allow.
        verify: True, the path of a CA bundle (default ``GOVERNLAYER_CA_BUNDLE``) or an ``ssl.SSLContext``;
            False is accepted on loopback only.
        verify_receipts: whether each answer is held against the ledger before it is returned (ledger-v1 §5).
        ledger_key: verifier keys that may sign the ledger, default ``GOVERNLAYER_LEDGER_KEY``, several separated by
            blanks; without any, those that sign it at first use, as the appliance lists them, are remembered.
        state_dir: where ledgers are remembered, "" for ``GOVERNLAYER_STATE_DIR`` or else the platform's place
            (``~/.local/state/governlayer``); None remembers them in memory only.
        consistency_interval_s: how long an answer may wait for the proof that the ledger only grew, 0 to 86,400; 0
            has each answer proven before it is returned.
        http_client: a client of your own, in place of *verify*; you close it.

    Raises:
        ConfigurationError: a setting is missing or wrong. No connection is opened here.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout_s: float = 2.0,
        connect_timeout_s: float = 0.5,
        max_retries: int = 2,
        on_unavailable: OnUnavailable = "deny",
        verify: Verify = True,
        verify_receipts: bool = True,
        ledger_key: str | Sequence[str] | None = None,
        state_dir: str | PathLike[str] | None = "",
        consistency_interval_s: float = 60.0,
        http_client: httpx.Client | None = None,
    ) -> None:
        config = configure(
            os.environ,
            api_key=api_key,
            base_url=base_url,
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
            max_retries=max_retries,
            on_unavailable=on_unavailable,
            verify_receipts=verify_receipts,
            ledger_key=ledger_key,
            state_dir=state_dir,
            consistency_interval_s=consistency_interval_s,
        )
        if http_client is not None and verify is not True:
            raise ConfigurationError("verify belongs to the http_client that was passed")
        self._config = config
        self._owns_http = http_client is None
        self._http = http_client or httpx.Client(**client_options(config, os.environ, verify))
        self._conversations = conversations_for(config)

    def govern(
        self,
        *,
        stage: Stage,
        agent: str | Agent,
        action: str | Action,
        resource: Resource | None = None,
        content: str | Sequence[Content] | None = None,
        data_classes: Sequence[str] | None = None,
        data_subjects: Sequence[str] | None = None,
        session: str | None = None,
        purpose: str | None = None,
        system: str | System | None = None,
        approval_id: str | None = None,
        mode: Mode = "enforce",
        scan: Scan = "auto",
        receipt: bool | None = None,
        explain: bool = False,
        idempotency_key: str | None = None,
    ) -> Decision:
        """
        Return the decision on one action (api.md §4); it is on the ledger before it is returned.

        Args:
            stage: where in the agent's loop the question is asked.
            agent: who wants to act.
            action: what is to be done, with its tool and arguments.
            resource: what it touches.
            content: the text that goes in or out; a string is one piece by whoever speaks at *stage*.
            data_classes: kinds of data involved, as the policies name them.
            data_subjects: pseudonymous ids of the persons concerned, for later erasure.
            session: id that ties the steps of one run together.
            purpose: why, as the policies name it.
            system: the registered AI system.
            approval_id: the approval that a person has given for this very action.
            mode: ``shadow`` records but does not enforce; ``dry_run`` records nothing and permits nothing.
            scan: which detectors read the content.
            receipt: False neither asks for a receipt nor verifies one; True asks for one even where the client does
                not verify. A dry run has none.
            explain: whether to return explanations.
            idempotency_key: 1 to 255 visible ASCII characters; asking again with the same one within 24 h
                gives the first answer and no second record. Default a fresh UUID.

        Returns:
            The decision. A deny is a value, not an error; so is an outage, unless ``on_unavailable="raise"``.

        Raises:
            ArgumentError: an argument cannot be sent; nothing was.
            ApiError: the server refused the question (4xx), so there is no decision. RateLimited after the
                retries that fitted the budget.
            GovernanceUnavailable: no usable answer came, with ``on_unavailable="raise"`` only.
            LedgerError: the answer is not proven to be on the ledger, or the ledger is not the one of before; the
                caller must not act, whatever was answered.
        """
        verified = self._config.verify_receipts and mode != "dry_run" and receipt is not False
        wanted = verified or receipt is True
        body = govern_body(
            stage=stage,
            agent=agent,
            action=action,
            resource=resource,
            content=content,
            data_classes=data_classes,
            data_subjects=data_subjects,
            session=session,
            purpose=purpose,
            system=system,
            approval_id=approval_id,
            mode=mode,
            scan=scan,
            receipt=wanted,
            explain=explain,
        )
        return self._drive(
            self._conversations.govern(body, mode=mode, idempotency_key=idempotency_key, verified=verified)
        )

    @property
    def ledger(self) -> Ledger[Checkpoint | None]:
        """The ledger that the decisions stand on, as this host has seen it."""
        return Ledger(self._conversations.witness.newest, lambda: self._drive(self._conversations.verify_now()))

    def ready(self) -> bool:
        """Return whether the appliance says it can decide (GET /readyz): one try, within the budget."""
        return self._drive(self._conversations.ready())

    def close(self) -> None:
        """Close the connections, unless the ``http_client`` was passed in."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._config.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: make one in each process")

    def _drive(self, conversation: Conversation[T]) -> T:
        outcome: Outcome | None = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Send):
                outcome = self._send(step)
                continue
            outcome = None
            if isinstance(step, Work):
                step.run()
            else:
                time.sleep(step.wait_s)

    def _send(self, step: Send) -> Outcome:
        """
        Try once, and be back in time.

        httpx bounds each socket operation but neither their sum nor name resolution, so that a server which
        drips bytes could hold the caller for ever. The try runs in a thread of its own (60 µs); one that is
        late is left behind, and its answer with it.
        """
        given_up = threading.Event()
        future = _in_thread(lambda: self._exchange(step, given_up))
        if future is None:
            return Fault("no thread to send from")
        try:
            return future.result(step.limit_s)
        except TimeoutError:
            return TIMED_OUT
        finally:
            given_up.set()

    def _exchange(self, step: Send, given_up: threading.Event) -> Outcome:
        request, body = step.request, bytearray()
        try:
            with self._http.stream(
                request.method,
                request.url,
                content=request.body,
                headers=request.headers,
                auth=self._config.api_key if request.authenticated else None,
                follow_redirects=False,
                timeout=timeouts(step.limit_s, self._config.connect_timeout_s),
            ) as response:
                if has_plain_body(response.headers):
                    for chunk in response.iter_bytes():
                        body += chunk
                        if len(body) > MAX_ANSWER_BYTES or given_up.is_set():
                            return TOO_LARGE
                return Reply(response.status_code, response.headers, bytes(body))
        except TRANSPORT_ERRORS as error:
            return fault_of(error)


def _in_thread(work: Callable[[], T]) -> Future[T] | None:
    """Return the coming result of *work*, or None where the system has no thread left to give."""
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 raised again in the caller's thread by Future.result
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="governlayer-send", daemon=True).start()
    except RuntimeError:
        return None
    return future
