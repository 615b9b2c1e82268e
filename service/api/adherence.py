"""Adherence: the one number and what it stands on, of a patient, and of a clinic in groups."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec
from litestar import get
from litestar.response.base import ASGIResponse
from msgspec import field
from sqlalchemy import Connection

from notifications.timing import zone
from programs import adherence, people
from programs.adherence import Adherence, Item
from programs.instants import Instant
from programs.schedule import day_of, time_of
from service import reading
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Day, Out
from service.care import Who
from service.errors import Wrong, invalid
from service.reading import LONGEST_RANGE, By

USUAL = timedelta(days=27)  # with today, 28 local days


class RangeQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local dates, both included; the last 28 days where they are left out."""

    from_: Day | None = field(default=None, name="from")
    to: Day | None = None

    def days(self, today: date) -> tuple[date, date]:
        last = self.to or today
        if last.toordinal() <= LONGEST_RANGE:
            raise invalid(Wrong("is too long ago", parameter="to"))
        first = self.from_ or last - USUAL
        if last < first:
            raise invalid(Wrong("is before from", parameter="to"))
        if last - first > timedelta(days=LONGEST_RANGE):
            raise invalid(Wrong(f"is more than {LONGEST_RANGE} days after from", parameter="to"))
        return first, last


class PatientQuery(RangeQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    items: bool = False


class ClinicQuery(RangeQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    by: By = "clinician"


class ItemOut(Out, frozen=True, kw_only=True):
    """One exercise of one bout; `reason` is the patient's for skipping or the clinic's for holding."""

    plan_id: str
    revision: int
    exercise: str
    date: date
    time: str
    state: adherence.State
    sets: int
    sets_done: float
    reason: str
    completion_id: str | None


class AdherenceOut(Out, frozen=True, kw_only=True):
    """`percent` is null with fewer than three days of an exercise (`n`), and `band` then says “not enough data”.

    `counts` are the items behind it by state.
    """

    percent: float | None
    band: str
    n: int
    counts: Mapping[str, int]


class PatientAdherenceOut(AdherenceOut, frozen=True, kw_only=True):
    """`items` are all of them, if asked for, else null."""

    patient_id: str
    from_: date = field(name="from")
    to: date
    items: Sequence[ItemOut] | None


class GroupOut(AdherenceOut, frozen=True, kw_only=True):
    name: str
    patients: int


class ClinicAdherenceOut(Out, frozen=True, kw_only=True):
    """`all` is everybody together: not the mean of the groups, but the same sum over all of their items."""

    from_: date = field(name="from")
    to: date
    by: By
    groups: Sequence[GroupOut]
    all: GroupOut


@get(
    "/clinics/{clinic:str}/patients/{id:str}/adherence",
    doc=Doc(gives=PatientAdherenceOut, query=PatientQuery),
)
async def patient_adherence(request: ApiRequest) -> ASGIResponse:
    """A patient's adherence on their own local dates, with every item behind it if `items` is true."""
    call = await at_clinic(request)
    return await call.read(_of_patient, call.who, call.id(), call.query(PatientQuery), call.now)


@get("/clinics/{clinic:str}/adherence", doc=Doc(gives=ClinicAdherenceOut, query=ClinicQuery))
async def clinic_adherence(request: ApiRequest) -> ASGIResponse:
    """The clinic's adherence by clinician, program or ISO week."""
    call = await at_clinic(request)
    return await call.read(_of_clinic, call.who, call.query(ClinicQuery), call.now)


def _of_patient(db: Connection, who: Who, id: str, query: PatientQuery, now: Instant) -> PatientAdherenceOut:
    here = zone(people.patient_of(db, who.clinic, id).zone).minutes(now)
    first, last = query.days(day_of(here))
    items = reading.patient_ledger(db, who.clinic, id, first, last, now)
    it = adherence.sum_up(items)
    return PatientAdherenceOut(
        patient_id=id,
        from_=first,
        to=last,
        percent=it.percent,
        band=it.band,
        n=it.n,
        counts=it.counts,
        items=[_item(one) for one in items] if query.items else None,
    )


def _of_clinic(db: Connection, who: Who, query: ClinicQuery, now: Instant) -> ClinicAdherenceOut:
    here = zone(people.clinic_of(db, who.clinic).zone).minutes(now)
    first, last = query.days(day_of(here))
    groups = reading.clinic_groups(db, who.clinic, first, last, query.by, now)
    *each, total = [_group(one.name, one.patients, one.adherence) for one in groups]
    return ClinicAdherenceOut(from_=first, to=last, by=query.by, groups=each, all=total)


def _group(name: str, patients: int, it: Adherence) -> GroupOut:
    return GroupOut(name=name, patients=patients, percent=it.percent, band=it.band, n=it.n, counts=it.counts)


def _item(it: Item) -> ItemOut:
    return ItemOut(
        plan_id=it.plan_id,
        revision=it.revision,
        exercise=it.exercise,
        date=day_of(it.wall),
        time=time_of(it.wall),
        state=it.state,
        sets=it.sets,
        sets_done=it.sets_done,
        reason=it.reason,
        completion_id=it.completion_id or None,
    )


ROUTES = (patient_adherence, clinic_adherence)
