"""What a patient has to answer and to do today: the page their app opens with, and the most asked for."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import msgspec
from litestar import get
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from notifications import preferences
from programs import dosage, exercises, people
from programs.cards import OURS, Card, Cards, cards_of
from programs.completions import Kept
from programs.dosage import Dosage, Prescription
from programs.emergency import emergency_number
from programs.instants import Instant
from programs.people import Clinic
from programs.phases import say_held
from programs.questions import Question
from programs.schedule import time_of
from programs.triage import beside, off_text, unwell_text
from service import reading
from service.api.call import ApiRequest, Call, at_me
from service.api.doc import Doc
from service.api.todays import OLDEST, KeptToday
from service.api.wire import Out, stamp
from service.care import Who
from service.reading import Task, Today


class Option(Out, frozen=True, kw_only=True):
    value: str
    label: str


class QuestionOut(Out, frozen=True, kw_only=True):
    """`kind` is yes_no, scale_0_10, yes_some_no, choice or free_text; the middle two answer with a `value`.

    `beside` stands with the question: who reads one's own words, or what to do where no rule weighs the answer.
    """

    id: str
    kind: str
    text: str
    beside: str
    options: Sequence[Option]


class AskedOut(Out, frozen=True, kw_only=True):
    """A check-in that waits for answers; `answers` are those given so far. Of two visits each has its own."""

    id: str
    session_id: str
    needled_at: datetime
    step: str
    opens_at: datetime
    closes_at: datetime
    questions: Sequence[QuestionOut]
    answers: Mapping[str, bool | int | str]


class DoneOut(Out, frozen=True, kw_only=True):
    """What was recorded of it, last."""

    id: str
    outcome: str
    done_at: datetime
    sets: int | None
    pain: int | None
    reason: str | None


class ExerciseOut(Out, frozen=True, kw_only=True):
    """`figure` names the picture at `/exercises/{figure}.svg`, or is "". `held` says why it is paused; `stop` are the
    words for every exercise, with its own `pain_limit`."""

    exercise: str
    title: str
    figure: str
    how_much: str
    dosage: Dosage
    start: str
    steps: Sequence[str]
    feel: str
    easier: str
    harder: str
    care: Sequence[str]
    stop: str
    pain_limit: int
    note: str
    held: str | None
    done: DoneOut | None


class BoutOut(Out, frozen=True, kw_only=True):
    """One time of today for one plan. Completions name its plan, date and time."""

    plan_id: str
    time: str
    note: str
    exercises: Sequence[ExerciseOut]


class TodayOut(Out, frozen=True, kw_only=True):
    """`if_unwell` belongs on every screen of a check-in, and so does `triage_off` where it is not null."""

    date: date
    zone: str
    name: str
    language: str
    if_unwell: str
    triage_off: str | None
    check_ins: Sequence[AskedOut]
    bouts: Sequence[BoutOut]


@get("/me/today", doc=Doc(gives=TodayOut))
async def get_today(request: ApiRequest) -> ASGIResponse:
    """The check-ins that wait for an answer now, and every bout of the local date with what is recorded of it."""
    call = await at_me(request)
    return ASGIResponse(body=await _today(call), media_type="application/json")


async def _today(call: Call) -> bytes:
    commits, todays = call.desk.db.commits, call.desk.todays
    if commits is None:
        shown: KeptToday = await call.db.read(_read, call.who, call.now, -1)
        return shown.body
    body = todays.find(call.who, commits, call.now)
    if body is None:
        # The count is from before the read: what is committed meanwhile makes this one stale at once.
        shown = await call.db.read(_read, call.who, call.now, commits)
        todays.keep(call.who, shown)
        body = shown.body
    return body


def _read(db: Connection, who: Who, now: Instant, commits: int) -> KeptToday:
    it = reading.today(db, who, now)
    language = preferences.preferences_of(db, who.clinic, [who.id]).get(who.id, preferences.DEFAULT).language
    said = voice(people.clinic_of(db, who.clinic), language)
    cards = cards_of(db, who.clinic) if it.tasks else OURS
    body = msgspec.json.encode(_out(it, cards, said))
    until = min(it.changes_at, now + OLDEST)
    return KeptToday(commits, now, until, it.patient.zone, it.date.toordinal(), body)


class Voice(NamedTuple):
    """What a clinic says around every question; `off` is "" while answers are read by rules."""

    language: str
    number: str
    unwell: str
    off: str


def voice(it: Clinic, language: str) -> Voice:
    number = emergency_number(it.country)
    off = off_text(number, language) if it.settings.triage_off else ""
    return Voice(language, number, unwell_text(number, language), off)


def _out(it: Today, cards: Cards, said: Voice) -> TodayOut:
    return TodayOut(
        date=it.date,
        zone=it.patient.zone,
        name=it.patient.name,
        language=said.language,
        if_unwell=said.unwell,
        triage_off=said.off or None,
        check_ins=[
            AskedOut(
                id=one.check_in.id,
                session_id=one.check_in.session_id,
                needled_at=stamp(one.needled_at),
                step=one.check_in.step,
                opens_at=stamp(one.check_in.opens),
                closes_at=stamp(one.check_in.closes),
                questions=[question_out(question, said) for question in one.questions],
                answers=one.answers,
            )
            for one in it.check_ins
        ],
        bouts=[_bout(task, cards, said.language) for task in it.tasks],
    )


def question_out(it: Question, said: Voice) -> QuestionOut:
    options = [Option(value=value, label=label) for value, label in it.choices(said.language)]
    note = beside(it, said.number, said.language, bool(said.off))
    return QuestionOut(id=it.id, kind=it.kind, text=it.say(said.language), beside=note, options=options)


def _bout(it: Task, cards: Cards, language: str) -> BoutOut:
    bout = it.bout
    note = next(revision.terms.note for revision in it.course.revisions if revision.number == bout.revision)
    due = [
        _exercise(one, cards[one.exercise], language, bout.held.get(one.exercise), it.logged.get(one.exercise))
        for one in bout.due
    ]
    return BoutOut(plan_id=bout.plan_id, time=time_of(bout.wall), note=note, exercises=due)


def _exercise(it: Prescription, card: Card, language: str, held: str | None, kept: Kept | None) -> ExerciseOut:
    words = card.say(language)
    return ExerciseOut(
        exercise=it.exercise,
        title=words.title,
        figure=card.figure,
        how_much=dosage.say(it.dosage, language),
        dosage=it.dosage,
        start=words.start,
        steps=words.steps,
        feel=words.feel,
        easier=words.easier,
        harder=words.harder,
        care=words.care,
        stop=exercises.stop_words(it.pain_limit, language),
        pain_limit=it.pain_limit,
        note=it.note,
        held=None if held is None else say_held(held, language),
        done=None if kept is None else _done(kept),
    )


def _done(it: Kept) -> DoneOut:
    said = it.value
    at = stamp(said.done_at)
    return DoneOut(id=said.id, outcome=said.outcome, done_at=at, sets=said.sets, pain=said.pain, reason=said.reason)


ROUTES = (get_today,)
