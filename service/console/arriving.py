"""A browser on its way in, as every way of signing in needs it: what it held, what it is, what it is told to keep."""

from collections.abc import Callable
from typing import Any, NamedTuple

from litestar import Response
from litestar.datastructures import Cookie

from programs.instants import Instant
from service import audit
from service.auth import passkeys, tickets
from service.auth.devices import name_of
from service.auth.limits import SignIn
from service.auth.peer import address_of
from service.auth.staff import Staff
from service.auth.tickets import Ticket, Use
from service.console import cookies
from service.console.cookies import BROWSER, COOKIE, ENTERING, desk_of, sent
from service.console.forms import PageRequest
from service.console.pages import go


class Coming(NamedTuple):
    """The token it held before, what it says it is, and when it came."""

    replaced: str
    label: str
    now: Instant


def coming_of(request: PageRequest, now: Instant) -> Coming:
    return Coming(sent(request, COOKIE), label_of(request), now)


def label_of(request: PageRequest) -> str:
    return name_of(request.headers.get("user-agent", ""))


async def write(request: PageRequest, verb: Callable[..., Any], *args: Any) -> Any:
    """For somebody not signed in yet, or no more: what is noted says from where."""
    desk = desk_of(request)
    return await desk.db.write(audit.come_from, address_of(request.scope, desk.settings.proxies), verb, *args)


def attempt_of(request: PageRequest, account: str, known: Staff | None) -> SignIn:
    """`account` as it was typed, known or not; "" where nothing can be guessed."""
    address = address_of(request.scope, desk_of(request).settings.proxies)
    return SignIn(account, known.who.clinic if known else "", address, sent(request, BROWSER))


async def entering_of(request: PageRequest, use: Use) -> Ticket | None:
    """The step this browser is at; None for one that was used or ran out."""
    desk = desk_of(request)
    found: Ticket | None = await desk.db.read(tickets.find_ticket, sent(request, ENTERING), desk.clock.now(), [use])
    return found


def entered(request: PageRequest, token: str, then: str = "") -> Response[str]:
    return go(then or "/clinic", *arrived(request, token))


def arrived(request: PageRequest, token: str) -> tuple[Cookie, ...]:
    return (cookies.of_session(request, token), cookies.gone(request, ENTERING), cookies.of_browser(request))


def site_of(request: PageRequest) -> passkeys.Site | None:
    """None where no browser would make a passkey for this server."""
    return passkeys.site_of(desk_of(request).settings.public_url)
