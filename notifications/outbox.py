"""outbox: reconcile the agenda with the rows that are pending; claiming, delivery and settling do the rest.

Whenever a fact changes, `reconcile` runs in the same transaction: what the agenda now wants and no row has is inserted,
what moved is updated, what is unwanted ends with the reason why. What was sent, or is being sent, is never touched.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec
from sqlalchemy import Connection, bindparam, case, delete, insert, select, update

from notifications import book, reach, receipts
from notifications.agenda import Agenda, Facts, Planned, agenda
from notifications.book import PENDING, Row
from notifications.tables import LANES, NEVER, SET_ASIDE, due, horizon, message, outcome
from notifications.timing import spread, zone
from programs import checkins, people, rollup
from programs.aftercare import is_to_be_shifted
from programs.ids import derived_id
from programs.instants import DAY, HOUR, SECOND, Instant
from programs.tables import among

# Rows are laid out this far ahead, and again before half of it has passed: a worker that was down for a day and a half
# still finds every row it should have had.
HORIZON = 3 * DAY

Mark = int

# How a message ends that is not sent after all, by the reason why the agenda has no place for it.
ENDS = {
    "answered": "answered",
    "logged": "answered",
    "window_over": "expired",
    "past": "expired",
    "skipped_late": "expired",
    "no_consent": "suppressed",
    "discharged": "suppressed",
    "daily_limit": "suppressed",
    "thinned_out": "suppressed",
    "held": "suppressed",
    "reminders_off": "suppressed",
    "nudges_off": "suppressed",
    "check_ins_off": "suppressed",
    "no_allowed_hour": "suppressed",
    "no_address": "suppressed",
    "quarantined": "failed",
    "restored": "suppressed",
}
# Of these, the reasons why a bout counts as one of which no message reached the patient (see receipts.py).
UNREACHED = frozenset(reason for reason, state in ENDS.items() if state in ("expired", "failed")) | {"no_address"}

# Nobody is planned further than this ahead, but by a clock that was ahead then.
TOO_FAR = HORIZON + DAY

_INSERT, _INSERT_DUE, _INSERT_OUTCOME = insert(message), insert(due), insert(outcome)
_UPDATE = (
    update(message)
    .where(message.c.clinic_id == bindparam("clinic"), message.c.id == bindparam("message"))
    .values(
        planned_for=bindparam("at"),
        closes=bindparam("closes_"),
        subjects=bindparam("subjects_"),
        reasons=bindparam("reasons_"),
    )
)
_WAKE = (
    update(due)
    .where(due.c.clinic_id == bindparam("clinic"), due.c.key == bindparam("key_"), due.c.state == "pending")
    .values(wake_at=bindparam("at"))
)
_DROP = delete(due).where(
    due.c.clinic_id == bindparam("clinic"),
    due.c.key == bindparam("key_"),
    due.c.message_id == bindparam("message"),
)
_PENDING_OF = (
    select(message.c.planned_for, message.c.subjects, due.c.state)
    .join(due, PENDING)
    .where(
        message.c.clinic_id == bindparam("clinic"),
        message.c.person_id == bindparam("patient"),
        message.c.closes > bindparam("now"),
        (due.c.state == "pending") | (due.c.state == "in_flight"),
    )
)
_LOCK = (
    select(due.c.key)
    .join(message, PENDING)
    .where(
        message.c.clinic_id == bindparam("clinic"),
        among(message.c.person_id, "people"),
        message.c.closes > bindparam("since"),
    )
    .order_by(due.c.key)
    .with_for_update(of=due)
)
_EARLIEST = select(due.c.wake_at).order_by(due.c.wake_at).limit(1)
# It moves each time, also within one millisecond: it is the mark by which a worker sees that somebody planned anew.
_AGAIN = (horizon.c.planned_until >= bindparam("until")) & (horizon.c.planned_until < bindparam("until") + SECOND)
_HORIZON = (
    update(horizon)
    .where(horizon.c.clinic_id == bindparam("clinic"), horizon.c.patient_id == bindparam("patient"))
    .values(planned_until=case((_AGAIN, horizon.c.planned_until + 1), else_=bindparam("until")))
)
_MARKS = select(horizon.c.patient_id, horizon.c.planned_until).where(
    horizon.c.clinic_id == bindparam("clinic"), among(horizon.c.patient_id, "patients")
)
_HOLD_MARKS = _MARKS.with_for_update(read=True, skip_locked=True)
_HORIZONS = select(horizon.c.patient_id).where(
    horizon.c.clinic_id == bindparam("clinic"), among(horizon.c.patient_id, "patients")
)
_BEHIND = (
    select(horizon.c.clinic_id, horizon.c.patient_id)
    .where(horizon.c.planned_until < bindparam("until"))
    .order_by(horizon.c.planned_until, horizon.c.clinic_id, horizon.c.patient_id)
    .limit(bindparam("count"))
)
_AHEAD = (
    select(horizon.c.clinic_id, horizon.c.patient_id)
    .where(horizon.c.planned_until > bindparam("beyond"))
    .order_by(horizon.c.planned_until, horizon.c.clinic_id, horizon.c.patient_id)
    .limit(bindparam("count"))
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def reconcile(db: Connection, clinic: str, patients: Sequence[str], now: Instant) -> None:
    """Bring the pending rows of these patients to what their agenda says. Doing it twice changes nothing."""
    _lock(db, clinic, patients, now)
    known = book.read_book(db, clinic, patients, now, pending=True)
    changes = _Changes(clinic, now)
    _shift(db, clinic, known.facts.values(), now)
    for patient, facts in known.facts.items():
        _compare(agenda(facts, now, now + HORIZON), known.rows.get(patient, []), facts, changes)
    changes.write(db)
    _extend(db, clinic, list(known.facts), now + HORIZON)


def _shift(db: Connection, clinic: str, everybody: Iterable[Facts], now: Instant) -> None:
    """What nobody could be asked in time, and whose step says so, gets a later window; the facts follow."""
    for facts in everybody:
        shifted = [it for it in facts.check_ins if is_to_be_shifted(it, now)] if not facts.silent else ()
        if shifted:
            moved = {it.id: checkins.shift(db, clinic, it, now) for it in shifted}
            facts.check_ins = [moved.get(it.id, it) for it in facts.check_ins]


def planned_about(db: Connection, clinic: str, patient: str, subjects: Collection[str], now: Instant) -> Instant | None:
    """When the next pending message of this patient about any of these subjects is planned for; None: there is none."""
    found = _about(db, clinic, patient, subjects, now)
    return min((at for at, state in found if state == "pending"), default=None)


def is_told_of(db: Connection, clinic: str, patient: str, subjects: Collection[str], now: Instant) -> bool:
    """Whether this patient has a message about any of these subjects before them, or on its way this moment."""
    return bool(_about(db, clinic, patient, subjects, now))


def _about(
    db: Connection, clinic: str, patient: str, subjects: Collection[str], now: Instant
) -> list[tuple[Instant, str]]:
    rows = db.execute(_PENDING_OF, {"clinic": clinic, "patient": patient, "now": now}).all()
    return [(at, state) for at, its, state in rows if not set(subjects).isdisjoint(_subjects(its))]


def _lock(db: Connection, clinic: str, patients: Sequence[str], now: Instant) -> None:
    """On PostgreSQL: one planner a patient at a time, and no claim of their rows meanwhile (it skips locked ones)."""
    people.lock(db, clinic, patients)
    if db.dialect.name != "sqlite":
        db.execute(_LOCK, {"clinic": clinic, "people": list(patients), "since": book.since(db, clinic, now)}).all()


def earliest(db: Connection) -> Instant | None:
    """When the worker has to look next; None when nothing is pending that a worker takes up."""
    at: Instant | None = db.execute(_EARLIEST).scalar()
    return None if at == NEVER else at


def marks(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, Mark]:
    """The mark of each, another one after each time their agenda was made; none of who was erased."""
    return {row.patient_id: row.planned_until for row in db.execute(_MARKS, {"clinic": clinic, "patients": patients})}


def hold_marks(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, Mark]:
    """As `marks`, and until the end of the transaction they stay as they are. Without those somebody is moving."""
    rows = db.execute(_HOLD_MARKS, {"clinic": clinic, "patients": patients})
    return {row.patient_id: row.planned_until for row in rows}


def leave_alone(db: Connection, clinic: str, patient: str, now: Instant) -> None:
    """Nothing can be planned for this patient: looked at again in an hour. What is planned already stands."""
    _extend(db, clinic, [patient], now + HORIZON // 2 + HOUR)


def preview(db: Connection, clinic: str, patient: str, now: Instant, until: Instant) -> Agenda:
    """What this patient would get, rows or no rows: the same function that plans, over the same facts.

    Messages already pending count as not yet sent; those sent since yesterday count as sent.
    """
    people.patient_of(db, clinic, patient)
    return agenda(book.read_book(db, clinic, [patient], now).facts[patient], now, until)


def behind(db: Connection, now: Instant, count: int) -> dict[str, list[str]]:
    """Clinic -> patients whose rows reach less than half the horizon ahead, or further than all of it: they were laid
    out by a clock that was ahead, and would not be again for as long. At most twice `count` patients."""
    found: dict[str, list[str]] = defaultdict(list)
    until = {"until": now + HORIZON // 2, "count": count}
    beyond = {"beyond": now + TOO_FAR, "count": count}
    for clinic, patient in [*db.execute(_BEHIND, until), *db.execute(_AHEAD, beyond)]:
        found[clinic].append(patient)
    return found


class _Changes:
    """What reconciling some patients of one clinic comes to, written in a handful of statements."""

    def __init__(self, clinic: str, now: Instant) -> None:
        self.clinic = clinic
        self.now = now
        self.new: list[dict[str, object]] = []
        self.wakes: dict[str, Instant] = {}  # by key, where it is not the instant planned for
        self.moved: list[tuple[Row, Planned]] = []
        self.ended: list[tuple[Row, str]] = []

    def add(self, person: str, it: Planned, earlier: int) -> None:
        """`earlier` counts the messages there were of this key, of which one may be as young as this millisecond."""
        self.new.append(
            {
                "clinic_id": self.clinic,
                "id": derived_id(self.clinic, it.key, self.now, earlier),
                "person_id": person,
                "kind": it.kind,
                "key": it.key,
                "planned_for": it.at,
                "closes": it.closes,
                "subjects": it.subjects,
                "reasons": it.reasons,
                "planned_at": self.now,
            }
        )

    def write(self, db: Connection) -> None:
        end(db, self.clinic, self.ended, self.now)
        insert_messages(db, self.new, self.wakes)
        rewrite(db, self.clinic, self.moved)
        woken = [
            {"clinic": self.clinic, "key_": row.key, "at": self.wakes.get(row.key, it.at)}
            for row, it in self.moved
            if row.planned_for != it.at
        ]
        if woken:
            db.execute(_WAKE, woken)


def insert_messages(
    db: Connection, new: Sequence[Mapping[str, object]], wakes: Mapping[str, Instant] = MappingProxyType({})
) -> None:
    """Each message with its due row; the key of a due row is unique, so that one subject is never pending twice."""
    if not new:
        return
    db.execute(_INSERT, list(new))
    db.execute(
        _INSERT_DUE,
        [
            {
                "clinic_id": it["clinic_id"],
                "key": it["key"],
                "message_id": it["id"],
                "wake_at": wakes.get(str(it["key"]), it["planned_for"]),
                "state": "pending",
                "fence": 0,
                "lane": LANES[str(it["kind"])],
                "tries": 0,
                "trouble": "",
            }
            for it in new
        ],
    )


def end(db: Connection, clinic: str, ended: Sequence[tuple[Row, str]], now: Instant) -> None:
    """These messages will not be sent, or not again, each for its reason: out of the queue, into the history."""
    if not ended:
        return
    db.execute(_DROP, [{"clinic": clinic, "key_": row.key, "message": row.id} for row, _ in ended])
    db.execute(
        _INSERT_OUTCOME,
        [
            {
                "clinic_id": clinic,
                "message_id": row.id,
                "state": _ended(row, reason),
                "reason": reason,
                "ended_at": now,
                "sent_at": row.sent_at or None,
            }
            for row, reason in ended
        ],
    )
    lost = [row for row, reason in ended if reason in UNREACHED or row.sent_at]
    rollup.mark(db, clinic, [(row.person_id, wall) for row in lost for _, wall in receipts.bouts_in(row.subjects)])


def _ended(row: Row, reason: str) -> str:
    """What a provider took before is not unsent by the reason for which nobody waits for its receipt any more."""
    state = ENDS.get(reason, "cancelled")
    return "accepted" if row.sent_at and state != "answered" else state


def _compare(wanted: Agenda, rows: Sequence[Row], facts: Facts, changes: _Changes) -> None:
    pending = {row.key: row for row in rows if row.state == "pending"}
    for it in wanted.messages:
        row = pending.pop(it.key, None)
        if row is None:
            changes.add(facts.patient_id, it, sum(row.key == it.key for row in rows))
        elif not _stands(row, it, changes.now):
            changes.moved.append((row, it))
        else:
            continue
        if it.kind == "bout" and it.at > changes.now:
            who, hours = facts.patient_id, facts.preferences.hours
            changes.wakes[it.key] = spread(who, it.at, it.closes, zone(facts.zone), hours)
    changes.ended += [(row, why_not(wanted, row, changes.now)) for row in pending.values()]
    waiting = [(row, reach.why_over(row.subjects, facts, changes.now)) for row in rows if row.state == "awaiting"]
    changes.ended += [(row, why) for row, why in waiting if why]
    aside = [(row, why_not(wanted, row, changes.now)) for row in rows if row.state in SET_ASIDE]
    changes.ended += [(row, row.state if why == "past" else why) for row, why in aside if why != row.state]


def _stands(row: Row, it: Planned, now: Instant) -> bool:
    """The row says what the agenda says. One that is due and waits for the worker is not moved along with the clock."""
    same_time = row.planned_for == it.at or (row.planned_for <= now and it.at <= now)
    return same_time and row.subjects == it.subjects and row.closes == it.closes


def why_not(wanted: Agenda, row: Row, now: Instant) -> str:
    """Why the agenda has no message of this row's key any more."""
    if any(row.key in it.subjects for it in wanted.messages):
        return "merged"
    code = next((it.reason.code for it in wanted.omitted if it.subject == row.key), "withdrawn")
    return "past" if code == "withdrawn" and row.closes <= now else code


def rewrite(db: Connection, clinic: str, changed: Sequence[tuple[Row, Planned]]) -> None:
    """What these messages are about and when, as the agenda now has it."""
    if changed:
        db.execute(
            _UPDATE,
            [
                {
                    "clinic": clinic,
                    "message": row.id,
                    "at": it.at,
                    "closes_": it.closes,
                    "subjects_": it.subjects,
                    "reasons_": it.reasons,
                }
                for row, it in changed
            ],
        )


def _extend(db: Connection, clinic: str, patients: Sequence[str], until: Instant) -> None:
    if not patients:
        return
    done = db.execute(_HORIZON, [{"clinic": clinic, "patient": id, "until": until} for id in patients])
    if done.rowcount == len(patients):
        return
    known = set(db.execute(_HORIZONS, {"clinic": clinic, "patients": list(patients)}).scalars())
    rows = [{"clinic_id": clinic, "patient_id": id, "planned_until": until} for id in patients if id not in known]
    if rows:
        db.execute(insert(horizon), rows)
