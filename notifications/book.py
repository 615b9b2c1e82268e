"""book: what is known of some patients, facts and messages of the last days, in a few statements. It only reads."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select

from notifications import addresses
from notifications.agenda import Facts, Snoozed, Told
from notifications.preferences import DEFAULT, preferences_of
from notifications.reach import Address
from notifications.tables import LANES, SET_ASIDE, due, message, outcome, snooze
from programs import checkins, completions, people, plans
from programs.instants import DAY, Instant
from programs.people import Patient
from programs.tables import among

LOOK_BACK = 2 * DAY
TAKEN = ("accepted", "in_flight", "awaiting")  # in a provider's hands, as far as we know


class Row(NamedTuple):
    """A message and where it stands: `state` is the due row's or the outcome's; `sent_at` when a provider took it
    first, or 0; `snoozed` what the patient asked for then."""

    id: str
    person_id: str
    key: str
    planned_for: Instant
    closes: Instant
    subjects: tuple[str, ...]
    state: str
    fence: int
    reason: str
    ended_at: Instant
    sent_at: Instant = 0
    snoozed: Snoozed | None = None


class Book(NamedTuple):
    """Everything known of some patients of one clinic: their facts, and their messages of the last days."""

    facts: dict[str, Facts]
    rows: dict[str, list[Row]]
    addresses: dict[str, list[Address]]


PENDING = (due.c.clinic_id == message.c.clinic_id) & (due.c.key == message.c.key) & (due.c.message_id == message.c.id)
_ROWS = (
    select(
        message.c.id,
        message.c.person_id,
        message.c.key,
        message.c.planned_for,
        message.c.closes,
        message.c.subjects,
        due.c.state.label("due_state"),
        due.c.fence,
        outcome.c.state,
        outcome.c.reason,
        outcome.c.ended_at,
        due.c.sent_at.label("taken_at"),
        outcome.c.sent_at,
        snooze.c.snoozed_at,
        snooze.c.until_at,
    )
    .outerjoin(due, PENDING)
    .outerjoin(snooze, (snooze.c.clinic_id == message.c.clinic_id) & (snooze.c.message_id == message.c.id))
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .where(
        message.c.clinic_id == bindparam("clinic"),
        among(message.c.person_id, "people"),
        message.c.closes > bindparam("since"),
    )
)
# Of each lane the earliest, by its index: asked for all of them at once, SQLite walks along the clinic's whole queue.
_OVERDUE = select(
    *(
        select(due.c.wake_at)
        .where(due.c.lane == lane, due.c.clinic_id == bindparam("clinic"), due.c.wake_at < bindparam("now"))
        .order_by(due.c.wake_at)
        .limit(1)
        .scalar_subquery()
        for lane in sorted(set(LANES.values()))
    )
)
_TOLD = _ROWS.where(outcome.c.state.is_not(None) | (due.c.state != "pending"))
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def read_book(
    db: Connection,
    clinic: str,
    patients: Sequence[str],
    now: Instant,
    checking: Collection[str] = (),
    pending: bool = False,
) -> Book:
    """Facts of many patients in a few statements, with the rows that tell what was sent; `pending` adds the others.

    `checking` are messages in our own hands, which tell nobody yet.
    """
    addressed = addresses.living(db, clinic, patients)
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in _read_rows(db, clinic, patients, now, pending):
        rows[row.person_id].append(row)
    chosen = preferences_of(db, clinic, patients)
    asked = defaultdict(list)
    for it in checkins.check_ins_of(db, clinic, patients, now - LOOK_BACK):
        asked[it.patient_id].append(it)
    courses = plans.courses_of(db, clinic, patients)
    yesterday = (now // DAY + 719_162) * 1440  # day 719,163 is 1970-01-01: a wall no zone has passed by more than a day
    done = completions.completions_of(db, clinic, patients, yesterday, 2**53) if courses else {}
    facts = {
        it.id: Facts(
            patient_id=it.id,
            zone=it.zone,
            preferences=chosen.get(it.id, DEFAULT),
            silent=silence(it),
            reacted_at=it.reacted_at,
            check_ins=asked.get(it.id, ()),
            courses=courses.get(it.id, ()),
            logged=frozenset((kept.value.plan_id, kept.wall, kept.value.exercise) for kept in done.get(it.id, ())),
            told=_told(rows.get(it.id, ()), addressed.get(it.id, ()), checking),
            snoozed=_snoozed(rows.get(it.id, ())),
        )
        for it in people.some_patients(db, clinic, patients)
    }
    return Book(facts, rows, addressed)


def silence(patient: Patient) -> str:
    if patient.discharged_at is not None:
        return "discharged"
    return "" if patient.consented else "no_consent"


def _read_rows(db: Connection, clinic: str, who: Sequence[str], now: Instant, pending: bool) -> Iterable[Row]:
    statement = _ROWS if pending else _TOLD
    begin = since(db, clinic, now) if pending else now - LOOK_BACK
    for it in db.execute(statement, {"clinic": clinic, "people": list(who), "since": begin}).all():
        state, sent_at = it.due_state or it.state, it.taken_at or it.sent_at or 0
        snoozed = None if it.until_at is None else Snoozed(it.snoozed_at, it.until_at)
        yield Row(
            *it[:5], _subjects(it.subjects), state, it.fence or 0, it.reason or "", it.ended_at or 0, sent_at, snoozed
        )


def _told(rows: Iterable[Row], reachable: Sequence[Address], checking: Collection[str]) -> list[Told]:
    newest = max((it.added_at for it in reachable), default=-1)
    told = []
    for row in rows:
        if row.state in SET_ASIDE:
            told.append(Told(row.planned_for, row.subjects, row.state))
        elif row.state in TAKEN and row.id not in checking:
            told.append(Told(row.sent_at or row.ended_at or row.planned_for, row.subjects))
        elif row.sent_at and row.id not in checking:  # it was answered while we waited for its receipt
            told.append(Told(row.sent_at, row.subjects))
        elif row.state == "failed" or (row.reason == "no_address" and newest <= row.ended_at):
            # A new address is a new chance; until then, planning it anew at every tick would be noise.
            told.append(Told(row.ended_at, row.subjects, row.reason))
    return told


def _snoozed(rows: Iterable[Row]) -> dict[str, Snoozed]:
    """Subject -> the latest wish to be reminded of it later. Of a check-in, that is its nudge."""
    found: dict[str, Snoozed] = {}
    for row in rows:
        if row.snoozed is None:
            continue
        for subject in (it.replace("check_in:", "nudge:", 1) for it in row.subjects):
            if subject not in found or found[subject].at < row.snoozed.at:
                found[subject] = row.snoozed
    return found


def since(db: Connection, clinic: str, now: Instant) -> Instant:
    """Messages whose windows closed earlier than this are over and done with, also after days without a worker."""
    overdue = db.execute(_OVERDUE, {"clinic": clinic, "now": now}).one()
    return min((at for at in overdue if at is not None), default=now) - LOOK_BACK
