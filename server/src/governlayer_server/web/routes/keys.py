"""/v1/keys…: users manage the API keys of their organization. Keys cannot manage keys."""

from typing import Annotated

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from governlayer_server.domain.access import Role, only
from governlayer_server.usecases.manage_keys import ManageKeys
from governlayer_server.web.authenticate import UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.idempotency import IdempotencyKey, once_of, secret_headers
from governlayer_server.web.key_bodies import (
    CreateKeyRequest,
    KeyBody,
    KeyEvents,
    KeyList,
    NewKeyBody,
    RotateKeyRequest,
    events_body,
    key_body,
    new_key_body,
)
from governlayer_server.web.lists import IdCursor, Limit, after, next_cursor
from governlayer_server.web.path_ids import path_id
from governlayer_server.web.throttle import OWN_LIMIT

_READ = {"access": only(Role.ADMIN, Role.DEVELOPER)}
_CHANGE = {"access": only(Role.ADMIN, Role.DEVELOPER, step_up=True)}
_WATCH = {"access": only(Role.ADMIN, Role.AUDITOR)}
KeyId = Annotated[str, PathParameter(description="the key's id, a UUID")]


@post(
    "/v1/keys",
    dto=JsonBody[CreateKeyRequest],
    return_dto=None,
    before_request=refuse_empty,
    opt=_CHANGE,
    operation_id="create_key",
    summary="Create an API key; it is shown this once",
)
async def create_key_route(
    request: UserRequest,
    data: JSONBody[CreateKeyRequest],
    manage_keys: NamedDependency[ManageKeys],
    idempotency_key: IdempotencyKey = None,
) -> Response[NewKeyBody]:
    """Return the key with its secret."""
    user, once = request.auth, await once_of(request, idempotency_key)
    made = await manage_keys.create(user.actor, user.organization_id, data.terms(), once)
    return Response(new_key_body(made), headers=secret_headers(replayed=made.replayed))


@get("/v1/keys", opt=_READ, operation_id="keys", summary="List the API keys, oldest first")
async def keys_route(
    request: UserRequest,
    manage_keys: NamedDependency[ManageKeys],
    cursor: IdCursor = None,
    limit: Limit = 50,
) -> KeyList:
    """Return up to *limit* keys, whatever their state."""
    found = await manage_keys.page(request.auth.organization_id, after(cursor), limit)
    following = next_cursor([facts.stored for facts in found], limit)
    now_us = manage_keys.clock.now_us()
    return KeyList([key_body(facts, now_us) for facts in found], following)


@get("/v1/keys/{key_id:str}", opt=_READ, operation_id="key", summary="One API key")
async def key_route(request: UserRequest, key_id: KeyId, manage_keys: NamedDependency[ManageKeys]) -> KeyBody:
    """Return the key, never the secret."""
    facts = await manage_keys.one(request.auth.organization_id, path_id(key_id, "key"))
    return key_body(facts, manage_keys.clock.now_us())


@post(
    "/v1/keys/{key_id:str}/rotate",
    dto=JsonBody[RotateKeyRequest],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt=_CHANGE,
    operation_id="rotate_key",
    summary="Replace the secret of an API key",
    description="The secret before works until the grace ends; rotating again ends an older one's grace.",
)
async def rotate_key_route(
    request: UserRequest,
    key_id: KeyId,
    data: JSONBody[RotateKeyRequest],
    manage_keys: NamedDependency[ManageKeys],
    idempotency_key: IdempotencyKey = None,
) -> Response[NewKeyBody]:
    """Return the key with its new secret."""
    user, once = request.auth, await once_of(request, idempotency_key)
    made = await manage_keys.rotate(user.actor, user.organization_id, path_id(key_id, "key"), data.grace_seconds, once)
    return Response(new_key_body(made), headers=secret_headers(replayed=made.replayed))


@delete(
    "/v1/keys/{key_id:str}",
    opt={**_CHANGE, OWN_LIMIT: True},
    operation_id="revoke_key",
    summary="Revoke an API key: refused everywhere within one second",
)
async def revoke_key_route(request: UserRequest, key_id: KeyId, manage_keys: NamedDependency[ManageKeys]) -> None:
    """Revoke the key; a second time changes nothing."""
    await manage_keys.revoke(request.auth.actor, request.auth.organization_id, path_id(key_id, "key"))


@get(
    "/v1/keys/{key_id:str}/events",
    opt=_WATCH,
    operation_id="key_events",
    summary="What happened to an API key, and how it was used",
)
async def key_events_route(request: UserRequest, key_id: KeyId, manage_keys: NamedDependency[ManageKeys]) -> KeyEvents:
    """Return all events, and the usage of the last 90 days by day and outcome."""
    return events_body(await manage_keys.history(request.auth.organization_id, path_id(key_id, "key")))


KEY_ROUTES = (
    create_key_route,
    keys_route,
    key_route,
    rotate_key_route,
    revoke_key_route,
    key_events_route,
)
