"""GET /v1/auth/sessions, DELETE /v1/auth/sessions/{id}: a user's own sign-ins."""

from typing import Annotated

from litestar import delete, get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from msgspec import Struct

from governlayer_server.domain.access import MEMBERS
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.identity import Identity
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.path_ids import path_id
from governlayer_server.web.routes.auth import ACCOUNT


class SessionBody(Struct, frozen=True, kw_only=True):
    """A session: when it began, was last refreshed, last showed password and code; whether it is the asking one."""

    id: str
    created_at: str
    last_seen_at: str
    authenticated_at: str
    current: bool


class SessionList(Struct, frozen=True):
    """All live sessions, newest first; there is no next page."""

    data: list[SessionBody]
    next_cursor: str | None = None


@get("/v1/auth/sessions", opt={"access": MEMBERS}, operation_id="sessions", summary="List the own sessions")
async def sessions_route(request: UserRequest, identity: NamedDependency[Identity]) -> SessionList:
    """Return the live sessions of the user."""
    return SessionList(
        [
            SessionBody(
                id=str(session.id),
                created_at=time_text(session.created_us),
                last_seen_at=time_text(session.seen_us),
                authenticated_at=time_text(session.authenticated_us),
                current=session.id == request.auth.session_id,
            )
            for session in await identity.sessions.all(request.auth)
        ]
    )


@delete(
    "/v1/auth/sessions/{session_id:str}",
    opt=ACCOUNT,
    operation_id="end_session",
    summary="End one of the own sessions",
)
async def end_session_route(
    request: UserRequest,
    session_id: Annotated[str, PathParameter(description="a session's id, a UUID")],
    identity: NamedDependency[Identity],
) -> None:
    """End the session at once."""
    await identity.sessions.end(request.auth, path_id(session_id, "session"))
