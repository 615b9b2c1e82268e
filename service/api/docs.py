"""The documentation: the OpenAPI document, and a page made of it on the server, without a script or another host."""

from base64 import b64encode
from hashlib import sha256
from typing import Any

import jinja2
import msgspec
from litestar import get
from litestar.response.base import ASGIResponse
from markupsafe import Markup

from service.api.call import ApiRequest

OPENAPI_PATH = "/openapi.json"


class Documentation(msgspec.Struct, frozen=True):
    """Both made once, when the application is built."""

    openapi: bytes
    page: bytes
    policy: str


def document(openapi: dict[str, Any]) -> Documentation:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("service"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["kind"] = _kind
    templates.filters["prose"] = _prose
    page = templates.get_template("api_docs.html").render(api=openapi, schemas=openapi["components"]["schemas"])
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    return Documentation(msgspec.json.format(msgspec.json.encode(openapi), indent=1), page.encode(), policy)


def _prose(text: str) -> Markup:
    """`code` and empty lines, which is all our own words use of Markdown."""
    parts = text.split("`")
    marked = [
        Markup("<code>{}</code>").format(part) if at % 2 else Markup.escape(part) for at, part in enumerate(parts)
    ]
    return Markup("").join(marked).replace("\n\n", Markup("<br><br>"))


def _kind(schema: dict[str, Any]) -> Markup:
    """The type of a field in a few words, linked to the schema it names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#{}">{}</a>').format(name, name)
    if "anyOf" in schema:
        return Markup(" or ").join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return Markup(" | ").join(Markup("<code>{}</code>").format(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema.get("items") or {}))
    if schema.get("type") == "object":
        return Markup("object of {}").format(_kind(schema.get("additionalProperties") or {}))
    return Markup.escape(f"{schema.get('type', 'anything')} {schema.get('format', '')}".strip())


@get(OPENAPI_PATH)
async def get_openapi(request: ApiRequest) -> ASGIResponse:
    """The API in OpenAPI 3.1."""
    it: Documentation = request.app.state.documentation
    return ASGIResponse(body=it.openapi, media_type="application/json", headers={"cache-control": "max-age=300"})


@get("/docs")
async def get_docs(request: ApiRequest) -> ASGIResponse:
    """The same to read."""
    it: Documentation = request.app.state.documentation
    headers = {"content-security-policy": it.policy, "cache-control": "max-age=300"}
    return ASGIResponse(body=it.page, media_type="text/html", headers=headers)


ROUTES = (get_openapi, get_docs)
