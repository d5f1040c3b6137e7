"""An answer comes in time or not at all: what hangs behind the application never makes a client wait for long."""

import asyncio
from typing import Any

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from governlayer_server.domain.errors import Unavailable

ANSWER_S = 7.0


class Deadline(ASGIMiddleware):
    """Ends a request that the application works on for 7 seconds without having begun its answer."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """
        Serve the request. The time that the client takes to send its body does not count.

        Raises:
            Unavailable: the time is over. Whether something was recorded is not known; there is no decision.
        """
        loop = asyncio.get_running_loop()
        begun = False

        async def receive_untimed() -> Any:
            limit.reschedule(None)
            message = await receive()
            if not begun:
                limit.reschedule(loop.time() + ANSWER_S)
            return message

        async def send_begun(message: Message) -> None:
            nonlocal begun
            begun = True
            limit.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(ANSWER_S) as limit:
                await next_app(scope, receive_untimed, send_begun)
        except TimeoutError:
            raise Unavailable("there was no answer in time") from None
