"""POST /v1/privacy/subject-exports: all that the ledger holds of a data subject (GDPR Art. 15 and 20)."""

from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Stream
from msgspec import Meta, Struct

from governlayer_server.domain.access import Role, only
from governlayer_server.domain.action import ShortText
from governlayer_server.usecases.export_ledger import in_chunks
from governlayer_server.usecases.export_subject import ExportSubject
from governlayer_server.web.authenticate import REFUSES, UserRequest
from governlayer_server.web.bodies import JsonBody, refuse_empty
from governlayer_server.web.idempotency import IdempotencyKey, once_of, secret_headers

_MEDIA_TYPE = "application/x-ndjson"


class SubjectExportRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data."""

    data_subject: Annotated[ShortText, Meta(description="as decisions name it")]

    def __repr__(self) -> str:
        """Nobody's name."""
        return "SubjectExportRequest()"


@post(
    "/v1/privacy/subject-exports",
    dto=JsonBody[SubjectExportRequest],
    return_dto=None,
    before_request=refuse_empty,
    status_code=200,
    opt={"access": only(Role.ADMIN, step_up=True), REFUSES: (404,)},
    operation_id="export_data_subject",
    summary="All that the ledger holds of a data subject, as JSON lines",
    description="A line `subject_export`, a line `record` each with payloads and receipt, and a line `end`.",
    media_type=_MEDIA_TYPE,
)
async def subject_export_route(
    request: UserRequest,
    data: JSONBody[SubjectExportRequest],
    export_subject: NamedDependency[ExportSubject],
    idempotency_key: IdempotencyKey = None,
) -> Stream:
    """Record the export, then stream it."""
    user, once = request.auth, await once_of(request, idempotency_key)
    export = await export_subject(user.actor, user.organization_id, data.data_subject, once)
    headers = {
        **secret_headers(replayed=export.replayed),
        "Content-Disposition": 'attachment; filename="subject-export.ndjson"',
    }
    return Stream(in_chunks(export.lines), status_code=200, media_type=_MEDIA_TYPE, headers=headers)
