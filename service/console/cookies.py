"""What a browser is told to keep: who is signed in, a step on the way there, and that somebody signed in here before.

Over https each is a `__Host-` cookie: no other host, and nobody who can only write plain http, can set one. Over plain
http, which is for this machine alone (settings.py), browsers would refuse that name.
"""

import secrets
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from service.api.call import Desk
from service.console.forms import PageRequest
from service.settings import Settings

COOKIE = "homestretch"
ENTERING = "homestretch-entering"
BROWSER = "homestretch-browser"
# In seconds; the token itself says when it ends.
SESSION_KEPT = 12 * 3600
DEVICE_KEPT = BROWSER_KEPT = 365 * 86_400
ENTERING_KEPT = 15 * 60


def desk_of(request: PageRequest) -> Desk:
    return request.app.state.desk  # type: ignore[no-any-return]


def sent(request: PageRequest, name: str) -> str:
    return request.cookies.get(_named(name, desk_of(request).settings), "")


def of_session(request: PageRequest, token: str) -> Cookie:
    return _cookie(request, COOKIE, token, SESSION_KEPT)


def of_device(request: PageRequest, token: str) -> Cookie:
    return _cookie(request, COOKIE, token, DEVICE_KEPT)


def of_entering(request: PageRequest, code: str) -> Cookie:
    return _cookie(request, ENTERING, code, ENTERING_KEPT)


def of_browser(request: PageRequest) -> Cookie:
    """So that strangers who fail to sign in as somebody cannot slow them down here (see auth/limits.py)."""
    return _cookie(request, BROWSER, sent(request, BROWSER) or secrets.token_urlsafe(16), BROWSER_KEPT)


def gone(request: PageRequest, name: str) -> Cookie:
    return _cookie(request, name, "", 0)


def is_secure(settings: Settings) -> bool:
    return urlsplit(settings.public_url).scheme == "https"


def _named(name: str, settings: Settings) -> str:
    return f"__Host-{name}" if is_secure(settings) else name


def _cookie(request: PageRequest, name: str, value: str, seconds: int) -> Cookie:
    settings = desk_of(request).settings
    secure = is_secure(settings)
    return Cookie(
        _named(name, settings), value=value, path="/", max_age=seconds, httponly=True, samesite="lax", secure=secure
    )
