"""Flags: what a clinician must look at, that they did, and whom it was told until then. And whom nobody heard from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications import alerts, receipts
from programs import checkins, people, silence
from programs.aftercare import ANSWERABLE
from programs.checkins import Flag
from programs.instants import Instant
from programs.silence import Silent
from programs.triage import Tier
from service import care
from service.access import sight_of
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.triage import TriageOffOut, off_out
from service.api.wire import Body, Out, PageQuery, maybe_stamp, paged, place, stamp
from service.care import Who


class FlagsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    open: Annotated[bool, Meta(description="Only those that nobody has acknowledged.")] = False


class FlagOut(Out, frozen=True, kw_only=True):
    """Which rule fired on which answers (`inputs`), by which version of it, from which source, approved by whom.

    Until `acknowledge_by` its own clinician has time. From `nobody_at` on everybody of the chain has had theirs, and
    `nobody_acknowledged` is true until somebody does.
    """

    id: str
    tier: Tier
    patient_id: str
    patient_name: str
    clinician_id: str
    check_in_id: str
    rule: str
    rule_version: str
    source: str
    approved_by: str
    inputs: Mapping[str, Any]
    raised_at: datetime
    acknowledge_by: datetime | None
    nobody_at: datetime | None
    nobody_acknowledged: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None


class FlagsOut(Out, frozen=True, kw_only=True):
    """`triage_off` is null while answers are read by rules; else it says why and since when they are not."""

    items: Sequence[FlagOut]
    next: str | None
    triage_off: TriageOffOut | None


class ToldOut(Out, frozen=True, kw_only=True):
    """One message about a flag: pending, in_flight, or how it ended; `channel` is null where none took it."""

    person: str
    at: datetime
    state: str
    reason: str
    channel: str | None
    ended_at: datetime | None


class FlagHistoryOut(FlagOut, frozen=True, kw_only=True):
    told: Sequence[ToldOut]


class AcknowledgeIn(Body, frozen=True, kw_only=True):
    note: Annotated[str, Meta(max_length=500, description="What was done, in at most 500 characters.")] = ""


@get("/clinics/{clinic:str}/flags", doc=Doc(gives=FlagsOut, query=FlagsQuery))
async def list_flags(request: ApiRequest) -> ASGIResponse:
    """The clinic's flags, latest first."""
    call = await at_clinic(request)
    query = call.query(FlagsQuery)
    return await call.read(_page, call.who, query, place(query.cursor, tuple[int, str]), call.now)


@get("/clinics/{clinic:str}/flags/{id:str}", doc=Doc(gives=FlagHistoryOut))
async def get_flag(request: ApiRequest) -> ASGIResponse:
    """One flag with its history: raised, told to whom by which channel with what outcome, acknowledged by whom."""
    call = await at_clinic(request)
    return await call.read(_history, call.who, call.id(), call.now)


@post(
    "/clinics/{clinic:str}/flags/{id:str}/acknowledge",
    status_code=200,
    doc=Doc(takes=AcknowledgeIn, gives=FlagOut, optional_body=True),
)
async def acknowledge_flag(request: ApiRequest) -> ASGIResponse:
    """Say that you have seen it, and what you did. The first to say so stands, and nobody else is told any more."""
    call = await at_clinic(request)
    it = await call.body(AcknowledgeIn)
    return await call.once(200, _acknowledge, call.who, call.id(), it.note, call.now)


def _page(db: Connection, who: Who, query: FlagsQuery, before: tuple[Instant, str] | None, now: Instant) -> FlagsOut:
    sight, count = sight_of(who, now), query.limit + 1
    found = checkins.flags_of(db, who.clinic, open_only=query.open, before=before, count=count, sight=sight)
    it = paged(found, query.limit, lambda one: (one.raised_at, one.id), lambda one: _out(one, now))
    off = off_out(people.clinic_of(db, who.clinic).settings.triage_off)
    return FlagsOut(items=it.items, next=it.next, triage_off=off)


def _history(db: Connection, who: Who, id: str, now: Instant) -> FlagHistoryOut:
    it = checkins.flag_of(db, who.clinic, id)
    told = [
        ToldOut(
            person=one.person,
            at=stamp(one.at),
            state=one.state,
            reason=one.reason,
            channel=one.channel or None,
            ended_at=maybe_stamp(one.ended_at),
        )
        for one in alerts.history(db, who.clinic, it)
    ]
    return FlagHistoryOut(**msgspec.structs.asdict(_out(it, now)), told=told)


def _acknowledge(db: Connection, who: Who, id: str, note: str, now: Instant) -> FlagOut:
    return _out(care.acknowledge(db, who, id, now, note), now)


def _out(it: Flag, now: Instant) -> FlagOut:
    return FlagOut(
        id=it.id,
        tier=it.finding.tier,
        patient_id=it.patient_id,
        patient_name=it.patient_name,
        clinician_id=it.clinician_id,
        check_in_id=it.check_in_id,
        rule=it.finding.rule,
        rule_version=it.finding.rule_version,
        source=it.finding.source,
        approved_by=it.finding.approved_by,
        inputs=it.finding.inputs,
        raised_at=stamp(it.raised_at),
        acknowledge_by=maybe_stamp(it.acknowledge_by),
        nobody_at=maybe_stamp(it.nobody_at),
        nobody_acknowledged=it.nobody(now),
        acknowledged_at=maybe_stamp(it.acknowledged_at),
        acknowledged_by=it.acknowledged_by,
        note=it.note,
    )


# whom nobody heard from


Why = Literal["not_reached", "not_confirmed", "not_answered"]


class SilentOut(Out, frozen=True, kw_only=True):
    """A check-in that closed without an answer. Silence is not a green light.

    `why` tells apart that no message went out, which is ours; that one did and no phone confirmed it; and that they
    were asked, as far as anybody knows, and did not answer.
    """

    check_in_id: str
    patient_id: str
    patient_name: str
    clinician_id: str
    step: str
    closed_at: datetime
    why: Why


class SilenceOut(Out, frozen=True, kw_only=True):
    items: Sequence[SilentOut]


class FollowedOut(Out, frozen=True, kw_only=True):
    check_in_id: str
    patient_id: str


@get("/clinics/{clinic:str}/unanswered", doc=Doc(gives=SilenceOut))
async def list_unanswered(request: ApiRequest) -> ASGIResponse:
    """Check-ins of the last two weeks that closed without an answer and that nobody has looked after, latest first."""
    call = await at_clinic(request)
    return await call.read(_unanswered, call.who, call.now)


@post(
    "/clinics/{clinic:str}/unanswered/{id:str}/follow-up",
    status_code=200,
    doc=Doc(takes=AcknowledgeIn, gives=FollowedOut, optional_body=True, also=(409,)),
)
async def follow_up(request: ApiRequest) -> ASGIResponse:
    """Say that you have looked after it, and what you did: it leaves the list. Doing it again changes nothing."""
    call = await at_clinic(request)
    it = await call.body(AcknowledgeIn)
    return await call.once(200, _follow_up, call.who, call.id(), it.note, call.now)


def _unanswered(db: Connection, who: Who, now: Instant) -> SilenceOut:
    found = silence.unanswered(db, who.clinic, now, sight_of(who, now))
    patients = list({it.patient_id for it in found})
    unheard = receipts.unheard(db, who.clinic, patients, now - ANSWERABLE)
    return SilenceOut(items=[_silent(it, it.check_in_id in unheard) for it in found])


def _silent(it: Silent, unheard: bool) -> SilentOut:
    asked: Why = "not_confirmed" if unheard else "not_answered"
    return SilentOut(
        check_in_id=it.check_in_id,
        patient_id=it.patient_id,
        patient_name=it.patient_name,
        clinician_id=it.clinician_id,
        step=it.step,
        closed_at=stamp(it.closed_at),
        why="not_reached" if it.asked_at is None else asked,
    )


def _follow_up(db: Connection, who: Who, id: str, note: str, now: Instant) -> FollowedOut:
    return FollowedOut(check_in_id=id, patient_id=care.follow_up(db, who, id, note, now))


ROUTES = (list_flags, get_flag, acknowledge_flag, list_unanswered, follow_up)
