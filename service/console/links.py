"""Where the links in messages lead: open a message, the list of flags, and no more e-mail, without signing in.

A link holds a message's id, 128 bits that nobody can guess; what it opens is shown after sign-in only.
"""

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from notifications import addresses
from notifications.receipts import Receipt
from programs.errors import NoSuchRecord
from programs.instants import Instant
from service import audit, care
from service.api.call import checked_id
from service.auth import limits
from service.auth.limits import STOP_BY_ADDRESS, Take
from service.auth.peer import address_of, network
from service.console.cookies import desk_of
from service.console.doors import visitor
from service.console.forms import PageRequest
from service.console.pages import go, page


@get("/open/{message:str}")
async def open_message(request: PageRequest, message: FromPath[str]) -> Response[str]:
    """Notes that a patient opened it, and shows their today; whoever else follows the link learns nothing by it."""
    here = await visitor(request)
    if here is not None and here.who.kind == "patient":
        try:
            opened = Receipt(checked_id(message, "message"), "opened", here.now)
            await here.db.write(care.confirm, here.who, opened, here.now)
        except NoSuchRecord:
            return go("/today")
    return go("/")


@get("/flags")
async def open_flags() -> Response[str]:
    return go("/clinic")


@get("/unsubscribe/{message:str}")
async def ask_to_stop(message: FromPath[str]) -> Response[str]:
    """Asks first: mail scanners follow every link."""
    return page("unsubscribe", here=None, message=checked_id(message, "message"), stopped=False)


@post("/unsubscribe/{message:str}", status_code=200)
async def stop_mail(request: PageRequest, message: FromPath[str]) -> Response[str]:
    """RFC 8058: one POST from a mail program, without a cookie. A message nobody knows gets the same answer."""
    desk = desk_of(request)
    here = network(address_of(request.scope, desk.settings.proxies))
    await desk.db.write(_stop, checked_id(message, "message"), here, desk.clock.now())
    return page("unsubscribe", here=None, message=message, stopped=True)


def _stop(db: Connection, message: str, here: str, now: Instant) -> None:
    """The clinic sees on the patient's page that e-mail was stopped, and in its log by which message."""
    limits.take(db, [Take(STOP_BY_ADDRESS, (here,))], now)
    found = addresses.stop_mail(db, message, now)
    if found is not None:
        clinic, person = found
        audit.note(db, clinic, "link:e-mail", "stop e-mail", person, message, now)


ROUTES = (open_message, open_flags)
# A mail program says nothing of where its POST comes from, and there is no session here that could be abused.
UNSIGNED = (ask_to_stop, stop_mail)
