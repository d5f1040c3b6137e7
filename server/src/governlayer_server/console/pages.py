"""
The one way to serve a page and what belongs to it, from package data.

    page_route("/setup", "setup.html", "Found an organization", assets)

``setup.html`` in ``static/`` writes ``href="/static/account.css"`` and ``src="/static/account.js"``; what is served
names them with a hash in them (``/static/account.0123456789ab.css``), so that browsers keep each file for ever and
never an old one. Nothing is read after the start, and no path of a request ever names a file.
"""

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Self

from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from governlayer_server.domain.errors import NotFound

HTML = "text/html"
_TYPES = {
    ".css": "text/css",
    ".html": HTML,
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_REFERENCE = re.compile(r'"/static/([^"]*)"')
_HASH_CHARACTERS = 12
# A page is asked for anew each time, because its files change their names.
ASKED_ANEW = "no-cache"
NEVER = "no-store"
_FOR_EVER = "public, max-age=31536000, immutable"


class _File(Struct, frozen=True):
    media_type: str
    content: bytes


class Assets:
    """
    The files of one folder, read once.

    Args:
        contents: name → bytes; the ending of a name says its media type.

    Raises:
        KeyError: the ending of a name is not known, or a page names a file that is not there. Nothing is served.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        pages = {name for name in contents if name.endswith(".html")}
        self._urls = {name: _hashed(name, contents[name]) for name in contents if name not in pages}
        self._files = {
            self._urls[name].rpartition("/")[2]: _File(_TYPES[_ending(name)], contents[name]) for name in self._urls
        }
        self._pages = {name: self._linked(contents[name].decode()) for name in pages}

    @classmethod
    def shipped(cls) -> Self:
        """Return the files that are shipped with the console."""
        return cls.of(files("governlayer_server.console") / "static")

    @classmethod
    def of(cls, folder: Traversable) -> Self:
        """Return the files of *folder*, without those of folders in it."""
        return cls({entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()})

    def url(self, name: str) -> str:
        """Return where the file *name* is served; KeyError when there is none."""
        return self._urls[name]

    def page(self, name: str) -> bytes:
        """Return the page *name* as it is served; KeyError when there is none."""
        return self._pages[name]

    def file(self, hashed_name: str) -> _File | None:
        """Return what is served at ``/static/<hashed_name>``."""
        return self._files.get(hashed_name)

    def _linked(self, html: str) -> bytes:
        return _REFERENCE.sub(lambda found: f'"{self.url(found[1])}"', html).encode()


def page_route(path: str, name: str, summary: str, assets: Assets, kept: str = ASKED_ANEW) -> HTTPRouteHandler:
    """
    Return the route that serves the page *name* of *assets* at *path* to anyone; pages hold no data.

    *kept* tells browsers how to keep it: ``ASKED_ANEW``, or ``NEVER``.

    Raises:
        KeyError: there is no such page.
    """
    html = assets.page(name)

    @get(path, operation_id=f"page_{name.removesuffix('.html')}", summary=summary, media_type="text/html")
    async def page() -> Response[bytes]:
        """Return the page."""
        return page_response(html, kept)

    return page


def page_response(html: bytes, kept: str = ASKED_ANEW) -> Response[bytes]:
    """Return *html* as the answer of a page, with *kept* as its ``Cache-Control``."""
    return Response(html, media_type=HTML, headers={"Cache-Control": kept})


def static_route(assets: Assets) -> HTTPRouteHandler:
    """Return the route that serves the files of *assets*, ``/static/<name with hash>``."""

    @get(
        "/static/{name:str}",
        operation_id="static_file",
        summary="A file that a page needs",
        media_type="*/*",
        response_headers=[ResponseHeader(name="Cache-Control", value=_FOR_EVER, documentation_only=True)],
    )
    async def static(name: FromPath[str]) -> Response[bytes]:
        """Return the file; its name holds a hash of its content, so that it never changes."""
        found = assets.file(name)
        if found is None:
            raise NotFound("there is no such file")
        return Response(found.content, media_type=found.media_type, headers={"Cache-Control": _FOR_EVER})

    return static


def _hashed(name: str, content: bytes) -> str:
    ending = _ending(name)
    digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]
    return f"/static/{name.removesuffix(ending)}.{digest}{ending}"


def _ending(name: str) -> str:
    return name[name.rindex(".") :] if "." in name else ""
