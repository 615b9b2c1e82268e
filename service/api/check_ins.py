"""A patient's check-ins and their answers. An emergency is answered in the same reply."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications import preferences
from programs import people
from programs.aftercare import ANSWERABLE, CheckIn
from programs.errors import Invalid
from programs.instants import Instant
from programs.questions import BY_ID
from programs.triage import Tier
from service import care, reading
from service.api.call import ApiRequest, at_me
from service.api.doc import Doc
from service.api.today import QuestionOut, Voice, question_out, voice
from service.api.wire import Body, Moment, Out, Page, PageQuery, instant, maybe_stamp, paged, place, stamp
from service.care import Who
from service.errors import Wrong, invalid
from service.reading import Asked

State = Literal["upcoming", "open", "answered", "closed"]


class AnswersIn(Body, frozen=True, kw_only=True):
    """Question id -> answer. Some may be sent at once and the rest later; `answered_at` is now, if left out."""

    answers: Annotated[
        dict[str, bool | int | str],
        Meta(min_length=1, max_length=50, description="true or false, 0 to 10, one of the options, or text."),
    ]
    answered_at: Moment | None = None


class MyCheckInOut(Out, frozen=True, kw_only=True):
    """`answerable` stays true long after the window: a warning sign that comes late is still one."""

    id: str
    step: str
    state: State
    answerable: bool
    opens_at: datetime
    closes_at: datetime
    answered_at: datetime | None
    questions: Sequence[QuestionOut]
    answers: Mapping[str, bool | int | str]


class AnsweredOut(Out, frozen=True, kw_only=True):
    """`safety_text`, if there is one, is to be shown at once, as it is; so is `triage_off`, if it is not null."""

    check_in_id: str
    answered_at: datetime
    tier: Tier | None
    safety_text: str | None
    if_unwell: str
    triage_off: str | None


@get("/me/check-ins", doc=Doc(gives=Page[MyCheckInOut], query=PageQuery))
async def list_check_ins(request: ApiRequest) -> ASGIResponse:
    """All check-ins, latest first, with what they ask and what was answered."""
    call = await at_me(request)
    query = call.query(PageQuery)
    return await call.read(_page, call.who, place(query.cursor, tuple[int, str]), query.limit, call.now)


@post(
    "/me/check-ins/{id:str}/answers",
    status_code=200,
    doc=Doc(takes=AnswersIn, gives=AnsweredOut, also=(409,)),
)
async def answer_check_in(request: ApiRequest) -> ASGIResponse:
    """Answer a check-in, in parts if need be. Answers that call for help bring its words back in the reply."""
    call = await at_me(request)
    return await call.once(200, _answer, call.who, call.id(), await call.body(AnswersIn), call.now)


def _page(db: Connection, who: Who, before: tuple[Instant, str] | None, limit: int, now: Instant) -> Page[MyCheckInOut]:
    found = reading.my_check_ins(db, who, before, limit + 1)
    said = _voice(db, who)
    return paged(found, limit, lambda it: (it.check_in.target, it.check_in.id), lambda it: _out(it, said, now))


def _voice(db: Connection, who: Who) -> Voice:
    language = preferences.preferences_of(db, who.clinic, [who.id]).get(who.id, preferences.DEFAULT).language
    return voice(people.clinic_of(db, who.clinic), language)


def _out(asked: Asked, said: Voice, now: Instant) -> MyCheckInOut:
    it = asked.check_in
    return MyCheckInOut(
        id=it.id,
        step=it.step,
        state=_state(it, now),
        answerable=it.opens <= now <= it.target + ANSWERABLE,
        opens_at=stamp(it.opens),
        closes_at=stamp(it.closes),
        answered_at=maybe_stamp(it.answered_at),
        questions=[question_out(question, said) for question in asked.questions],
        answers=asked.answers,
    )


def _state(it: CheckIn, now: Instant) -> State:
    if it.state == "answered":
        return "answered"
    if now < it.opens:
        return "upcoming"
    return "open" if now < it.closes else "closed"


def _answer(db: Connection, who: Who, id: str, it: AnswersIn, now: Instant) -> AnsweredOut:
    at = now if it.answered_at is None else instant(it.answered_at, "/answered_at")
    try:
        reply = care.answer(db, who, id, it.answers, at, now)
    except Invalid as error:
        if error.field not in BY_ID:
            raise
        raise invalid(Wrong(error.problem, f"/answers/{error.field}", hint=error.hint)) from None
    said = _voice(db, who)
    return AnsweredOut(
        check_in_id=id,
        answered_at=stamp(min(at, now)),
        tier=reply.answered.findings[0].tier if reply.answered.findings else None,
        safety_text=reply.safety or None,
        if_unwell=said.unwell,
        triage_off=said.off or None,
    )


ROUTES = (list_check_ins, answer_check_in)
