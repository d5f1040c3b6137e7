"""``/.well-known/security.txt`` (RFC 9116): whom to tell about a weakness, and the policy that it links to. Public."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.times import SECOND_US, time_text
from governlayer_server.ports import Clock
from governlayer_server.web import security_policy
from governlayer_server.web.authenticate import PUBLIC, REFUSES
from governlayer_server.web.edge import Edge

PATH = "/.well-known/security.txt"
# RFC 9116 §2.5.5 asks for less than a year. Counted from each request: a served file never runs out by itself.
EXPIRES_IN_S = 180 * 24 * 3600


def security_routes(edge: Edge, clock: Clock) -> list[HTTPRouteHandler]:
    """Return both routes; where *edge* names no contact they answer that there is nothing at their paths, and why."""

    @get(
        PATH,
        opt={"access": PUBLIC, REFUSES: (404,)},
        operation_id="security_txt",
        summary="Whom to tell about a weakness (RFC 9116)",
        media_type="text/plain",
    )
    async def security_txt_file() -> Response[str]:
        """Return the contact that the operator configured; without one there is nothing at this path."""
        _contact(edge)
        return Response(security_txt(edge, clock.now_us()), media_type="text/plain")

    @get(
        security_policy.PATH,
        opt={"access": PUBLIC, REFUSES: (404,)},
        operation_id="security_policy",
        summary="How to report a weakness, and what happens then",
        media_type="text/plain",
    )
    async def security_policy_file() -> Response[str]:
        """Return the policy, Markdown, with the contact that the operator configured."""
        return Response(security_policy.security_policy(_contact(edge)), media_type="text/plain")

    return [security_txt_file, security_policy_file]


def security_txt(edge: Edge, now_us: int) -> str:
    """
    Return the file (RFC 9116 §2) as it is at *now_us*, microseconds since the Unix epoch; *edge* names a contact.

    Its links are absolute and ``https:`` (§2.5.2, §2.5.7): without such a public URL there are none.

    >>> edge = Edge(security_contact="mailto:s@example.com", public_url="https://gl.example.com")
    >>> print(security_txt(edge, 0), end="")
    Contact: mailto:s@example.com
    Expires: 1970-06-30T00:00:00Z
    Preferred-Languages: en
    Canonical: https://gl.example.com/.well-known/security.txt
    Policy: https://gl.example.com/docs/security-policy
    """
    expires_us = (now_us // SECOND_US + EXPIRES_IN_S) * SECOND_US
    fields = [
        ("Contact", _contact(edge)),
        ("Expires", time_text(expires_us).replace(".000000", "")),
        ("Preferred-Languages", "en"),
    ]
    if edge.public_url is not None and edge.public_url.startswith("https://"):
        fields += [("Canonical", edge.public_url + PATH), ("Policy", edge.public_url + security_policy.PATH)]
    return "".join(f"{name}: {value}\n" for name, value in fields)


def _contact(edge: Edge) -> str:
    if edge.security_contact is None:
        raise NotFound("the operator has not configured a security contact (GOVERNLAYER_SECURITY_CONTACT)")
    return edge.security_contact
