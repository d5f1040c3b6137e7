"""``/setup``, ``/join``, ``/reset``: for people with a one-time link. The server sees its token in a POST alone."""

from litestar.handlers import HTTPRouteHandler

from governlayer_server.console.pages import NEVER, Assets, page_route


def account_routes(assets: Assets) -> list[HTTPRouteHandler]:
    """Return the routes of the three pages. They only hold forms, change nothing, and no cache keeps them."""
    return [
        page_route("/setup", "setup.html", "Found an organization with a one-time link, in a browser", assets, NEVER),
        page_route("/join", "join.html", "Take up an invitation, in a browser", assets, NEVER),
        page_route("/reset", "reset.html", "Set a new password with a one-time link, in a browser", assets, NEVER),
    ]
