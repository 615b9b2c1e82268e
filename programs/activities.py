""" "My activities": what a patient finds hard, in their own words, and their ratings of it; and all outcomes, read.

The words are the patient's: nothing reads them, and they stand in no message. What the numbers come to is outcomes.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import Instant
from programs.outcomes import BEST_CHANGE, MOST, WORST_CHANGE, Said
from programs.tables import activity, answer, check_in, needling_session, rating

LONGEST = 120  # characters


class Activity(msgspec.Struct, frozen=True):
    id: str
    words: str
    added_by: str
    added_at: Instant
    ended_at: Instant | None


class Rated(msgspec.Struct, frozen=True):
    """`scores` by activity id, 0 not at all to 10 as well as before; `change` -5 to 5, not asked the first time."""

    scores: Mapping[str, int]
    change: int | None = None


class Rating(msgspec.Struct, frozen=True):
    id: str
    rated_at: Instant
    value: Rated


_ACTIVITIES = (
    select(activity.c.id, activity.c.words, activity.c.added_by, activity.c.added_at, activity.c.ended_at)
    .where(activity.c.clinic_id == bindparam("clinic"), activity.c.patient_id == bindparam("patient"))
    .order_by(activity.c.added_at, activity.c.id)
)
_RATINGS = (
    select(rating.c.id, rating.c.rated_at, rating.c.value)
    .where(rating.c.clinic_id == bindparam("clinic"), rating.c.patient_id == bindparam("patient"))
    .order_by(rating.c.rated_at, rating.c.id)
)
_SAID = (
    select(
        check_in.c.session_id,
        needling_session.c.ended_at,
        check_in.c.step,
        answer.c.answered_at,
        answer.c.answers,
    )
    .join(answer, (answer.c.clinic_id == check_in.c.clinic_id) & (answer.c.check_in_id == check_in.c.id))
    .join(
        needling_session,
        (needling_session.c.clinic_id == check_in.c.clinic_id) & (needling_session.c.id == check_in.c.session_id),
    )
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        check_in.c.patient_id == bindparam("patient"),
        needling_session.c.cancelled_at.is_(None),
    )
    .order_by(answer.c.answered_at, check_in.c.id, answer.c.version)
)
_decode = msgspec.json.Decoder(Rated).decode


def activities_of(db: Connection, clinic: str, patient: str) -> list[Activity]:
    """In the order in which they were named, ended ones included."""
    return [Activity(*row) for row in db.execute(_ACTIVITIES, {"clinic": clinic, "patient": patient})]


def ratings_of(db: Connection, clinic: str, patient: str) -> list[Rating]:
    """In order of time."""
    rows = db.execute(_RATINGS, {"clinic": clinic, "patient": patient})
    return [Rating(row.id, row.rated_at, _decode(row.value)) for row in rows]


def said_of(db: Connection, clinic: str, patient: str) -> list[Said]:
    """Every score this patient gave in a check-in, in order of time; not of cancelled needling sessions."""
    return [
        Said(*row[:4], _score(said := msgspec.json.decode(row.answers), "q_sore"), _score(said, "q_usual"))
        for row in db.execute(_SAID, {"clinic": clinic, "patient": patient})
    ]


def _score(answers: Mapping[str, Any], question: str) -> int | None:
    found = answers.get(question)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def add(db: Connection, clinic: str, patient: str, it: Activity) -> Activity:
    """Named again under its id, nothing changes. Raises Conflict above the limit."""
    words = " ".join(it.words.split())
    if not 1 <= len(words) <= LONGEST:
        raise Invalid("words", f"must be from 1 to {LONGEST} characters")
    standing = activities_of(db, clinic, patient)
    known = next((one for one in standing if one.id == it.id), None)
    if known is not None:
        return known
    if sum(one.ended_at is None for one in standing) >= MOST:
        raise Conflict(
            f"there are {MOST} activities", f"There are {MOST} already. Take one off the list before you add another."
        )
    it = msgspec.structs.replace(it, words=words)
    db.execute(insert(activity), {"clinic_id": clinic, "patient_id": patient, **msgspec.structs.asdict(it)})
    return it


def end(db: Connection, clinic: str, patient: str, id: str, now: Instant) -> Activity:
    """Off the list; its ratings stay. Doing it again changes nothing."""
    db.execute(
        update(activity)
        .where(activity.c.clinic_id == clinic, activity.c.patient_id == patient, activity.c.id == id)
        .where(activity.c.ended_at.is_(None))
        .values(ended_at=now)
    )
    found = next((it for it in activities_of(db, clinic, patient) if it.id == id), None)
    if found is None:
        raise NoSuchRecord("activity", id)
    return found


def rate(db: Connection, clinic: str, patient: str, it: Rating, now: Instant) -> Rating:
    """Keep a rating; sent again under its id, nothing changes. Raises Invalid naming the field."""
    standing = ratings_of(db, clinic, patient)
    known = next((one for one in standing if one.id == it.id), None)
    if known is not None:
        return known
    _check(it.value, activities_of(db, clinic, patient), bool(standing))
    row = {"clinic_id": clinic, "patient_id": patient, "id": it.id, "value": it.value}
    db.execute(insert(rating), {**row, "rated_at": min(it.rated_at, now), "received_at": now})
    return it


def _check(it: Rated, standing: Sequence[Activity], again: bool) -> None:
    current = {one.id for one in standing if one.ended_at is None}
    if not it.scores:
        raise Invalid("scores", "must rate at least one activity")
    for id, score in it.scores.items():
        if id not in current:
            raise Invalid("scores", "rates an activity that is not on the list")
        if not 0 <= score <= 10:
            raise Invalid("scores", "must be from 0 to 10")
    if it.change is not None and not again:
        raise Invalid("change", "is asked from the second time on", "There is nothing to compare with yet.")
    if it.change is not None and not WORST_CHANGE <= it.change <= BEST_CHANGE:
        raise Invalid("change", f"must be from {WORST_CHANGE} to {BEST_CHANGE}")
