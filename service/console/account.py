"""What a clinician sees and changes of how they sign in. Whatever changes it asks for a sign-in of the last minutes."""

from typing import NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from programs.errors import Invalid, ProgramsError
from programs.instants import Instant
from service.auth import passkeys, second_factor, staff, tickets, tokens
from service.auth.staff import Kept, Staff
from service.auth.tickets import State, Ticket
from service.auth.tokens import Held
from service.care import Who
from service.console import cookies
from service.console.arriving import Coming, coming_of, label_of, site_of
from service.console.cookies import desk_of
from service.console.doors import Here, clinician_here, fresh_clinician, is_fresh
from service.console.forms import PageRequest, Typed, typed
from service.console.pages import go, page, qr

TOO_LATE = Invalid("one_time_code", "came too late", "Load the page anew, and try again.")


class Account(NamedTuple):
    """`it` is None for somebody of a demonstration, who never signed in by anything of their own."""

    it: Staff | None
    keys: list[Kept]
    codes_left: int
    sessions: list[Held]


def account(db: Connection, who: Who, now: Instant) -> Account:
    left = staff.recovery_codes_left(db, who)
    return Account(staff.find(db, who), staff.passkeys_of(db, who), left, tokens.tokens_of(db, who, now))


@get("/account")
async def show(request: PageRequest) -> Response[str]:
    return await _page(request, await clinician_here(request))


async def _page(request: PageRequest, here: Here, error: ProgramsError | None = None) -> Response[str]:
    found: Account = await here.db.read(account, here.who, here.now)
    shown = {"account": found, "fresh": is_fresh(request, here), "held": request.state.held, "error": error}
    return page("account", 422 if error else 200, here=here, passkeys=site_of(request) is not None, **shown)


@post("/account/password")
async def change_password(request: PageRequest) -> Response[str]:
    """Every session ends with the old one; here a new one begins."""
    here, form, passwords = await fresh_clinician(request), await typed(request), desk_of(request).passwords
    it: Staff = await here.db.read(staff.staff_of, here.who)
    try:
        if it.password is None:
            raise Invalid("password", "is your provider's", "Change it there.")
        await passwords.check(form["password"], (it.name, it.email, here.clinic.name))
    except ProgramsError as error:
        return await _page(request, here, error)
    hash = await passwords.hash(form["password"])
    token = await here.db.write(_keep_password, here.who, hash, coming_of(request, here.now))
    return go("/account", cookies.of_session(request, token))


def _keep_password(db: Connection, who: Who, hash: str, coming: Coming) -> str:
    staff.keep_password(db, who, hash, coming.now)
    return staff.open_session(db, who, coming.replaced, coming.label, coming.now)


@post("/account/recovery-codes", status_code=200)
async def make_recovery_codes(request: PageRequest) -> Response[str]:
    here, codes = await fresh_clinician(request), second_factor.make_recovery_codes()
    await here.db.write(staff.keep_recovery_codes, here.who, codes, here.now)
    return page("recovery_codes", here=here, codes=codes, then="/account")


@post("/account/sessions/end-others")
async def end_others(request: PageRequest) -> Response[str]:
    here = await clinician_here(request)
    await here.db.write(tokens.end_tokens, here.who, here.now, [request.state.held.id])
    return go("/account")


# one-time codes


@post("/account/one-time-codes", status_code=200)
async def begin_codes(request: PageRequest) -> Response[str]:
    here = await fresh_clinician(request)
    state = State(secret=second_factor.make_secret())
    code = await here.db.write(tickets.make_ticket, "factor", here.who, state, here.now)
    return await _codes_page(here, code, state.secret)


@post("/account/one-time-codes/finish")
async def finish_codes(request: PageRequest) -> Response[str]:
    here, form = await fresh_clinician(request), await typed(request)
    ticket = await _factor_ticket(here, form)
    if ticket is None:
        return await _page(request, here, TOO_LATE)
    step = second_factor.step_of(ticket.state.secret, form["one_time_code"], 0, here.now)
    if step is None:
        problem = Invalid("one_time_code", "does not fit", "Type the newest six digits your app shows.")
        return await _codes_page(here, form["code"], ticket.state.secret, problem)
    await here.db.write(_keep_totp, ticket, step, here.now)
    return go("/account")


def _keep_totp(db: Connection, ticket: Ticket, step: int, now: Instant) -> None:
    if tickets.use_ticket(db, ticket, now):
        staff.keep_totp(db, ticket.who, ticket.state.secret, step, now)


async def _codes_page(here: Here, code: str, secret: str, error: ProgramsError | None = None) -> Response[str]:
    it: Staff = await here.db.read(staff.staff_of, here.who)
    shown = {
        "qr": qr(second_factor.uri(secret, it.email)),
        "secret": second_factor.spaced(secret),
        "code": code,
        "error": error,
    }
    return page("one_time_codes", 422 if error else 200, here=here, **shown)


# passkeys


@post("/account/passkeys", status_code=200)
async def begin_passkey(request: PageRequest) -> Response[str]:
    here, site = await fresh_clinician(request), site_of(request)
    if site is None:
        return await _page(request, here, Invalid("passkey", "needs this server to have a name"))
    it: Staff = await here.db.read(staff.staff_of, here.who)
    if it.password is None:  # it opens alone: whom the provider puts out would still come in
        return await _page(request, here, Invalid("passkey", "is not for who signs in at their provider"))
    state = State(challenge=passkeys.new_challenge())
    code = await here.db.write(tickets.make_ticket, "factor", here.who, state, here.now)
    keys: list[Kept] = await here.db.read(staff.passkeys_of, here.who)
    options = passkeys.to_make(site, here.who, it.email, state.challenge, [one.key for one in keys])
    return page("passkey", here=here, code=code, options=options, label=label_of(request), script="passkeys.js")


@post("/account/passkeys/finish")
async def finish_passkey(request: PageRequest) -> Response[str]:
    here, form, site = await fresh_clinician(request), await typed(request), site_of(request)
    ticket = await _factor_ticket(here, form)
    if ticket is None or site is None:
        return await _page(request, here, TOO_LATE)
    try:
        key = passkeys.made(site, ticket.state.challenge, form["passkey"])
        await here.db.write(_add_passkey, ticket, key, form["label"], here.now)
    except ProgramsError as error:
        return await _page(request, here, error)
    return go("/account")


def _add_passkey(db: Connection, ticket: Ticket, key: passkeys.Passkey, label: str, now: Instant) -> None:
    if tickets.use_ticket(db, ticket, now):
        staff.add_passkey(db, ticket.who, key, label, now)


@post("/account/passkeys/{id:str}/remove")
async def remove_passkey(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await fresh_clinician(request)
    try:
        await here.db.write(staff.remove_passkey, here.who, id, here.now)
    except ProgramsError as error:
        return await _page(request, here, error)
    return go("/account")


async def _factor_ticket(here: Here, form: Typed) -> Ticket | None:
    found: Ticket | None = await here.db.read(tickets.find_ticket, form["code"], here.now, ["factor"])
    return found if found is not None and (found.who.clinic, found.who.id) == (here.who.clinic, here.who.id) else None


ROUTES = [
    *(show, change_password, make_recovery_codes, end_others, begin_codes, finish_codes),
    *(begin_passkey, finish_passkey, remove_passkey),
]
