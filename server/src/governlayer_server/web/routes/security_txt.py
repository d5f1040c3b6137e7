"""``/.well-known/security.txt`` (RFC 9116): whom to tell about a weakness. Public."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.times import SECOND_US, time_text
from governlayer_server.ports import Clock
from governlayer_server.web.authenticate import PUBLIC, REFUSES
from governlayer_server.web.edge import Edge

PATH = "/.well-known/security.txt"
# RFC 9116 §2.5.5 asks for less than a year. Counted from each request: a served file never runs out by itself.
EXPIRES_IN_S = 180 * 24 * 3600


def security_txt_route(edge: Edge, clock: Clock) -> HTTPRouteHandler:
    """Return the route; where *edge* names no contact it answers that there is nothing at its path, and why."""

    @get(
        PATH,
        opt={"access": PUBLIC, REFUSES: (404,)},
        operation_id="security_txt",
        summary="Whom to tell about a weakness (RFC 9116)",
        media_type="text/plain",
    )
    async def security_txt_file() -> Response[str]:
        """Return the contact that the operator configured; without one there is nothing at this path."""
        if edge.security_contact is None:
            raise NotFound("the operator has not configured a security contact (GOVERNLAYER_SECURITY_CONTACT)")
        return Response(security_txt(edge, clock.now_us()), media_type="text/plain")

    return security_txt_file


def security_txt(edge: Edge, now_us: int) -> str:
    """
    Return the file (RFC 9116 §2) as it is at *now_us*, microseconds since the Unix epoch; *edge* names a contact.

    >>> print(security_txt(Edge(security_contact="mailto:s@example.com"), 0), end="")
    Contact: mailto:s@example.com
    Expires: 1970-06-30T00:00:00Z
    Preferred-Languages: en
    """
    expires_us = (now_us // SECOND_US + EXPIRES_IN_S) * SECOND_US
    fields = [
        ("Contact", edge.security_contact),
        ("Expires", time_text(expires_us).replace(".000000", "")),
        ("Preferred-Languages", "en"),
        ("Canonical", edge.public_url and edge.public_url + PATH),
    ]
    return "".join(f"{name}: {value}\n" for name, value in fields if value)
