"""The clinic's own programs and its aftercare protocol: what there is, who approved it, the forms that change it."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from programs import aftercare, offers, people, protocols
from programs.aftercare import LATES, MAY_BE_LEFT_OUT, PROTOCOL, STEPS, Protocol, Step
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import HOUR, MINUTE, Instant
from programs.offers import Offer
from programs.protocols import Version
from service import care
from service.care import Who
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, one_of, typed
from service.console.pages import go, page

PROTOCOL_PAGE, PROGRAMS_PAGE = "/clinic/protocol", "/clinic/programs"


@get(PROGRAMS_PAGE)
async def show_programs(request: PageRequest) -> Response[str]:
    here = await clinician_here(request)
    offer: Offer = await here.db.read(offers.offer_of, here.who.clinic)
    return page("programs", here=here, offer=offer)


@post("/clinic/programs/{id:str}/retire")
async def retire(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """Doing it again changes nothing."""
    here = await clinician_here(request)
    await here.db.write(_retire, here.who, id, here.now)
    return go(PROGRAMS_PAGE)


def _retire(db: Connection, who: Who, id: str, now: Instant) -> None:
    version = offers.versions_of(db, who.clinic, id)[-1].version
    if id in offers.offer_of(db, who.clinic).templates:
        care.retire_program(db, who, id, version, now)


@get(PROTOCOL_PAGE)
async def show_protocol(request: PageRequest) -> Response[str]:
    return await _protocol_page(await clinician_here(request), None)


@post(PROTOCOL_PAGE)
async def draft(request: PageRequest) -> Response[str]:
    """Keeps a draft; what cannot be comes back as it was typed."""
    here = await clinician_here(request)
    it = await typed(request)
    try:
        await here.db.write(_draft, here.who, protocol_from(it), it["approve"] == "yes", here.now)
    except (Invalid, Conflict) as error:
        return await _protocol_page(here, it, error)
    return go(PROTOCOL_PAGE)


def _draft(db: Connection, who: Who, it: Protocol, approve: bool, now: Instant) -> None:
    newest = protocols.versions_of(db, who.clinic)[0]
    # A form sent twice is one draft.
    saved = (
        newest if newest.number and newest.protocol == aftercare.checked(it) else care.save_protocol(db, who, it, now)
    )
    if approve:
        care.approve_protocol(db, who, saved.number, now)


@post("/clinic/protocol/{id:str}/approve")
async def approve(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    if not id.isdecimal():
        raise NoSuchRecord("protocol", "")
    await here.db.write(care.approve_protocol, here.who, int(id[:9]), here.now)
    return go(PROTOCOL_PAGE)


async def _protocol_page(here: Here, it: Typed | None, error: Invalid | Conflict | None = None) -> Response[str]:
    versions: list[Version] = await here.db.read(protocols.versions_of, here.who.clinic)
    standing: Version = await here.db.read(protocols.in_force, here.who.clinic)
    names: dict[str, str] = await here.db.read(people.clinicians_of, here.who.clinic)
    shown = it or _typed_as(standing.protocol)
    status = 200 if error is None else 422
    seen: dict[str, Any] = {"versions": versions, "standing": standing, "names": names, "typed": shown, "steps": STEPS}
    return page("protocol", status, here=here, error=error, optional=sorted(MAY_BE_LEFT_OUT), lates=LATES, **seen)


def _typed_as(it: Protocol) -> Typed:
    """The form as it would be typed to get this protocol."""
    fields: dict[str, list[str]] = {}
    for name in STEPS:
        step = it.step(name) or next(one for one in PROTOCOL if one.name == name)
        for part in ("opens", "target", "closes"):
            fields[f"{part}_{name}"] = [f"{getattr(step, part) / HOUR:g}"]
        fields[f"late_{name}"] = [step.late]
        fields[f"asked_{name}"] = ["yes"] if it.step(name) else []
        fields[f"without_{name}"] = list(step.without)
        fields[f"why_{name}"] = [it.left_out.get(name, "")]
    day3 = it.step("day3")
    fields["conditional"] = ["yes"] if day3 is None or day3.conditional else []
    return Typed(fields)


def protocol_from(it: Typed) -> Protocol:
    asked = [name for name in STEPS if it[f"asked_{name}"] == "yes"]
    steps = tuple(_step(it, name) for name in asked)
    return Protocol(steps, {name: it[f"why_{name}"] for name in STEPS if name not in asked})


def _step(it: Typed, name: str) -> Step:
    opens, target, closes = (
        _hours(it[f"{part}_{name}"], f"{part} of {name}") for part in ("opens", "target", "closes")
    )
    also = next((step.also for step in PROTOCOL if step.name == name), ())
    return Step(
        name,
        opens,
        target,
        closes,
        name == "day3" and it["conditional"] == "yes",
        also,
        tuple(it.all(f"without_{name}")),
        one_of(LATES, it[f"late_{name}"] or "catch_up", f"late of {name}"),
    )


def _hours(text: str, field: str) -> Instant:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= 720:
        raise Invalid(field, "must be hours, such as 24 or 1.5")
    return round(hours * HOUR / MINUTE) * MINUTE


ROUTES = [show_programs, retire, show_protocol, draft, approve]
