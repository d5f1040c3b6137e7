"""The asyncio client: drives the same conversations over httpx.AsyncClient."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Sequence
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


class AsyncGovernLayer:
    """Asks the appliance before an agent acts, under asyncio; for the rest see :class:`GovernLayer`."""

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
        http_client: httpx.AsyncClient | None = None,
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
        self._http = http_client or httpx.AsyncClient(**client_options(config, os.environ, verify))
        self._conversations = conversations_for(config)

    async def govern(
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
        """Return the decision on one action; arguments, result and errors as :meth:`GovernLayer.govern`."""
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
        return await self._drive(
            self._conversations.govern(body, mode=mode, idempotency_key=idempotency_key, verified=verified)
        )

    @property
    def ledger(self) -> Ledger[Awaitable[Checkpoint | None]]:
        """The ledger that the decisions stand on, as this host has seen it."""
        return Ledger(self._conversations.witness.newest, lambda: self._drive(self._conversations.verify_now()))

    async def ready(self) -> bool:
        """Return whether the appliance says it can decide (GET /readyz): one try, within the budget."""
        return await self._drive(self._conversations.ready())

    async def aclose(self) -> None:
        """Close the connections, unless the ``http_client`` was passed in."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._config.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: make one in each process")

    async def _drive(self, conversation: Conversation[T]) -> T:
        outcome: Outcome | None = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Send):
                outcome = await self._send(step)
                continue
            outcome = None
            if isinstance(step, Work):
                await asyncio.to_thread(step.run)
            else:
                await asyncio.sleep(step.wait_s)

    async def _send(self, step: Send) -> Outcome:
        """Try once, and be back in time: asyncio's own timeout bounds the sum of all operations."""
        try:
            async with asyncio.timeout(step.limit_s):
                return await self._exchange(step)
        except TimeoutError:
            return TIMED_OUT

    async def _exchange(self, step: Send) -> Outcome:
        request, body = step.request, bytearray()
        try:
            async with self._http.stream(
                request.method,
                request.url,
                content=request.body,
                headers=request.headers,
                auth=self._config.api_key if request.authenticated else None,
                follow_redirects=False,
                timeout=timeouts(step.limit_s, self._config.connect_timeout_s),
            ) as response:
                if has_plain_body(response.headers):
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_ANSWER_BYTES:
                            return TOO_LARGE
                return Reply(response.status_code, response.headers, bytes(body))
        except TRANSPORT_ERRORS as error:
            return fault_of(error)
