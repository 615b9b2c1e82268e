"""The story of a message: why it was planned for that instant, every try, what the app said, how it ended and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta, field
from sqlalchemy import Connection

from notifications import history
from notifications.explain import ending
from notifications.history import Story
from notifications.stops import Meaning
from notifications.timing import Zone, zone
from programs import people
from programs.instants import DAY, Instant
from service import care
from service.api.agenda import ReasonOut, Subject, reason_out, subject_out
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Moment, Out, instant, local, maybe_stamp, stamp
from service.care import Who
from service.errors import Wrong, invalid

USUAL_BACK, USUAL_AHEAD, LONGEST = 14 * DAY, 3 * DAY, 92 * DAY
NUMBER = r"^\+[1-9][0-9]{7,14}$(?!\n)"


class MessagesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By the instant each was planned for; the last 14 days and the next 3 where nothing is said."""

    from_: Moment | None = field(default=None, name="from")
    to: Moment | None = None

    def span(self, now: Instant) -> tuple[Instant, Instant]:
        since = now - USUAL_BACK if self.from_ is None else instant(self.from_, "/from")
        until = max(now, since) + USUAL_AHEAD if self.to is None else instant(self.to, "/to")
        if not since < until <= since + LONGEST:
            raise invalid(Wrong("must be after `from`, and at most 92 days after it", parameter="to"))
        return since, until


class TryOut(Out, frozen=True, kw_only=True):
    """One try at one address. `accepted` is the provider's word, and says nothing about the patient."""

    at: datetime
    channel: str
    result: str
    detail: str


class ReceiptSaid(Out, frozen=True, kw_only=True):
    """What the app said became of it: `at` by the phone's clock."""

    kind: str
    at: datetime
    received_at: datetime


class SnoozeSaid(Out, frozen=True, kw_only=True):
    at: datetime
    until: datetime


class StoryOut(Out, frozen=True, kw_only=True):
    """`local` is the patient's clock. `sent_at` is when a provider first took it. `looked_at` is when it is looked at
    next, for one that has not ended."""

    id: str
    patient_id: str
    kind: str
    subjects: Sequence[Subject]
    planned_at: datetime
    planned_for: datetime
    local: str
    closes_at: datetime
    reasons: Sequence[ReasonOut]
    state: str
    reason: str
    text: str
    sent_at: datetime | None
    ended_at: datetime | None
    looked_at: datetime | None
    tries: Sequence[TryOut]
    receipts: Sequence[ReceiptSaid]
    snoozed: SnoozeSaid | None


class StoriesOut(Out, frozen=True, kw_only=True):
    patient_id: str
    zone: str
    items: Sequence[StoryOut]


class TextReplyIn(Body, frozen=True, kw_only=True):
    """What somebody answered to a text message. Only STOP, START and their like change anything; no text is kept."""

    number: Annotated[str, Meta(pattern=NUMBER, description="Who answered: a plus sign and digits, as +34600111222.")]
    text: Annotated[str, Meta(max_length=2000, description="The whole answer.")]


class TextReplyOut(Out, frozen=True, kw_only=True):
    """What the words mean. Whether anybody here has that number is not said."""

    understood: Meaning


@get("/clinics/{clinic:str}/messages/{id:str}", doc=Doc(gives=StoryOut))
async def get_message(request: ApiRequest) -> ASGIResponse:
    """The whole story of one message to a patient: why it was planned for that instant, what was merged into it, every
    try, what the app said of it, how it ended and why."""
    call = await at_clinic(request)
    return await call.read(_one, call.who.clinic, call.id())


@get("/clinics/{clinic:str}/patients/{id:str}/messages", doc=Doc(gives=StoriesOut, query=MessagesQuery))
async def list_messages(request: ApiRequest) -> ASGIResponse:
    """A patient's messages, sent or not, the latest first, each with its whole story."""
    call = await at_clinic(request)
    return await call.read(_list, call.who.clinic, call.id(), *call.query(MessagesQuery).span(call.now))


@post(
    "/clinics/{clinic:str}/text-replies",
    status_code=200,
    doc=Doc(takes=TextReplyIn, gives=TextReplyOut, idempotent=False),
)
async def hear_text(request: ApiRequest) -> ASGIResponse:
    """For the program that gets the answers to text messages: a number that says STOP gets none from this clinic any
    more, until it says START. Telling it twice changes nothing."""
    call = await at_clinic(request)
    it = await call.body(TextReplyIn)
    return await call.change(_hear, call.who, it, call.now)


def _hear(db: Connection, who: Who, it: TextReplyIn, now: Instant) -> TextReplyOut:
    return TextReplyOut(understood=care.hear_text(db, who, it.number, it.text, now))


def _one(db: Connection, clinic: str, id: str) -> StoryOut:
    it = history.story_of(db, clinic, id)
    return _out(it, zone(people.patient_of(db, clinic, it.person_id).zone))


def _list(db: Connection, clinic: str, patient: str, since: Instant, until: Instant) -> StoriesOut:
    clock = zone(people.patient_of(db, clinic, patient).zone)
    found = history.stories_of(db, clinic, patient, since, until)
    return StoriesOut(patient_id=patient, zone=clock.name, items=[_out(it, clock) for it in found])


def _out(it: Story, clock: Zone) -> StoryOut:
    return StoryOut(
        id=it.id,
        patient_id=it.person_id,
        kind=it.kind,
        subjects=[subject_out(one) for one in it.subjects],
        planned_at=stamp(it.planned_at),
        planned_for=stamp(it.planned_for),
        local=local(clock.minutes(it.planned_for)),
        closes_at=stamp(it.closes),
        reasons=[reason_out(one, clock) for one in it.reasons],
        state=it.state,
        reason=it.reason,
        text=ending(it.state, it.reason, it.wakes_at or 0, clock),
        sent_at=maybe_stamp(it.sent_at),
        ended_at=maybe_stamp(it.ended_at),
        looked_at=maybe_stamp(it.wakes_at),
        tries=[TryOut(at=stamp(one.at), channel=one.channel, result=one.result, detail=one.detail) for one in it.tries],
        receipts=[
            ReceiptSaid(kind=one.kind, at=stamp(one.at), received_at=stamp(one.received_at)) for one in it.receipts
        ],
        snoozed=None if it.snoozed is None else SnoozeSaid(at=stamp(it.snoozed.at), until=stamp(it.snoozed.until)),
    )


ROUTES = (get_message, list_messages, hear_text)
