"""Makes the HTML of a page and its headers. No script, nothing from another host; what a page shows is told it."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType

from programs import dosage
from service.console import words

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    # Not "no-referrer": browsers would then send "Origin: null" with our own forms too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_templates = Environment(
    loader=PackageLoader("service.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(words=words, say_dosage=dosage.say)


def page(template: str, status: int = 200, /, **shown: Any) -> Response[str]:
    """`shown` always holds `here` (who looks, or None)."""
    html = _templates.get_template(f"{template}.html").render(**shown)
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=HEADERS)


def go(path: str, *cookies: Cookie) -> Response[str]:
    """After every change: 303, so that loading the page again does not do it again."""
    headers = {**HEADERS, "Location": path}
    return Response("", status_code=303, media_type=MediaType.TEXT, headers=headers, cookies=cookies)
