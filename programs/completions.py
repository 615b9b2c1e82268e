"""What the patient did or skipped, as the phone said it, at the time it happened; safe to send twice."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from programs import rollup
from programs.dosage import check_time
from programs.errors import Invalid
from programs.instants import DAY, MINUTE, Instant
from programs.schedule import Bout, Course, bouts, wall_at
from programs.tables import among, completion

Outcome = Literal["done", "partly", "skipped"]
Reason = Literal["too_sore", "no_time", "forgot", "unsure_how", "unwell", "other"]
Verdict = Literal["accepted", "duplicate", "not_due", "rejected"]

# A phone's clock may run ahead of ours by this much; a phone may have been offline this long.
AHEAD = 5 * MINUTE
OLDEST = 60 * DAY


class Completion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One exercise of one bout. `id` is made by the phone, once, however often it has to send."""

    id: str
    plan_id: str
    exercise: str
    date: date
    time: str
    outcome: Outcome
    done_at: Instant
    sets: int | None = None
    pain: int | None = None
    reason: Reason | None = None
    note: str = ""


class Kept(msgspec.Struct, frozen=True):
    """A stored completion: `wall` is the bout it belongs to, `done_wall` the patient's own clock when it was done."""

    wall: int
    done_wall: int
    received_at: Instant
    value: Completion


class Judged(msgspec.Struct, frozen=True):
    """The verdict on one item. `not_due` is kept and shown, and counts for nothing; `rejected` says why and is not."""

    id: str
    verdict: Verdict
    problem: str = ""


_KNOWN = select(completion.c.id, completion.c.value).where(
    completion.c.clinic_id == bindparam("clinic"),
    completion.c.patient_id == bindparam("patient"),
    among(completion.c.id, "ids"),
)
_KEPT = (
    select(
        completion.c.patient_id,
        completion.c.wall,
        completion.c.done_wall,
        completion.c.received_at,
        completion.c.value,
    )
    .where(
        completion.c.clinic_id == bindparam("clinic"),
        among(completion.c.patient_id, "patients"),
        completion.c.wall >= bindparam("first"),
        completion.c.wall <= bindparam("last"),
    )
    .order_by(completion.c.done_at, completion.c.received_at, completion.c.id)
)
_INSERT = insert(completion)
_decode = msgspec.json.Decoder(Completion).decode


def record(
    db: Connection,
    clinic: str,
    patient: str,
    items: Sequence[tuple[Completion, int]],
    courses: Sequence[Course],
    now: Instant,
) -> list[Judged]:
    """Keep each item with its own time (second of the pair: the patient's wall then); a verdict for each, in order.

    One bad item does not spoil the batch. An id seen before is a duplicate, whatever comes with it: the first stands.
    """
    known = {
        row.id for row in db.execute(_KNOWN, {"clinic": clinic, "patient": patient, "ids": [it.id for it, _ in items]})
    }
    judged, rows, kept = [], [], []
    plans = {course.plan_id: course for course in courses}
    for it, done_wall in items:
        verdict, revision = _judge(it, plans, known, now)
        judged.append(verdict)
        if verdict.verdict in ("accepted", "not_due"):
            known.add(it.id)
            kept.append(it)
            rows.append(_row(clinic, patient, it, done_wall, revision, now))
    if rows:
        db.execute(_INSERT, rows)
        rollup.mark(db, clinic, [(patient, min(wall_at(it.date, it.time) for it in kept))])
    return judged


def _judge(it: Completion, plans: dict[str, Course], known: set[str], now: Instant) -> tuple[Judged, int]:
    if it.id in known:
        return Judged(it.id, "duplicate"), 0
    problem = _problem(it, now) or _time_problem(it.time)
    if it.plan_id not in plans:
        problem = "names a plan that this patient does not have"
    if problem:
        return Judged(it.id, "rejected", problem), 0
    bout = _bout(plans[it.plan_id], it)
    return Judged(it.id, "accepted" if bout else "not_due"), bout.revision if bout else 0


def _problem(it: Completion, now: Instant) -> str:
    if it.done_at > now + AHEAD:
        return "done_at is in the future"
    if it.done_at < now - OLDEST:
        return "done_at is more than 60 days ago"
    if it.outcome != "skipped" and it.reason is not None:
        return "only what was skipped has a reason"
    if it.sets is not None and not 0 <= it.sets <= 50:
        return "sets must be from 0 to 50"
    if it.pain is not None and not 0 <= it.pain <= 10:
        return "pain must be from 0 to 10"
    return ""


def _time_problem(time: str) -> str:
    try:
        check_time(time)
    except Invalid as wrong:
        return f"time {wrong.problem}"
    return ""


def _bout(course: Course, it: Completion) -> Bout | None:
    wall = wall_at(it.date, it.time)
    day = it.date.toordinal()
    for bout in bouts(course, day, day):
        if bout.wall == wall and any(due.exercise == it.exercise for due in bout.due):
            return bout
    return None


def _row(clinic: str, patient: str, it: Completion, done_wall: int, revision: int, now: Instant) -> dict[str, object]:
    return {
        "clinic_id": clinic,
        "patient_id": patient,
        "id": it.id,
        "plan_id": it.plan_id,
        "revision": revision,
        "exercise": it.exercise,
        "wall": wall_at(it.date, it.time),
        "value": it,
        "done_at": it.done_at,
        "done_wall": done_wall,
        "received_at": now,
    }


def completions_of(
    db: Connection, clinic: str, patients: Sequence[str], first: int, last: int
) -> dict[str, list[Kept]]:
    """Patient id -> completions of the bouts with first <= wall <= last, in the order in which they were done."""
    values = {"clinic": clinic, "patients": list(patients), "first": first, "last": last}
    found: dict[str, list[Kept]] = defaultdict(list)
    for patient, wall, done_wall, received_at, value in db.execute(_KEPT, values).all():
        found[patient].append(Kept(wall, done_wall, received_at, _decode(value)))
    return found
