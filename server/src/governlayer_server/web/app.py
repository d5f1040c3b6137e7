"""The application: routes, their use cases, and the rules that hold for all of them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from msgspec import Struct

from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.ports import Clock, Entropy
from governlayer_server.usecases.authenticate import Authenticate
from governlayer_server.usecases.change_organization import ChangeOrganization
from governlayer_server.usecases.erase import Erase
from governlayer_server.usecases.export_ledger import ExportLedger
from governlayer_server.usecases.export_subject import ExportSubject
from governlayer_server.usecases.govern import Govern
from governlayer_server.usecases.identity import Identity
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.usecases.make_receipt import MakeReceipt
from governlayer_server.usecases.manage_holds import ManageHolds
from governlayer_server.usecases.manage_keys import ManageKeys
from governlayer_server.usecases.manage_users import ManageUsers
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.read_ledger import ReadLedger
from governlayer_server.usecases.read_tiles import ReadTiles
from governlayer_server.usecases.read_usage import ReadUsage
from governlayer_server.usecases.read_users import ReadUsers
from governlayer_server.usecases.register import Register
from governlayer_server.usecases.verify_ledger import VerifyLedger
from governlayer_server.web.authenticate import PUBLIC, Authentication, Authorization
from governlayer_server.web.bodies import MAX_BODY_BYTES
from governlayer_server.web.deadline import Deadline
from governlayer_server.web.edge import Edge
from governlayer_server.web.links import Links
from governlayer_server.web.observe import LogLine, Measure, Observed
from governlayer_server.web.openapi import TrueJsonPlugin, complete, refuse_other_paths
from governlayer_server.web.options import complete_options
from governlayer_server.web.problems import on_any_error, on_governlayer_error, on_http_error
from governlayer_server.web.routes.auth import (
    login_route,
    logout_route,
    password_route,
    refresh_route,
    step_up_route,
)
from governlayer_server.web.routes.govern import govern_route
from governlayer_server.web.routes.health import (
    Installation,
    Probes,
    about_route,
    livez_route,
    problem_route,
    readyz_route,
)
from governlayer_server.web.routes.keys import KEY_ROUTES
from governlayer_server.web.routes.ledger import (
    checkpoint_route,
    dump_route,
    ledger_route,
    record_route,
    records_route,
)
from governlayer_server.web.routes.ledger_proofs import PROOF_ROUTES
from governlayer_server.web.routes.ledger_tiles import TILE_ROUTES
from governlayer_server.web.routes.ledger_verify import verify_route
from governlayer_server.web.routes.metrics import Exposition, metrics_route
from governlayer_server.web.routes.organization import (
    change_organization_route,
    organization_route,
    usage_route,
)
from governlayer_server.web.routes.privacy import PRIVACY_ROUTES
from governlayer_server.web.routes.privacy_exports import subject_export_route
from governlayer_server.web.routes.privacy_holds import HOLD_ROUTES
from governlayer_server.web.routes.privacy_records import PAPER_ROUTES
from governlayer_server.web.routes.register import register_route
from governlayer_server.web.routes.reset import forgot_route, reset_route
from governlayer_server.web.routes.security_txt import security_routes
from governlayer_server.web.routes.sessions import end_session_route, sessions_route
from governlayer_server.web.routes.totp import begin_totp_route, confirm_totp_route, remove_totp_route
from governlayer_server.web.routes.users import (
    change_user_route,
    invite_again_route,
    invite_route,
    me_route,
    remove_user_route,
    user_route,
    users_route,
)
from governlayer_server.web.throttle import Spending, Throttle


class Metrics(Struct, frozen=True, kw_only=True):
    """The figures: what counts each request, and what tells them all."""

    measure: Measure
    exposition: Exposition


class UseCases(Struct, frozen=True, kw_only=True):
    """All that the routes may call, and the links they hand out."""

    authenticate: Authenticate
    limit_requests: LimitRequests
    govern: Govern
    read_ledger: ReadLedger
    export_ledger: ExportLedger
    export_subject: ExportSubject
    manage_holds: ManageHolds
    prove_ledger: ProveLedger
    make_receipt: MakeReceipt
    read_tiles: ReadTiles
    verify_ledger: VerifyLedger
    register: Register
    read_users: ReadUsers
    manage_users: ManageUsers
    change_organization: ChangeOrganization
    read_usage: ReadUsage
    links: Links
    identity: Identity
    manage_keys: ManageKeys
    keep_paperwork: KeepPaperwork
    erase: Erase


def create_app(
    use_cases: UseCases,
    installation: Installation,
    probes: Probes,
    clock: Clock,
    entropy: Entropy,
    log: LogLine,
    metrics: Metrics,
    edge: Edge,
    pages: Sequence[HTTPRouteHandler] = (),
) -> Observed:
    """
    Return the ASGI application. The security headers are the ASGI server's to add (``web/headers.py``).

    *pages* are open to anyone; they may ask for the dependency ``openapi``, which returns the OpenAPI document.
    """

    @cache
    def openapi() -> dict[str, Any]:
        return complete(app.openapi_schema.to_schema(), app)

    app = Litestar(
        route_handlers=[
            govern_route,
            ledger_route,
            records_route,
            record_route,
            checkpoint_route,
            dump_route,
            *PROOF_ROUTES,
            *TILE_ROUTES,
            verify_route,
            *HOLD_ROUTES,
            subject_export_route,
            register_route,
            me_route,
            users_route,
            user_route,
            invite_route,
            invite_again_route,
            change_user_route,
            remove_user_route,
            organization_route,
            change_organization_route,
            usage_route,
            login_route,
            refresh_route,
            logout_route,
            password_route,
            step_up_route,
            sessions_route,
            end_session_route,
            begin_totp_route,
            confirm_totp_route,
            remove_totp_route,
            forgot_route,
            reset_route,
            *KEY_ROUTES,
            *PAPER_ROUTES,
            *PRIVACY_ROUTES,
            livez_route,
            readyz_route,
            about_route,
            problem_route,
            *security_routes(edge, clock),
            *([metrics_route(edge.metrics_token)] if edge.metrics_token else []),
            Router(path="/", route_handlers=pages, opt={"access": PUBLIC}),
        ],
        dependencies={
            "govern": _provide(use_cases.govern),
            "read_ledger": _provide(use_cases.read_ledger),
            "export_ledger": _provide(use_cases.export_ledger),
            "export_subject": _provide(use_cases.export_subject),
            "manage_holds": _provide(use_cases.manage_holds),
            "prove_ledger": _provide(use_cases.prove_ledger),
            "make_receipt": _provide(use_cases.make_receipt),
            "read_tiles": _provide(use_cases.read_tiles),
            "verify_ledger": _provide(use_cases.verify_ledger),
            "register": _provide(use_cases.register),
            "read_users": _provide(use_cases.read_users),
            "manage_users": _provide(use_cases.manage_users),
            "change_organization": _provide(use_cases.change_organization),
            "read_usage": _provide(use_cases.read_usage),
            "links": _provide(use_cases.links),
            "identity": _provide(use_cases.identity),
            "manage_keys": _provide(use_cases.manage_keys),
            "keep_paperwork": _provide(use_cases.keep_paperwork),
            "erase": _provide(use_cases.erase),
            "installation": _provide(installation),
            "probes": _provide(probes),
            "exposition": _provide(metrics.exposition),
            "openapi": _provide(openapi),
        },
        middleware=[
            Throttle(use_cases.limit_requests, clock, entropy),
            Deadline(),
            Authentication(use_cases.authenticate),
            Spending(use_cases.limit_requests, clock, use_cases.authenticate.usage.note),
            Authorization(clock, use_cases.authenticate.usage.note),
        ],
        exception_handlers={
            GovernLayerError: on_governlayer_error,
            HTTPException: on_http_error,
            Exception: on_any_error,
        },
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="GovernLayer",
            version=installation.version,
            path="/",
            render_plugins=[TrueJsonPlugin(openapi)],
            openapi_router=Router(
                path="/", route_handlers=[], opt={"access": PUBLIC}, before_request=refuse_other_paths
            ),
        ),
        logging_config=None,
    )
    complete_options(app)
    return Observed(app, clock, entropy, log, metrics.measure)


def _provide(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
