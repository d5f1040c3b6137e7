"""/v1/privacy/…: papers from live data, as JSON or to read."""

from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from governlayer_server.domain.access import Role, only
from governlayer_server.domain.paperwork import LogKeeping, ProcessingRecords
from governlayer_server.domain.paperwork_pages import logs_page, records_page
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.web.authenticate import ALSO, UserRequest

MARKDOWN = "text/markdown"
_RULE = {"access": only(Role.ADMIN), ALSO: MARKDOWN}


_Format = Annotated[
    Literal["json", "markdown"], QueryParameter(name="format", description="`markdown`: a page to read and print")
]


@get(
    "/v1/privacy/processing-records",
    opt=_RULE,
    operation_id="processing_records",
    summary="Records of processing activities (GDPR Art. 30)",
)
async def processing_records_route(
    request: UserRequest, keep_paperwork: NamedDependency[KeepPaperwork], written: _Format = "json"
) -> Response[ProcessingRecords]:
    """Return them as they follow from the data and settings of now; `to_supply` lists what nobody has supplied."""
    paper = await keep_paperwork.processing_records(request.auth.organization_id)
    return _as_page(records_page(paper)) if written == "markdown" else Response(paper)


@get(
    "/v1/privacy/log-keeping",
    opt=_RULE,
    operation_id="log_keeping",
    summary="Which logs are kept, and how (AI Act Art. 12, 19, 26(6))",
)
async def log_keeping_route(
    request: UserRequest, keep_paperwork: NamedDependency[KeepPaperwork], written: _Format = "json"
) -> Response[LogKeeping]:
    """Return the statement as it follows from the data and settings of now."""
    paper = await keep_paperwork.log_keeping(request.auth.organization_id)
    return _as_page(logs_page(paper)) if written == "markdown" else Response(paper)


def _as_page(text: str) -> Response[Any]:
    return Response(text, media_type=MARKDOWN)


PAPER_ROUTES = (processing_records_route, log_keeping_route)
