"""``/docs``: the API reference, made of the OpenAPI document on the server. No script at all."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from governlayer_server.console.markup import Markup, document, element, join
from governlayer_server.console.pages import Assets, page_response
from governlayer_server.console.schemas import described, schema_section, type_of

Document = Mapping[str, Any]
# Kept by browsers beside the header of every response: all that this page needs.
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


def docs_route(assets: Assets) -> HTTPRouteHandler:
    """Return the route of the API reference. It needs the dependency ``openapi``, which returns the document."""
    made: list[bytes] = []

    @get("/docs", operation_id="docs", summary="This reference, to read", media_type="text/html")
    async def docs(openapi: NamedDependency[Callable[[], Document]]) -> Response[bytes]:
        """Return the API reference as a page."""
        if not made:  # once: it takes a while, and anybody may ask
            made.append(reference(openapi(), assets))
        return page_response(made[0])

    return docs


def reference(openapi: Document, assets: Assets) -> bytes:
    """Return the page for the document *openapi*, version 3.1, whose references all lead into its components."""
    operations = [
        (path, method, operation) for path, item in openapi["paths"].items() for method, operation in item.items()
    ]
    info = openapi["info"]
    title = f"{info['title']} API"
    schemas = openapi["components"]["schemas"]
    body = element(
        "body",
        element("header", element("h1", title), element("p", f"Version {info['version']}. ", _machine_readable())),
        element("nav", _contents(operations), aria_label="Operations"),
        element(
            "main",
            *(_operation(path, method, operation, openapi) for path, method, operation in operations),
            element("h2", "Schemas", id="schemas"),
            *(schema_section(name, schema) for name, schema in sorted(schemas.items())),
        ),
    )
    return document(element("html", _head(title, assets), body, lang="en"))


def _head(title: str, assets: Assets) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href=assets.url("icon.svg")),
        element("link", rel="stylesheet", href=assets.url("base.css")),
        element("link", rel="stylesheet", href=assets.url("docs.css")),
    )


def _machine_readable() -> Markup:
    return join("For programs: ", element("a", "/openapi.json", href="/openapi.json"))


def _contents(operations: list[tuple[str, str, Document]]) -> Markup:
    return element(
        "ul",
        *(
            element("li", element("a", _method(method), " ", path, href=f"#{operation['operationId']}"))
            for path, method, operation in operations
        ),
    )


def _method(method: str) -> Markup:
    return element("span", method.upper(), class_=f"method {method}")


def _operation(path: str, method: str, operation: Document, openapi: Document) -> Markup:
    return element(
        "section",
        element("h2", _method(method), " ", element("code", path)),
        element("p", operation.get("summary", ""), class_="summary"),
        element("p", described(operation)),
        element("p", _who(operation), class_="who"),
        *_parameters(operation.get("parameters", ())),
        *_request(operation),
        element("h3", "Answers"),
        element(
            "table",
            *(
                _answer(status, _followed(answer, openapi))
                for status, answer in sorted(operation.get("responses", {}).items())
            ),
        ),
        id=operation["operationId"],
    )


def _who(operation: Document) -> str:
    ways = [name for way in operation.get("security", ()) for name in way]
    return f"Credential: {' or '.join(ways)}" if ways else "Public: no credential is needed"


def _parameters(parameters: list[Document]) -> tuple[Markup, ...]:
    if not parameters:
        return ()
    rows = (
        element(
            "tr",
            element("th", element("code", one["name"]), scope="row"),
            element("td", one["in"] + (", required" if one.get("required") else "")),
            element("td", type_of(one.get("schema", {}))),
            element("td", described(one) or described(one.get("schema", {}))),
        )
        for one in parameters
    )
    return (element("h3", "Parameters"), element("table", *rows))


def _request(operation: Document) -> tuple[Markup, ...]:
    body = operation.get("requestBody")
    if body is None:
        return ()
    return (element("h3", "Body"), element("p", _contents_of(body)))


def _answer(status: str, answer: Document) -> Markup:
    return element(
        "tr",
        element("th", status, scope="row"),
        element("td", described(answer)),
        element("td", _contents_of(answer)),
    )


def _contents_of(holder: Document) -> Markup:
    """Name the media types of *holder* with their schemas."""
    shown = [
        join(element("code", media_type), " ", type_of(content.get("schema", {})))
        for media_type, content in holder.get("content", {}).items()
    ]
    return join(*shown)


def _followed(value: Document, openapi: Document) -> Document:
    place: Any = value
    while "$ref" in place:
        steps = place["$ref"].removeprefix("#/").split("/")
        place = openapi
        for step in steps:
            place = place[step]
    return place  # type: ignore[no-any-return]  # JSON
