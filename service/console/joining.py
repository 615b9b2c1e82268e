"""An invitation becomes somebody who can sign in: a password, and a second factor, at once. The first admin too.

The link holds its code behind a #, which browsers send to nobody; the page asks for it, and posting it shows the rest.
Looking uses up nothing: a code is used when it is done, by one of those who try.
"""

from typing import NamedTuple

import msgspec
from litestar import Response, get, post
from sqlalchemy import Connection

from notifications.timing import zone_names
from programs import people, walls
from programs.errors import Conflict, Invalid, ProgramsError, did_you_mean
from programs.ids import derived_id
from programs.instants import Instant
from programs.people import Clinic
from service.auth import limits, passkeys, second_factor, staff, tickets
from service.auth.limits import REDEEM_BY_ADDRESS, Take
from service.auth.peer import address_of, network
from service.auth.staff import Factors, Staff
from service.auth.tickets import State, Ticket
from service.console import cookies
from service.console.arriving import Coming, coming_of, label_of, site_of, write
from service.console.cookies import desk_of
from service.console.forms import PageRequest, Typed, typed
from service.console.pages import page, qr

NO_SUCH = "We do not know this code, or it has run out or was used. Ask for a new invitation."
FIRST = "The clinic's name and where it is; you will be its first admin."


class Joining(NamedTuple):
    """Somebody on the way: their ticket, and who they are to be, where that is known."""

    ticket: Ticket
    it: Staff | None
    clinic: Clinic | None


class Newcomer(NamedTuple):
    """What somebody filled in; `clinic` is that of a first admin, who founds it, and else None."""

    clinic: Clinic | None
    email: str
    name: str
    factors: Factors
    recovery: list[str]


@get("/join")
async def ask() -> Response[str]:
    return _ask()


def _ask(status: int = 200, problem: str = "") -> Response[str]:
    return page("join_code", status, here=None, problem=problem, script="join.js")


@post("/join", status_code=200)
async def show(request: PageRequest) -> Response[str]:
    form = await typed(request)
    joining = await _joining(request, form["code"])
    return await _form(request, joining, form) if joining else _ask(403, NO_SUCH)


@post("/join/finish", status_code=200)
async def finish(request: PageRequest) -> Response[str]:
    form, desk = await typed(request), desk_of(request)
    joining = await _joining(request, form["code"])
    if joining is None:
        return _ask(403, NO_SUCH)
    try:
        newcomer = await _newcomer(request, joining, form)
        token = await write(request, _join, joining, newcomer, coming_of(request, desk.clock.now()))
    except ProgramsError as error:
        return await _form(request, joining, form, error)
    if token is None:
        return _ask(403, NO_SUCH)
    shown = page("recovery_codes", here=None, codes=newcomer.recovery, then="/")
    shown.cookies += [cookies.of_session(request, token), cookies.of_browser(request)]
    return shown


async def _joining(request: PageRequest, code: str) -> Joining | None:
    desk = desk_of(request)
    now = desk.clock.now()
    take = Take(REDEEM_BY_ADDRESS, (network(address_of(request.scope, desk.settings.proxies)),))
    await desk.db.write(limits.take, [take], now)
    found: Joining | None = await desk.db.write(_open, code, now)
    return found


def _open(db: Connection, code: str, now: Instant) -> Joining | None:
    """The secret and the challenge are made once a ticket: a form shown again shows the same QR code."""
    tickets.lock(db, code)
    ticket = tickets.find_ticket(db, code, now, ("first", "invitation"))
    if ticket is None:
        return None
    if not ticket.state.secret:
        state = State(secret=second_factor.make_secret(), challenge=passkeys.new_challenge())
        tickets.remember(db, ticket, state)
        ticket = msgspec.structs.replace(ticket, state=state)
    if ticket.use == "first":
        return Joining(ticket, None, None)
    return Joining(ticket, staff.staff_of(db, ticket.who), people.clinic_of(db, ticket.who.clinic))


def _join(db: Connection, joining: Joining, it: Newcomer, coming: Coming) -> str | None:
    """All of it or nothing; None for whoever comes second."""
    if not tickets.use_ticket(db, joining.ticket, coming.now):
        return None
    who = joining.ticket.who
    if it.clinic is not None:
        if staff.is_anybody(db):
            raise Conflict("there is staff already", "Somebody was here before you. Ask them to invite you.")
        walls.enter(db, it.clinic.id)
        people.add_clinic(db, it.clinic, coming.now)
        who = staff.add(db, it.clinic.id, it.email, it.name, "admin", coming.now)
    walls.enter(db, who.clinic)
    staff.join(db, who, it.factors, it.recovery, coming.now)
    return staff.open_session(db, who, coming.replaced, coming.label, coming.now)


# what was filled in


async def _newcomer(request: PageRequest, joining: Joining, form: Typed) -> Newcomer:
    """Raises Invalid, naming the field."""
    clinic, email, name = joining.clinic, joining.it.email if joining.it else "", joining.it.name if joining.it else ""
    if joining.it is None:
        clinic, email, name = _clinic(form), staff.email_from(form["email"]), staff.name_from(form["name"])
    factors = await _factors(request, joining, form, (name, email, clinic.name if clinic else ""))
    return Newcomer(clinic if joining.it is None else None, email, name, factors, second_factor.make_recovery_codes())


def _clinic(form: Typed) -> Clinic:
    name = " ".join(form["clinic"].split())
    if not name or len(name) > 100 or not name.isprintable():
        raise Invalid("clinic", "must be 1 to 100 characters")
    if form["zone"] not in zone_names():
        hint = did_you_mean(form["zone"], zone_names()) or "For example “Europe/Madrid”."
        raise Invalid("zone", "is not the name of a time zone", hint)
    return clinic_of(name, form["zone"], form["country"], form["phone"])


def clinic_of(name: str, zone: str, country: str, phone: str) -> Clinic:
    """Raises Invalid. The id is the one an import of the clinic's visits would give it."""
    country, phone = country.strip().upper(), " ".join(phone.split())
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        raise Invalid("country", "must be two letters", "For example US, GB or ES (ISO 3166).")
    if not phone or len(phone) > 40 or not phone.isprintable():
        raise Invalid("phone", "must be 1 to 40 characters", "Patients are shown it when they should call.")
    return Clinic(derived_id("clinic", name), name, zone, country, phone)


async def _factors(request: PageRequest, joining: Joining, form: Typed, names: tuple[str, ...]) -> Factors:
    desk, state, site = desk_of(request), joining.ticket.state, site_of(request)
    await desk.passwords.check(form["password"], names)
    if form["passkey"] and site is not None and joining.it is not None:
        key = passkeys.made(site, state.challenge, form["passkey"])
        return Factors(await desk.passwords.hash(form["password"]), passkey=key, label=label_of(request))
    step = second_factor.step_of(state.secret, form["one_time_code"], 0, desk.clock.now())
    if step is None:
        raise Invalid("one_time_code", "does not fit", "Type the newest six digits your app shows for Homestretch.")
    return Factors(await desk.passwords.hash(form["password"]), totp=state.secret, totp_step=step)


async def _form(
    request: PageRequest, joining: Joining, form: Typed, error: ProgramsError | None = None
) -> Response[str]:
    secret, site, it = joining.ticket.state.secret, site_of(request), joining.it
    email = it.email if it else form["email"]
    options = passkeys.to_make(site, it.who, email, joining.ticket.state.challenge, ()) if site and it else ""
    return page(
        "join",
        422 if error else 200,
        here=None,
        it=it,
        clinic=joining.clinic,
        form=form,
        error=error,
        qr=qr(second_factor.uri(secret, email or "first admin")),
        secret=second_factor.spaced(secret),
        options=options,
        script="passkeys.js",
    )


ROUTES = [ask, show, finish]
