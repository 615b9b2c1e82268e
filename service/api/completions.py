"""What a patient did or skipped: batches from a phone that may have been offline for weeks, each item judged alone."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs.completions import Completion, Outcome, Reason, Verdict
from programs.instants import Instant
from service import care
from service.api import decode
from service.api.call import ApiRequest, at_me
from service.api.doc import Doc
from service.api.wire import Body, Clock, Day, Id, Moment, Note, Out, day, instant
from service.care import Who
from service.errors import Refused

MOST = 200


class CompletionIn(Body, frozen=True, kw_only=True):
    """One exercise of one bout: the bout by its plan, local date and time, and when it was really done.

    `id` is made by the phone, once, however often it has to send.
    """

    id: Id
    plan_id: Id
    exercise: Annotated[str, Meta(min_length=1, max_length=64)]
    date: Day
    time: Clock
    outcome: Outcome
    done_at: Moment
    sets: Annotated[int, Meta(ge=0, le=50)] | None = None
    pain: Annotated[int, Meta(ge=0, le=10)] | None = None
    reason: Reason | None = None
    note: Note = ""

    def completion(self) -> Completion:
        return Completion(
            id=self.id,
            plan_id=self.plan_id,
            exercise=self.exercise,
            date=day(self.date, "/date"),
            time=self.time,
            outcome=self.outcome,
            done_at=instant(self.done_at, "/done_at"),
            sets=self.sets,
            pain=self.pain,
            reason=self.reason,
            note=self.note,
        )


class BatchIn(Body, frozen=True, kw_only=True):
    """Read item by item: one that is wrong does not spoil the others."""

    items: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST)]


class BatchDoc(Body, frozen=True, kw_only=True):
    """Up to 200 completions. One that is wrong is rejected alone."""

    items: Annotated[list[CompletionIn], Meta(min_length=1, max_length=MOST)]


class VerdictOut(Out, frozen=True, kw_only=True):
    """`not_due` is kept and counts for nothing; `rejected` is not kept and says why. None need be sent again."""

    index: int
    id: str | None
    verdict: Verdict
    problem: str | None


class BatchOut(Out, frozen=True, kw_only=True):
    """A verdict for each item, in the order in which they were sent."""

    items: Sequence[VerdictOut]


class _Named(msgspec.Struct):
    id: str = ""


@post("/me/completions", status_code=200, doc=Doc(takes=BatchDoc, gives=BatchOut))
async def record_completions(request: ApiRequest) -> ASGIResponse:
    """Record completions with their own times. Sent twice, they change nothing."""
    call = await at_me(request)
    batch = await call.body(BatchIn)
    return await call.once(200, _record, call.who, [_read(raw) for raw in batch.items], call.now)


def _read(raw: msgspec.Raw) -> Completion | VerdictOut:
    try:
        return decode.body(bytes(raw), CompletionIn).completion()
    except Refused as error:
        return VerdictOut(index=0, id=_name(raw), verdict="rejected", problem=error.detail)


def _name(raw: msgspec.Raw) -> str | None:
    """The id the phone knows it by, if that much can be read."""
    try:
        return msgspec.json.decode(raw, type=_Named).id[:64] or None
    except msgspec.DecodeError:
        return None


def _record(db: Connection, who: Who, items: Sequence[Completion | VerdictOut], now: Instant) -> BatchOut:
    good = [it for it in items if isinstance(it, Completion)]
    judged = iter(care.complete(db, who, good, now) if good else [])
    found = []
    for index, it in enumerate(items):
        if isinstance(it, VerdictOut):
            found.append(msgspec.structs.replace(it, index=index))
        else:
            one = next(judged)
            found.append(VerdictOut(index=index, id=one.id, verdict=one.verdict, problem=one.problem or None))
    return BatchOut(items=found)


ROUTES = (record_completions,)
