"""Makes the HTML of a page and its headers. Nothing from another host; what a page shows is told it.

Only the pages of signing in have a script, and only with a number used once; every other page runs none at all.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from markupsafe import Markup

from programs import dosage
from programs.instants import SECOND
from service.auth.tokens import SESSION
from service.console import words

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
WITH_SCRIPT = "script-src 'nonce-{nonce}'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    # Not "no-referrer": browsers would then send "Origin: null" with our own forms too.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# A page left open shows nobody's record for longer than the session of whoever opened it.
LEFT_OPEN = {"Refresh": f"{(SESSION.idle or 0) // SECOND + 5}; url=/"}

_templates = Environment(
    loader=PackageLoader("service.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(words=words, say_dosage=dosage.say, script="")


def page(template: str, status: int = 200, /, **shown: Any) -> Response[str]:
    """`shown` always holds `here` (who looks, or None), and `script` where the page has one of our files."""
    headers = {**HEADERS}
    if shown.get("script"):
        shown["nonce"] = secrets.token_urlsafe(16)
        headers["Content-Security-Policy"] = f"{POLICY}; {WITH_SCRIPT.format(nonce=shown['nonce'])}"
    if shown["here"] is not None and shown["here"].who.kind != "patient":
        headers |= LEFT_OPEN
    html = _templates.get_template(f"{template}.html").render(**shown)
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers)


def qr(text: str) -> Markup:
    """Markup, as it is ours alone: text goes in, squares come out."""
    svg = segno.make(text, error="m", micro=False).svg_inline(border=4, dark="#1c2429", light="#fff", omitsize=True)
    return Markup(svg)  # noqa: S704


def go(path: str, *cookies: Cookie, headers: Mapping[str, str] | None = None) -> Response[str]:
    """After every change: 303, so that loading the page again does not do it again."""
    said = {**HEADERS, "Location": path, **(headers or {})}
    return Response("", status_code=303, media_type=MediaType.TEXT, headers=said, cookies=cookies)


def say(json: str, *cookies: Cookie) -> Response[str]:
    """To a script of ours."""
    return Response(json, media_type=MediaType.JSON, headers=HEADERS, cookies=cookies)
