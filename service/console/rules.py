"""The rules of triage as a clinician reads, approves and switches them; the switch of all; who is told of a flag."""

from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from notifications import addresses
from notifications.channels.addresses import new_address, read_address
from notifications.escalation import ON_CALL
from programs import people, rules
from programs.errors import Conflict, Invalid
from programs.people import ClinicSettings, Opening, Watch
from programs.rules import Decided
from service import rulebook
from service.care import Who
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, a_number, typed
from service.console.pages import go, page

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CHAIN = 3  # steps that can be chosen on the page; the API takes more
PATH = "/clinic/rules"


class Board(NamedTuple):
    """`staff` are those who can be told, by id."""

    rules: list[Decided]
    settings: ClinicSettings
    staff: dict[str, str]
    on_call: str
    warnings: list[str]


def board(db: Connection, who: Who) -> Board:
    found = addresses.living(db, who.clinic, [ON_CALL]).get(ON_CALL, [])
    on_call = read_address(found[0].channel, found[0].value) if found else None
    staff = {it.id: it.name for it in people.staff_of(db, who.clinic) if it.ended_at is None}
    return Board(
        rules.decided(db, who.clinic),
        people.clinic_of(db, who.clinic).settings,
        {**staff, ON_CALL: "the on-call address"},
        str(getattr(on_call, "mailbox", "")),
        rulebook.warnings(db, who.clinic),
    )


@get(PATH)
async def show(request: PageRequest) -> Response[str]:
    return await _show(await clinician_here(request))


async def _show(here: Here, error: Invalid | Conflict | None = None) -> Response[str]:
    found: Board = await here.db.read(board, here.who)
    status = 200 if error is None else 422
    return page("rules", status, here=here, board=found, error=error, days=DAYS, chain=CHAIN)


@post(f"{PATH}/approve")
async def approve(request: PageRequest) -> Response[str]:
    """The boxes that were ticked: each holds the rule and the version that was read."""
    here = await clinician_here(request)
    ticked = dict(one.partition(" ")[::2] for one in (await typed(request)).all("rule"))
    return await _try(here, rulebook.approve_rules, ticked)


@post(f"{PATH}/{{id:str}}/switch")
async def switch_rule(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    return await _try(here, rulebook.switch_rule, id, it["on"] == "yes", it["reason"])


@post("/clinic/triage/switch")
async def switch_triage(request: PageRequest) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    return await _try(here, rulebook.switch_triage, it["on"] == "yes", it["reason"])


@post("/clinic/triage/watch")
async def set_watch(request: PageRequest) -> Response[str]:
    here = await clinician_here(request)
    it = await typed(request)
    try:
        watch, mailbox = watch_from(it), it["mailbox"]
        if mailbox:
            new_address("email", {"mailbox": mailbox})
    except Invalid as error:
        return await _show(here, error)
    except ValueError:
        return await _show(here, Invalid("on-call address", "must be an e-mail address"))
    return await _try(here, _set, watch, mailbox)


def watch_from(it: Typed) -> Watch:
    usual = Watch()
    return Watch(
        emergency_minutes=a_number(it["emergency_minutes"], "emergency_minutes") or usual.emergency_minutes,
        same_day_minutes=a_number(it["same_day_minutes"], "same_day_minutes") or usual.same_day_minutes,
        opening=tuple(_opening(it, day) for day in DAYS),
        chain=tuple(dict.fromkeys(person for person in it.all("chain") if person)),
    )


def _opening(it: Typed, day: str) -> Opening | None:
    opens, closes = it[f"{day} opens"], it[f"{day} closes"]
    return Opening(opens, closes) if opens and closes else None


def _set(db: Connection, who: Who, watch: Watch, mailbox: str, now: int) -> None:
    if mailbox:
        rulebook.set_on_call(db, who, mailbox, now)
    rulebook.set_watch(db, who, watch, now)


async def _try(here: Here, verb: Any, *args: Any) -> Response[str]:
    """Do it and show the page again; what is refused is said at its top."""
    try:
        await here.db.write(verb, here.who, *args, here.now)
    except (Invalid, Conflict) as error:
        return await _show(here, error)
    return go(PATH)


ROUTES = [show, approve, switch_rule, switch_triage, set_watch]
