"""The evidence of remote monitoring: dates with data, staff minutes, and the clinic's own labels for neutral tiers."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications.timing import zone
from programs import monitoring, people
from programs.instants import Instant
from programs.monitoring import DeviceTier, Sent, Spent, StaffTier, Window
from programs.schedule import DAY_MINUTES, day_of
from service import monitoring as evidence
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Day, Id, Out, day, stamp
from service.care import Who
from service.errors import Wrong, invalid

Month = Annotated[
    str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$(?!\n)", description="A calendar month, such as 2026-06.")
]
Grace = Annotated[
    int, Meta(ge=0, le=evidence.MOST_GRACE, description="How many days late data may come in and still count, 0 to 7.")
]


class MonitoringQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This month at the clinic, where `month` is left out; `evidence` lists what is behind each count."""

    month: Month | None = None
    grace: Grace = 0
    evidence: bool = False


class SentOut(Out, frozen=True, kw_only=True):
    """Something the patient sent: `date` by their own clock then. It `counts` if it came in soon enough."""

    date: date
    kind: Literal["exercise", "answer"]
    id: str
    at: datetime
    counts: bool


class WindowOut(Out, frozen=True, kw_only=True):
    """30 local dates in a row, from the first one with data.

    `still_needed` is how many more dates the upper tier takes, null where it is out of reach.
    """

    from_: date = msgspec.field(name="from")
    to: date
    days: int
    last: date | None
    over: bool
    tier: DeviceTier | None
    label: str
    still_needed: int | None
    evidence: Sequence[SentOut] | None


class SpentOut(Out, frozen=True, kw_only=True):
    id: str
    date: date
    minutes: int
    live: bool
    note: str
    replaces: str | None
    by: str
    at: datetime


class MonthOut(Out, frozen=True, kw_only=True):
    """The minutes of a calendar month. Without a live contact there is no tier."""

    month: str
    minutes: int
    live: bool
    tier: StaffTier | None
    label: str
    entries: Sequence[SpentOut]


class MonitoringOut(Out, frozen=True, kw_only=True):
    notice: str
    patient_id: str
    consented: bool
    windows: Sequence[WindowOut]
    month: MonthOut


class SpentIn(Body, frozen=True, kw_only=True):
    """Minutes spent on a patient between visits. `live`: you spoke, in person, by phone or by video.

    A correction names the entry it `replaces`; 0 minutes take that one back.
    """

    date: Day
    minutes: Annotated[int, Meta(ge=0, le=600, description="Whole minutes, at most 600.")]
    live: bool
    note: Annotated[str, Meta(max_length=500)] = ""
    replaces: Id | None = None


class LabelsIn(Body, frozen=True, kw_only=True):
    """What the clinic calls each tier in its own papers. Tiers not named stay; an empty text takes a label away."""

    labels: Mapping[str, str]


class LabelsOut(Out, frozen=True, kw_only=True):
    tiers: Sequence[str]
    labels: Mapping[str, str]


@get("/clinics/{clinic:str}/patients/{id:str}/monitoring", doc=Doc(gives=MonitoringOut, query=MonitoringQuery))
async def patient_monitoring(request: ApiRequest) -> ASGIResponse:
    """On which dates a patient sent something, in windows of 30 days, and what staff spent on them in a month."""
    call = await at_clinic(request)
    return await call.read(_of_patient, call.who, call.id(), call.query(MonitoringQuery), call.now)


@post(
    "/clinics/{clinic:str}/patients/{id:str}/staff-time",
    status_code=201,
    doc=Doc(takes=SpentIn, gives=SpentOut, status=201, also=(409,)),
)
async def log_staff_time(request: ApiRequest) -> ASGIResponse:
    """Write down minutes spent on a patient, or correct an entry by a new one. Nothing is ever overwritten."""
    call = await at_clinic(request)
    return await call.once(201, _spend, call.who, call.id(), await call.body(SpentIn), call.now)


@put("/clinics/{clinic:str}/settings/monitoring-labels", doc=Doc(takes=LabelsIn, gives=LabelsOut))
async def set_monitoring_labels(request: ApiRequest) -> ASGIResponse:
    """Set what the clinic calls the tiers of monitoring. None are shipped."""
    call = await at_clinic(request)
    return await call.change(_label, call.who, await call.body(LabelsIn), call.now)


def _of_patient(db: Connection, who: Who, id: str, query: MonitoringQuery, now: Instant) -> MonitoringOut:
    it = people.patient_of(db, who.clinic, id)
    clinic = people.clinic_of(db, who.clinic)
    named = query.month or day_of(zone(clinic.zone).wall(now).day * DAY_MINUTES).strftime("%Y-%m")
    asked = evidence.period(int(named[:4]), int(named[5:]), query.grace)
    (found,) = evidence.evidence_of(db, who.clinic, [it], asked, now)
    labels, month = clinic.settings.monitoring_labels, found.month
    return MonitoringOut(
        notice=evidence.NOTICE,
        patient_id=id,
        consented=it.consented,
        windows=[
            _window(one, found.today, labels, found.sent if query.evidence else None, query.grace)
            for one in found.windows
        ],
        month=MonthOut(
            month=named,
            minutes=month.minutes,
            live=month.live,
            tier=month.tier,
            label=labels.get(month.tier or "", ""),
            entries=[_spent(one) for one in month.entries],
        ),
    )


def _window(it: Window, today: int, labels: Mapping[str, str], sent: Sequence[Sent] | None, grace: int) -> WindowOut:
    return WindowOut(
        from_=date.fromordinal(it.first),
        to=date.fromordinal(it.last),
        days=len(it.days),
        last=date.fromordinal(it.days[-1]) if it.days else None,
        over=it.over,
        tier=it.tier,
        label=labels.get(it.tier or "", ""),
        still_needed=it.still(today),
        evidence=None if sent is None else [_sent(one, grace) for one in sent if it.first <= one.day <= it.last],
    )


def _sent(it: Sent, grace: int) -> SentOut:
    counts = monitoring.counted(it, grace)
    return SentOut(date=date.fromordinal(it.day), kind=it.kind, id=it.id, at=stamp(it.at), counts=counts)


def _spend(db: Connection, who: Who, id: str, it: SpentIn, now: Instant) -> SpentOut:
    when = day(it.date, "/date").toordinal()
    return _spent(
        evidence.spend(db, who, id, Spent("", id, when, it.minutes, it.live, it.note, it.replaces, "", now), now)
    )


def _spent(it: Spent) -> SpentOut:
    return SpentOut(
        id=it.id,
        date=date.fromordinal(it.day),
        minutes=it.minutes,
        live=it.live,
        note=it.note,
        replaces=it.replaces,
        by=it.by,
        at=stamp(it.at),
    )


def _label(db: Connection, who: Who, it: LabelsIn, now: Instant) -> LabelsOut:
    if len(it.labels) > len(monitoring.TIERS):
        raise invalid(Wrong("names more tiers than there are", "/labels"))
    return LabelsOut(tiers=monitoring.TIERS, labels=evidence.set_labels(db, who, it.labels, now))


ROUTES = (patient_monitoring, log_staff_time, set_monitoring_labels)
