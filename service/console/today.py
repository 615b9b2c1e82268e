"""A patient's page: what to answer, what to do today, and what their answers mean for right now."""

from typing import NamedTuple

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from notifications.preferences import DEFAULT, preferences_of
from programs import checkins, completions, exercises, needling, people
from programs.aftercare import CheckIn
from programs.cards import Cards, cards_of
from programs.dosage import Prescription
from programs.emergency import emergency_number
from programs.errors import Invalid
from programs.ids import new_id
from programs.instants import Instant
from programs.schedule import day_of, time_of
from programs.triage import TIERS, beside, off_text, safety_text, unwell_text
from programs.wording import CardWords
from service import care, reading
from service.auth import devices
from service.auth.devices import Device
from service.care import Who
from service.console.doors import Here, patient_here
from service.console.forms import PageRequest, Typed, answers_from, completion_from, typed
from service.console.pages import go, page
from service.console.words import REASONS
from service.reading import Asked, Task

NOTICES = {
    "saved": "Saved. Thank you.",
    "not_due": "Saved. Your plan has changed since you opened this page, so it does not count for today.",
}


class Prompt(msgspec.Struct, frozen=True):
    """The check-ins of one needling session, kept apart from those of any other."""

    visit_at: Instant
    asked: list[Asked]


class Row(NamedTuple):
    """One exercise of one bout as a patient sees it; `id` becomes the completion's if they log it now."""

    due: Prescription
    words: CardWords
    figure: str
    cautions: list[str]
    held: str
    logged: str
    id: str


class Part(NamedTuple):
    """One bout: what is due at one time of today."""

    plan: str
    date: str
    time: str
    rows: list[Row]


class Day(NamedTuple):
    today: reading.Today
    therapist: str
    prompts: list[Prompt]
    parts: list[Part]
    language: str
    beside: dict[str, str]  # by question id: what stands with it
    off: str  # what a patient reads where triage is off


def day(db: Connection, who: Who, now: Instant) -> Day:
    today = reading.today(db, who, now)
    language = preferences_of(db, who.clinic, [who.id]).get(who.id, DEFAULT).language
    therapist = people.clinician_of(db, who.clinic, today.patient.clinician_id)
    precautions = today.patient.precautions
    cards = cards_of(db, who.clinic)
    parts = [_part(task, cards, precautions, language, now) for task in today.tasks]
    clinic = people.clinic_of(db, who.clinic)
    number, off = emergency_number(clinic.country), clinic.settings.triage_off is not None
    asked = [question for it in today.check_ins for question in it.questions]
    notes = {question.id: beside(question, number, language, off) for question in asked}
    said = off_text(number, language) if off else ""
    return Day(today, therapist, _prompts(db, who.clinic, today.check_ins), parts, language, notes, said)


def _prompts(db: Connection, clinic: str, waiting: list[Asked]) -> list[Prompt]:
    """Latest visit first, as its window is the one that matters most."""
    sessions = dict.fromkeys(it.check_in.session_id for it in waiting)
    found = [
        Prompt(
            needling.session_of(db, clinic, session).session.ended_at,
            [it for it in waiting if it.check_in.session_id == session],
        )
        for session in sessions
    ]
    return sorted(found, key=lambda it: -it.visit_at)


def _part(task: Task, cards: Cards, precautions: tuple[str, ...], language: str, now: Instant) -> Part:
    bout = task.bout
    rows = []
    for due in bout.due:
        card = cards[due.exercise]
        said = card.say(language)
        cautions = [said.cautions[flag] for flag in precautions if flag in said.cautions]
        kept = task.logged.get(due.exercise)
        rows.append(Row(due, said, card.figure, cautions, bout.held.get(due.exercise, ""), _logged(kept), new_id(now)))
    return Part(bout.plan_id, day_of(bout.wall).isoformat(), time_of(bout.wall), rows)


def _logged(kept: completions.Kept | None) -> str:
    if kept is None:
        return ""
    outcome = {"done": "done", "partly": "partly done", "skipped": "skipped"}[kept.value.outcome]
    reason = f" ({REASONS[kept.value.reason]})" if kept.value.reason else ""
    return f"{outcome}{reason}, {time_of(kept.done_wall)}"


@get("/today")
async def show(request: PageRequest, notice: FromQuery[str] = "") -> Response[str]:
    here = await patient_here(request)
    this = request.state.held.id
    newcomer = await here.db.read(devices.newcomer, here.who.clinic, here.who.id, this, here.now)
    return await _show(here, notice=NOTICES.get(notice, ""), newcomer=newcomer)


async def _show(
    here: Here,
    notice: str = "",
    error: Invalid | None = None,
    it: Typed | None = None,
    status: int = 200,
    newcomer: Device | None = None,
) -> Response[str]:
    found: Day = await here.db.read(day, here.who, here.now)
    return page(
        "today",
        status,
        here=here,
        day=found,
        notice=notice,
        newcomer=newcomer,
        error=error,
        typed=it or Typed(),
        unwell=unwell_text(emergency_number(here.clinic.country), found.language),
        stop_words=exercises.stop_words(_pain_limit(found), found.language),
    )


def _pain_limit(found: Day) -> int:
    """The strictest of today's: one sentence stands for all of them."""
    return min((row.due.pain_limit for part in found.parts for row in part.rows), default=5)


# check-ins


class Said(NamedTuple):
    """A check-in that was answered, the worst tier of what it raised, and the fixed text for it."""

    check_in: CheckIn
    therapist: str
    tier: str
    safety: str
    unwell: str
    number: str
    off: str


@post("/today/check-ins/{id:str}")
async def answer(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await patient_here(request)
    it = await typed(request)
    asked = await here.db.read(_asked, here.who, id)
    try:
        answers = answers_from(it, asked.questions)
        await here.db.write(care.answer, here.who, id, answers, here.now, here.now)
    except Invalid as error:
        return await _show(here, error=error, it=it, status=422)
    return go(f"/today/check-ins/{id}")


def _asked(db: Connection, who: Who, id: str) -> Asked:
    return reading.asked(db, who.clinic, checkins.check_in_of(db, who.clinic, who.id, id))


@get("/today/check-ins/{id:str}")
async def answered(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """What their answer means now. Loading it again shows it again: the safety text stays where it can be found."""
    here = await patient_here(request)
    said: Said = await here.db.read(_said, here.who, id)
    return go("/today") if said.check_in.answered_at is None else page("answered", here=here, said=said)


def _said(db: Connection, who: Who, id: str) -> Said:
    it = checkins.check_in_of(db, who.clinic, who.id, id)
    clinic = people.clinic_of(db, who.clinic)
    therapist = people.clinician_of(db, who.clinic, people.patient_of(db, who.clinic, who.id).clinician_id)
    language = preferences_of(db, who.clinic, [who.id]).get(who.id, DEFAULT).language
    raised = {flag.tier for flag in checkins.flags_of(db, who.clinic, patient=who.id) if flag.check_in_id == id}
    tier = next((tier for tier in TIERS if tier in raised), None)
    number = emergency_number(clinic.country)
    safety = safety_text(tier, number, clinic.phone, language) if tier in ("emergency", "same_day") else ""
    off = off_text(number, language) if clinic.settings.triage_off else ""
    return Said(it, therapist, tier or "", safety, unwell_text(number, language), number, off)


# exercises


@post("/today/completions")
async def complete(request: PageRequest) -> Response[str]:
    here = await patient_here(request)
    it = completion_from(await typed(request), here.who.id, here.now)
    judged = (await here.db.write(care.complete, here.who, [it], here.now))[0]
    if judged.verdict == "rejected":
        raise Invalid("exercise", judged.problem)
    return go(f"/today?notice={'not_due' if judged.verdict == 'not_due' else 'saved'}")


ROUTES = [show, answer, answered, complete]
