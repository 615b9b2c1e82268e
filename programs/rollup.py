"""The rollup: what the ledger says of each plan in each whole week, kept so that a clinic's numbers are quick to add.

It is never the only copy. Whoever changes what the ledger says of a week marks it in the same transaction, and a marked
week is counted from the ledger until it has been rolled up again (service/reading.py does both). Whole weeks that are
over stay as they are; the week in hand holds what was due up to the patient's own date, until their next midnight.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    delete,
    distinct,
    func,
    insert,
    or_,
    select,
    update,
)

from programs.instants import HOUR, Instant
from programs.schedule import week_of
from programs.tables import ITEM_STATES, adherence_week, among, rollup

NEVER = 2**31 - 1  # a week that does not come: nothing is due any more, all weeks are right
FOREVER: Instant = 2**53


class Standing(NamedTuple):
    """How far a patient's rollup can be trusted, as stored."""

    patient: str
    right_before: int
    this_week: int
    fresh_until: Instant

    def wrong_from(self, now: Instant) -> int:
        """The first week that has to be counted from the ledger."""
        return self.right_before if now < self.fresh_until else min(self.right_before, self.this_week)


class Part(NamedTuple):
    """Some weeks of some patients and plans together: how many patients, and a Tally's figures."""

    key: str | int
    patients: int
    slots: int
    share: int
    counts: tuple[int, ...]


class Entry(NamedTuple):
    """One row: one plan of one patient in one week."""

    patient: str
    plan: str
    clinician: str
    title: str
    week: int
    slots: int
    share: int
    counts: tuple[int, ...]


_OF_PATIENT = (rollup.c.clinic_id == bindparam("clinic"), rollup.c.patient_id == bindparam("patient"))
_MARK = (
    update(rollup)
    .where(*_OF_PATIENT, or_(rollup.c.right_before > bindparam("week"), rollup.c.fresh_until > 0))
    .values(
        right_before=case((rollup.c.right_before > bindparam("week"), bindparam("week")), else_=rollup.c.right_before),
        fresh_until=0,
    )
)
_SETTLE = (
    update(rollup)
    .where(*_OF_PATIENT)
    .values(right_before=bindparam("before"), this_week=bindparam("this"), fresh_until=bindparam("until"))
)
_DELAY = (
    update(rollup)
    .where(*_OF_PATIENT, rollup.c.fresh_until <= bindparam("now"))
    .values(
        right_before=case(
            (rollup.c.right_before > rollup.c.this_week, rollup.c.this_week), else_=rollup.c.right_before
        ),
        fresh_until=bindparam("until"),
    )
)
_STANDING = select(*(rollup.c[name] for name in ("patient_id", "right_before", "this_week", "fresh_until"))).where(
    rollup.c.clinic_id == bindparam("clinic")
)
_OF_SOME = _STANDING.where(rollup.c.patient_id.in_(bindparam("patients", expanding=True))).order_by(rollup.c.patient_id)
_LOCK = _OF_SOME.with_for_update()
_DOUBTFUL = or_(rollup.c.fresh_until <= bindparam("now"), rollup.c.right_before <= bindparam("last"))
_UNSURE = _STANDING.where(_DOUBTFUL)
_STALE = (
    select(rollup.c.clinic_id, rollup.c.patient_id)
    .where(rollup.c.fresh_until <= bindparam("now"))
    .order_by(rollup.c.fresh_until, rollup.c.clinic_id, rollup.c.patient_id)
    .limit(bindparam("count"))
)
_WEEK = adherence_week.c
_FORGET = delete(adherence_week).where(
    _WEEK.clinic_id == bindparam("clinic"), _WEEK.week == bindparam("week_"), _WEEK.patient_id == bindparam("patient")
)
_INSERT = insert(adherence_week)
_SUMS = tuple(func.sum(_WEEK[name]) for name in ("slots", "share", *ITEM_STATES))
_RANGE = (_WEEK.clinic_id == bindparam("clinic"), _WEEK.week.between(bindparam("first"), bindparam("last")))
_SURE = _WEEK.patient_id.not_in(select(rollup.c.patient_id).where(rollup.c.clinic_id == bindparam("clinic"), _DOUBTFUL))
_PATIENTS = func.count(distinct(_WEEK.patient_id))
_EVERYBODY = select(_PATIENTS).where(*_RANGE)
_ALL = select(_PATIENTS, *_SUMS).where(*_RANGE)
_LOWEST = func.sum(_WEEK.share) * 1.0 / func.sum(_WEEK.slots)
_ENTRIES = select(
    *(_WEEK[name] for name in ("patient_id", "plan_id", "clinician_id", "title", "week", "slots", "share")),
    *(_WEEK[name] for name in ITEM_STATES),
).where(*_RANGE, among(_WEEK.patient_id, "patients"))


def _by(key: ColumnElement[Any]) -> Select[Any]:
    return select(key, _PATIENTS, *_SUMS).where(*_RANGE).group_by(key)


_PARTS = {
    "clinician": _by(_WEEK.clinician_id),
    "program": _by(_WEEK.title),
    "week": _by(_WEEK.week),
    "patient": _by(_WEEK.patient_id)
    .having(func.sum(_WEEK.slots) >= bindparam("fewest"))
    .order_by(_LOWEST, _WEEK.patient_id)
    .limit(bindparam("most")),
}


def begin(db: Connection, clinic: str, patient: str) -> None:
    """Every patient has one row, right about nothing yet."""
    row = {"clinic_id": clinic, "patient_id": patient, "right_before": 0, "this_week": 0, "fresh_until": 0}
    db.execute(insert(rollup), row)


def mark(db: Connection, clinic: str, changed: Iterable[tuple[str, int]]) -> None:
    """What the ledger says of these patients has changed, from this wall's week on."""
    earliest: dict[str, int] = {}
    for patient, wall in changed:
        earliest[patient] = min(wall, earliest.get(patient, wall))
    # In order, so that two who mark the same patients wait for each other instead of for ever.
    rows = [{"clinic": clinic, "patient": it, "week": week_of(wall)} for it, wall in sorted(earliest.items())]
    if rows:
        db.execute(_MARK, rows if len(rows) > 1 else rows[0])


# rolling up


def stale(db: Connection, now: Instant, count: int) -> dict[str, list[str]]:
    """Clinic -> patients whose rollup is behind; at most `count` patients."""
    found: dict[str, list[str]] = defaultdict(list)
    for clinic, patient in db.execute(_STALE, {"now": now, "count": count}):
        found[clinic].append(patient)
    return found


def leave_alone(db: Connection, clinic: str, patient: str, now: Instant) -> None:
    """This patient's weeks cannot be counted: looked at again in an hour, or when they are marked. Weeks that were
    right are still trusted; no others are."""
    db.execute(_DELAY, {"clinic": clinic, "patient": patient, "now": now, "until": now + HOUR})


def standings(db: Connection, clinic: str, patients: Sequence[str], lock: bool = False) -> list[Standing]:
    """With `lock`, nobody marks them until this transaction ends."""
    rows = db.execute(_LOCK if lock else _OF_SOME, {"clinic": clinic, "patients": list(patients)}).all()
    return [Standing(*row) for row in rows]


def store(db: Connection, clinic: str, before: Standing, after: Standing, first: int, found: Sequence[Entry]) -> None:
    """`found` is all there is from week `first` on, before which nothing was wrong."""
    weeks = range(first, before.this_week + 1)
    if weeks:
        db.execute(_FORGET, [{"clinic": clinic, "week_": week, "patient": before.patient} for week in weeks])
    if found:
        db.execute(_INSERT, [_row(clinic, it) for it in found])
    values = {"before": after.right_before, "this": after.this_week, "until": after.fresh_until}
    db.execute(_SETTLE, {"clinic": clinic, "patient": before.patient, **values})


def _row(clinic: str, it: Entry) -> Mapping[str, object]:
    key = {"clinic_id": clinic, "week": it.week, "patient_id": it.patient, "plan_id": it.plan}
    key |= {"clinician_id": it.clinician, "title": it.title}
    return {**key, "slots": it.slots, "share": it.share, **dict(zip(ITEM_STATES, it.counts, strict=True))}


def forget(db: Connection, clinic: str) -> None:
    """As if nothing had been rolled up at this clinic: every number comes from the ledger until it has been again."""
    db.execute(delete(adherence_week).where(_WEEK.clinic_id == clinic))
    db.execute(update(rollup).where(rollup.c.clinic_id == clinic).values(right_before=0, this_week=0, fresh_until=0))


# adding up


class Span(NamedTuple):
    """Some whole weeks of a clinic, asked for at an instant; of patients, only so many with so many slots."""

    clinic: str
    first: int
    last: int
    now: Instant
    fewest: int
    most: int


def parts(db: Connection, by: str, span: Span, all_sure: bool) -> tuple[list[Part], Part]:
    """Sums over all patients whose rollup is right, apart and together; of patients apart the lowest ones, in order.

    `all_sure` says that there is nobody in `unsure`, of whom then nobody need be asked a second time.
    """
    values = span._asdict()
    # Only of patients is not every part among the rows.
    statements = (_PARTS[by], _ALL if by == "patient" else _EVERYBODY)
    apart, together = (db.execute(it if all_sure else it.where(_SURE), values).all() for it in statements)
    found = [_part(*row) for row in apart]
    if by == "patient":
        return found, _part("", *together[0])
    counts = (sum(column) for column in zip(*(it.counts for it in found), strict=True))
    slots, share = sum(it.slots for it in found), sum(it.share for it in found)
    return found, Part("", together[0][0], slots, share, tuple(counts) or (0,) * len(ITEM_STATES))


def _part(key: str | int, patients: int, slots: int | None, share: int | None, *counts: int | None) -> Part:
    return Part(key, patients, int(slots or 0), int(share or 0), tuple(int(it or 0) for it in counts))


def unsure(db: Connection, clinic: str, last: int, now: Instant) -> list[Standing]:
    """Whose rollup is not right about every week until `last`: they are in no Part."""
    rows = db.execute(_UNSURE, {"clinic": clinic, "last": last, "now": now}).all()
    return [Standing(*row) for row in rows]


def entries(db: Connection, clinic: str, patients: Sequence[str], first: int, last: int) -> list[Entry]:
    """Their rows as they stand, right or not."""
    values = {"clinic": clinic, "patients": list(patients), "first": first, "last": last}
    rows: Sequence[Any] = db.execute(_ENTRIES, values).all()
    return [Entry(row[0], row[1], row[2], row[3], row[4], row[5], row[6], tuple(row[7:])) for row in rows]
