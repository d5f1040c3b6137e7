"""The access table: every route, and who may use it, read off the rules that the routes themselves state."""

from collections.abc import Iterator

from litestar import Litestar
from litestar.routes import HTTPRoute

from governlayer_server.domain.access import Role, Rule, listed
from governlayer_server.web.authenticate import PUBLIC, SCHEME

_FRAMEWORK = {"/", "/{path}"}
_HEAD = """# Who may do what

Generated from the routes' own rules (`./run docs`); a test compares it, and another asks each cell of the running
application.

| cell | meaning |
|---|---|
| public | no credential is needed |
| yes | admitted |
| again | admits a user who has shown password and code within the last 10 minutes; else 403 `step_up_required` |
| `scope` | admits API keys with this scope, or one of these; else 403 `missing_scope` |
| empty | 403 `forbidden` |
| token of … | a token that is nobody's credential and opens nothing else; else 401 |

Without a valid credential every route that is not public answers 401 `not_authenticated`. An organization's own ids
are all that a route ever finds: those of others answer 404, as those that nobody has.
"""
RouteRule = tuple[str, str, Rule | str | None]


def access_rules(app: Litestar) -> Iterator[RouteRule]:
    """
    Yield method, path template and rule of every route, by path and method.

    The rule is None where a route has none, and the security scheme where a route checks a credential of its own.
    """
    routes = sorted((route for route in app.routes if isinstance(route, HTTPRoute)), key=lambda one: one.path_format)
    for route in routes:
        if route.path_format in _FRAMEWORK:
            continue
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if method != "OPTIONS":
                yield method, route.path_format, handler.opt.get(SCHEME, handler.opt.get("access"))


def access_table(app: Litestar) -> str:
    """Return the table as Markdown."""
    columns = ["method", "path", "API key", *(role.value for role in Role)]
    lines = [_row(columns), _row(["---"] * len(columns))]
    lines += [_row([method, f"`{path}`", *_cells(rule)]) for method, path, rule in access_rules(app)]
    return f"{_HEAD}\n" + "\n".join(lines) + "\n"


def _cells(rule: Rule | str | None) -> list[str]:
    if isinstance(rule, str):
        return [rule if rule == PUBLIC else f"`{rule}`"] * (1 + len(Role))
    if rule is None:
        return ["no rule"] * (1 + len(Role))
    key = "" if not rule.keys else listed(rule.scopes) or "yes"
    admitted = "again" if rule.step_up else "yes"
    return [key, *(admitted if not rule.roles or role in rule.roles else "" for role in Role)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
