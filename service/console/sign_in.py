"""Signing in and out, for staff: password and second factor, passkey, the clinic's provider. Patients are in phones.py.

The same words for an e-mail nobody has, a password that is wrong and somebody who was disabled; and the same work.
"""

import logging
from typing import NamedTuple

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery
from sqlalchemy import Connection

from programs import walls
from programs.errors import Invalid
from programs.instants import Instant
from service.auth import limits, passkeys, second_factor, staff, tickets
from service.auth.limits import SignIn
from service.auth.oidc import Denied, Oidc, Vouched
from service.auth.staff import Kept, Staff
from service.auth.tickets import NOBODY, State, Ticket
from service.auth.tokens import DEVICE, make_token
from service.care import Who
from service.console import cookies
from service.console.arriving import Coming, arrived, attempt_of, coming_of, entered, entering_of, site_of, write
from service.console.cookies import COOKIE, ENTERING, desk_of, sent
from service.console.forms import PageRequest, typed
from service.console.pages import go, page, qr, say
from service.console.phones import leave
from service.errors import NOT_FOR_YOU, Refused

log = logging.getLogger("homestretch.sign_in")

# A demonstration's people, whose tokens service/demo.py makes; they open nothing where there is no demo.
DEMO = (("Ada, a patient", "demo-ada"), ("Ben, a clinician", "demo-ben"), ("Cleo, an admin", "demo-clinic"))
WRONG = "E-mail and password do not go together. Check both, and try again."
NO_CODE = "This code does not fit. Use the newest one that your app shows; each is good once."
NOT_KNOWN = (
    "That did not sign you in. You must have been invited with the same e-mail address, it must be verified, and a "
    "password alone may not be enough there."
)
UNREACHED = "That sign-in does not answer as it should. Please try again in a while."
NO_PASSKEY = "This passkey did not sign you in. Try again, or use your password."
TOO_LATE = "That took too long, or was done already. Please start again."
THEN = {
    "": "",
    "account": "/account",
    "staff": "/clinic/staff",
    "requests": "/clinic/requests",
}  # a page that asks who is there again


class Proof(NamedTuple):
    """A second factor as it was given: of a form, one of them."""

    code: str = ""
    passkey: str = ""


@get("/sign-in")
async def ask(request: PageRequest, to: FromQuery[str] = "") -> Response[str]:
    return _page(request, to=to)


@post("/sign-in")
async def sign_in(request: PageRequest) -> Response[str]:
    form, desk = await typed(request), desk_of(request)
    now, email = desk.clock.now(), form["email"].lower()
    known: Staff | None = await desk.db.read(staff.by_email, email)
    await desk.db.write(limits.try_sign_in, attempt_of(request, email, known), now)
    kept = known.password if known is not None and known.ended_at is None else None
    if not await desk.passwords.fits(kept, form["password"]) or known is None or kept is None:
        _refuse(request, known.who if known else None, "password")
        return _page(request, 403, WRONG, email, form["to"])
    better = await desk.passwords.hash(form["password"]) if desk.passwords.is_old(kept) else kept
    code = await desk.db.write(_password_fits, known, better, THEN.get(form["to"], ""), now)
    return go("/sign-in/second", cookies.of_entering(request, code))


def _password_fits(db: Connection, it: Staff, better: str, then: str, now: Instant) -> str:
    walls.enter(db, it.who.clinic)
    if it.password is not None and better != it.password:
        staff.refresh_password(db, it.who, it.password, better)
    return tickets.make_ticket(db, "password", it.who, State(challenge=passkeys.new_challenge(), then=then), now)


@get("/sign-in/second")
async def ask_second(request: PageRequest) -> Response[str]:
    entering = await entering_of(request, "password")
    return await _second_page(request, entering) if entering else go("/sign-in")


@post("/sign-in/second")
async def second(request: PageRequest) -> Response[str]:
    entering, form, desk = await entering_of(request, "password"), await typed(request), desk_of(request)
    if entering is None:
        return _page(request, 403, TOO_LATE)
    now, it = desk.clock.now(), await desk.db.read(staff.staff_of, entering.who)
    await desk.db.write(limits.try_sign_in, attempt_of(request, it.email, it), now)
    if entering.state.secret:
        return await _begin_codes(request, entering, it, form["one_time_code"])
    proof = Proof(form["code"], form["passkey"])
    key = await _signed(request, entering, proof.passkey) if proof.passkey else None
    if key is not None and key[0].who.id != it.who.id:
        key = None
    token = await write(
        request, _enter_by_second, attempt_of(request, it.email, it), entering, proof, key, coming_of(request, now)
    )
    if token is None:
        _refuse(request, it.who, "second factor")
        return await _second_page(request, entering, 403, NO_PASSKEY if proof.passkey else NO_CODE)
    return entered(request, token, entering.state.then)


async def _begin_codes(request: PageRequest, entering: Ticket, it: Staff, code: str) -> Response[str]:
    """Of somebody who comes from the provider and has no second factor here yet: its first code is the proof."""
    now, recovery = desk_of(request).clock.now(), second_factor.make_recovery_codes()
    step = second_factor.step_of(entering.state.secret, code, 0, now)
    if step is None:
        problem = Invalid("one_time_code", "does not fit", "Type the newest six digits your app shows for Homestretch.")
        return _codes_page(entering, it, problem)
    attempt, coming = attempt_of(request, it.email, it), coming_of(request, now)
    token = await write(request, _enter_with_codes, attempt, entering, step, recovery, coming)
    if token is None:
        return _page(request, 403, TOO_LATE)
    shown = page("recovery_codes", here=None, codes=recovery, then=entering.state.then or "/clinic")
    shown.cookies += arrived(request, token)
    return shown


def _enter_with_codes(
    db: Connection, attempt: SignIn, entering: Ticket, step: int, recovery: list[str], coming: Coming
) -> str | None:
    walls.enter(db, entering.who.clinic)
    it = staff.staff_of(db, entering.who)
    token = None if _has_second(db, it) else _enter(db, it, attempt, entering, None, coming)
    if token is not None:
        staff.keep_totp(db, it.who, entering.state.secret, step, coming.now)
        staff.keep_recovery_codes(db, it.who, recovery, coming.now)
    return token


def _has_second(db: Connection, it: Staff) -> bool:
    return it.totp is not None or bool(staff.passkeys_of(db, it.who))


def _enter_by_second(
    db: Connection, attempt: SignIn, entering: Ticket, proof: Proof, key: tuple[Kept, int] | None, coming: Coming
) -> str | None:
    walls.enter(db, entering.who.clinic)
    it = staff.staff_of(db, entering.who)
    if not proof.passkey and not _code_fits(db, it, proof.code, coming.now):
        return None
    if proof.passkey and key is None:
        return None
    return _enter(db, it, attempt, entering, key, coming)


def _code_fits(db: Connection, it: Staff, code: str, now: Instant) -> bool:
    """Of the app, or one of those written down for when it is lost."""
    secret = staff.secret_of(db, it)
    if secret is not None:
        step = second_factor.step_of(secret, code, it.totp_step, now)
        if step is not None:
            return staff.use_step(db, it.who, step)
    return staff.use_recovery_code(db, it.who, code)


def _enter(
    db: Connection, it: Staff, attempt: SignIn, entering: Ticket, key: tuple[Kept, int] | None, coming: Coming
) -> str | None:
    """The session's token. None for a ticket that was used meanwhile, and for somebody disabled meanwhile."""
    if it.ended_at is not None or not tickets.use_ticket(db, entering, coming.now):
        return None
    if key is not None:
        staff.note_signed(db, *key, coming.now)
    limits.signed_in(db, attempt, coming.now)
    return staff.open_session(db, it.who, coming.replaced, coming.label, coming.now)


# by a passkey alone


@post("/sign-in/passkey/options", status_code=200)
async def offer_passkey(request: PageRequest) -> Response[str]:
    """For our script: what to ask the browser for. It names nobody; the browser shows whom it has passkeys of."""
    desk, site = desk_of(request), site_of(request)
    if site is None:
        raise Refused(NOT_FOR_YOU, "Passkeys need this server to have a name.")
    now, challenge = desk.clock.now(), passkeys.new_challenge()
    await desk.db.write(limits.try_sign_in, attempt_of(request, "", None), now)
    form = await typed(request)
    state = State(challenge=challenge, then=THEN.get(form["to"], ""))
    code = await desk.db.write(tickets.make_ticket, "passkey", NOBODY, state, now)
    return say(passkeys.to_sign(site, challenge), cookies.of_entering(request, code))


@post("/sign-in/passkey")
async def sign_in_by_passkey(request: PageRequest) -> Response[str]:
    entering, desk = await entering_of(request, "passkey"), desk_of(request)
    if entering is None:
        return _page(request, 403, TOO_LATE)
    answer = (await typed(request))["passkey"]
    key = await _signed(request, entering, answer)
    coming = coming_of(request, desk.clock.now())
    attempt = attempt_of(request, "", None)
    token = await write(request, _enter_by_passkey, attempt, entering, key, coming) if key is not None else None
    if token is None:
        claimed = await _claimed(request, answer)
        _refuse(request, claimed.who if claimed else None, "passkey")
        return _page(request, 403, NO_PASSKEY)
    return entered(request, token, entering.state.then)


def _enter_by_passkey(
    db: Connection, attempt: SignIn, entering: Ticket, key: tuple[Kept, int], coming: Coming
) -> str | None:
    walls.enter(db, key[0].who.clinic)
    return _enter(db, staff.staff_of(db, key[0].who), attempt, entering, key, coming)


async def _signed(request: PageRequest, entering: Ticket, answer: str) -> tuple[Kept, int] | None:
    """The passkey that signed this sign-in's challenge, with its new count."""
    site, kept = site_of(request), await _claimed(request, answer)
    if site is None or kept is None:
        return None
    count = passkeys.signed(site, entering.state.challenge, kept.key, answer)
    return (kept, count) if count is not None else None


async def _claimed(request: PageRequest, answer: str) -> Kept | None:
    """The passkey this answer says it is of."""
    found: Kept | None = await desk_of(request).db.read(staff.passkey_of, passkeys.key_id(passkeys.claimed(answer)))
    return found


# at the clinic's own provider


@get("/sign-in/elsewhere")
async def go_elsewhere(request: PageRequest, to: FromQuery[str] = "") -> Response[str]:
    desk, oidc = desk_of(request), _oidc(request)
    now = desk.clock.now()
    await desk.db.write(limits.try_sign_in, attempt_of(request, "", None), now)
    try:
        address, state = await oidc.begin(THEN.get(to, ""))
    except Denied as denied:
        log.warning("the provider: %s", denied)
        return _page(request, 503, UNREACHED)
    code = await desk.db.write(tickets.make_ticket, "oidc", NOBODY, state, now)
    return go(address, cookies.of_entering(request, code))


@get("/sign-in/elsewhere/back")
async def come_back(request: PageRequest) -> Response[str]:
    """What the provider sends the browser to. A second time with the same state is nobody's."""
    entering, desk, oidc = await entering_of(request, "oidc"), desk_of(request), _oidc(request)
    now = desk.clock.now()
    if entering is None or not await desk.db.write(tickets.use_ticket, entering, now):
        return _page(request, 403, TOO_LATE)
    try:
        it = await oidc.finish(entering.state, dict(request.query_params))
    except Denied as denied:
        log.warning("the provider: %s", denied)
        return _page(request, 403, NOT_KNOWN)
    attempt, then = attempt_of(request, "", None), entering.state.then
    made = await write(request, _enter_from_elsewhere, it, attempt, then, coming_of(request, now))
    if made is None:
        known: Staff | None = await desk.db.read(_claimant, it)
        _refuse(request, known.who if known else None, "provider")
        return _page(request, 403, NOT_KNOWN)
    return entered(request, made, then) if it.strong else go("/sign-in/second", cookies.of_entering(request, made))


def _enter_from_elsewhere(db: Connection, it: Vouched, attempt: SignIn, then: str, coming: Coming) -> str | None:
    """The session's token; where the provider may have asked for a password alone, a ticket to our own second factor.
    With it goes the secret of one for whoever has none yet: no other way leads to that without one."""
    known = _vouched_for(db, it)
    if known is None or known.ended_at is not None:
        return None
    if not it.strong:
        walls.enter(db, known.who.clinic)
        secret = "" if _has_second(db, known) else second_factor.make_secret()
        state = State(challenge=passkeys.new_challenge(), secret=secret, then=then)
        return tickets.make_ticket(db, "password", known.who, state, coming.now)
    limits.signed_in(db, attempt, coming.now)
    return staff.open_session(db, known.who, coming.replaced, coming.label, coming.now)


def _vouched_for(db: Connection, it: Vouched) -> Staff | None:
    """Whom the provider's person was bound to; at the first time, whoever was invited with their verified e-mail."""
    bound = staff.by_subject(db, it.issuer, it.subject)
    known = staff.by_email(db, it.email) if bound is None and it.email else None
    if known is None or known.ended_at is not None:
        return bound
    walls.enter(db, known.who.clinic)
    return known if staff.bind(db, known.who, it.issuer, it.subject) else None


def _claimant(db: Connection, it: Vouched) -> Staff | None:
    return staff.by_subject(db, it.issuer, it.subject) or (staff.by_email(db, it.email) if it.email else None)


def _oidc(request: PageRequest) -> Oidc:
    found = desk_of(request).oidc
    if found is None:
        raise Refused(NOT_FOR_YOU, "There is no such sign-in here.")
    return found


# the demo, and out again


@post("/sign-in/demo")
async def sign_in_to_demo(request: PageRequest) -> Response[str]:
    """Nobody's data is in a demo: whoever is there may be anybody of it, with a session or a device of their own."""
    token, desk = (await typed(request))["token"], desk_of(request)
    held = await desk.gate.held(token) if desk.settings.demo else None
    if held is None or token not in [it for _, it in DEMO]:
        return _page(request, 403, TOO_LATE)
    coming = coming_of(request, desk.clock.now())
    if held.who.kind == "patient":
        grant = msgspec.structs.replace(DEVICE, label=coming.label)
        made = await desk.db.at(held.who.clinic).write(make_token, held.who, coming.now, None, grant)
        return go("/today", cookies.of_device(request, made))
    made = await write(request, staff.open_session, held.who, coming.replaced, coming.label, coming.now)
    return entered(request, made)


@post("/sign-out")
async def sign_out(request: PageRequest) -> Response[str]:
    """Ends the session, or what let a patient's browser in; their other phones stay in."""
    desk = desk_of(request)
    await leave(request)
    await write(request, staff.end_session, sent(request, COOKIE), desk.clock.now())
    clearing = {"Clear-Site-Data": '"cache"'}
    return go("/sign-in", cookies.gone(request, COOKIE), cookies.gone(request, ENTERING), headers=clearing)


# the pages


def _refuse(request: PageRequest, known: Who | None, what: str) -> None:
    """In the log, and where it is somebody's name that was used, in the record of their clinic; what was tried is in
    neither."""
    log.warning("refused: %s of %s", what, known or "nobody we know")
    if known is not None:
        desk_of(request).watch.failed(request.scope, known.clinic, f"sign in by {what}", known.id)


def _page(request: PageRequest, status: int = 200, problem: str = "", email: str = "", to: str = "") -> Response[str]:
    desk = desk_of(request)
    return page(
        "sign_in",
        status,
        here=None,
        problem=problem,
        email=email,
        to=to if to in THEN else "",
        demo=DEMO if desk.settings.demo else (),
        passkeys=site_of(request) is not None,
        elsewhere=desk.settings.oidc_name if desk.oidc else "",
        script="passkeys.js",
    )


async def _second_page(request: PageRequest, entering: Ticket, status: int = 200, problem: str = "") -> Response[str]:
    db, site = desk_of(request).db, site_of(request)
    it: Staff = await db.read(staff.staff_of, entering.who)
    if entering.state.secret:
        return _codes_page(entering, it)
    keys: list[Kept] = await db.read(staff.passkeys_of, entering.who) if site else []
    options = passkeys.to_sign(site, entering.state.challenge, [k.key for k in keys]) if site and keys else ""
    shown = {"problem": problem, "options": options, "totp": it.totp is not None}
    return page("second", status, here=None, script="passkeys.js", **shown)


def _codes_page(entering: Ticket, it: Staff, error: Invalid | None = None) -> Response[str]:
    secret = entering.state.secret
    shown = {"qr": qr(second_factor.uri(secret, it.email)), "secret": second_factor.spaced(secret), "error": error}
    return page("second_begun", 422 if error else 200, here=None, **shown)


ROUTES = [
    *(ask, sign_in, ask_second, second, offer_passkey, sign_in_by_passkey, go_elsewhere, come_back),
    *(sign_in_to_demo, sign_out),
]
