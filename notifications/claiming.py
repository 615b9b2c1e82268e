"""claiming: take what is due for a lease, and ask again whether it is still wanted. Nothing is sent here.

A claim is a lease: whoever dies with it leaves a row that wakes again when the lease ends, is sent again under the same
delivery id, and so replaces what may already have arrived.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select, tuple_, update

from notifications import addresses, alerts, book, outbox, poison, reach, receipts
from notifications.agenda import TOGETHER, Agenda, Planned, agenda
from notifications.book import Book, Row
from notifications.reach import Address
from notifications.tables import LANES, NEVER, due, message
from notifications.timing import allowed_until, zone
from programs import people, walls
from programs.instants import DAY, SECOND, Instant
from programs.tables import among

log = logging.getLogger("homestretch.delivery")

LEASE = 45 * SECOND
FIRST_PAUSE = 15 * SECOND
BATCH = 200
# Where more is due than one batch takes, each clinic in turn has this many of it at least. Fewer clinics a batch, and
# not fewer rows each, keep a batch quick: each clinic's facts are a handful of statements.
SHARE = 25


class Claimed(msgspec.Struct):
    """A message in our hands until the lease ends, with all that sending it needs."""

    clinic: str
    row: Row
    fence: int
    tries: int  # before this one, in a row and of the same sort; `trouble` names what was raised at the last of them
    trouble: str
    leased_until: Instant
    language: str
    ladder: tuple[tuple[Address, ...], ...]  # addresses by channel, the patient's first choice first
    tried: Mapping[str, int] = {}  # address id -> how often a provider took this message there before
    quiet_at: Instant = NEVER  # when the patient's allowed hours end; a clinician is alerted at any hour
    mark: outbox.Mark | None = None  # of the patient's agenda as it was asked; None for a clinician, who has none


class Taken(NamedTuple):
    """A due row in our hands: its `key` and `fence` guard whatever is written about it later."""

    clinic: str
    key: str
    id: str
    fence: int
    tries: int
    trouble: str
    sent_at: Instant | None


_HANDS = (due.c.clinic_id, due.c.key, due.c.message_id, due.c.fence, due.c.tries, due.c.trouble, due.c.sent_at)
_TAKEN = {"wake_at": bindparam("lease"), "state": "in_flight", "fence": due.c.fence + 1}
_RIPE = (
    select(due.c.clinic_id, due.c.key)
    .where(due.c.wake_at <= bindparam("now"))
    .order_by(due.c.wake_at)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
    .cte("ripe")
)
_CLAIM = (
    update(due)
    .where(tuple_(due.c.clinic_id, due.c.key).in_(select(_RIPE.c.clinic_id, _RIPE.c.key)))
    .values(_TAKEN)
    .returning(*_HANDS)
)
_MORE = (  # whether more is due than a batch takes
    select(due.c.wake_at)
    .where(due.c.wake_at <= bindparam("now"))
    .order_by(due.c.wake_at)
    .offset(bindparam("count"))
    .limit(1)
)
_RIPE_OF = (
    select(due.c.key)
    .where(
        due.c.lane == bindparam("of_lane"), due.c.clinic_id == bindparam("clinic"), due.c.wake_at <= bindparam("now")
    )
    .order_by(due.c.wake_at, due.c.key)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
    .cte("ripe")
)
_CLAIM_OF = (
    update(due)
    .where(due.c.clinic_id == bindparam("clinic"), due.c.key.in_(select(_RIPE_OF.c.key)))
    .values(_TAKEN)
    .returning(*_HANDS)
)
_LANE = due.c.lane == bindparam("of_lane")
_FROM = (
    select(select(due.c.clinic_id).where(_LANE).order_by(due.c.clinic_id).limit(1).scalar_subquery().label("clinic"))
).cte("turn", recursive=True)
_TURNS = _FROM.union_all(  # the clinics of a lane: one step of the index each, however many rows they have
    select(
        select(due.c.clinic_id)
        .where(_LANE, due.c.clinic_id > _FROM.c.clinic)
        .order_by(due.c.clinic_id)
        .limit(1)
        .scalar_subquery()
    ).where(_FROM.c.clinic.is_not(None))
)
_WAITING = select(_TURNS.c.clinic).where(
    select(due.c.key).where(_LANE, due.c.clinic_id == _TURNS.c.clinic, due.c.wake_at <= bindparam("now")).exists()
)
_KINDS = select(
    message.c.id, message.c.person_id, message.c.key, message.c.planned_for, message.c.closes, message.c.subjects
).where(message.c.clinic_id == bindparam("clinic"), among(message.c.id, "ids"))
_POSTPONE = (
    update(due)
    .where(due.c.clinic_id == bindparam("clinic"), due.c.key == bindparam("key_"), due.c.fence == bindparam("held"))
    .values(wake_at=bindparam("at"), state=bindparam("to"), tries=bindparam("tried"), trouble="")
)
_TROUBLE = (
    update(due)
    .where(due.c.clinic_id == bindparam("clinic"), due.c.key == bindparam("key_"), due.c.fence == bindparam("held"))
    .values(wake_at=bindparam("at"), state=bindparam("to"), tries=bindparam("tried"), trouble=bindparam("trouble_"))
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def claim(
    db: Connection, now: Instant, count: int = BATCH, turn: int = 0, apart: bool = False
) -> tuple[int, list[Claimed]]:
    """Take what is due, for a lease; end or put off what the agenda no longer wants now. How many, and what to send.

    `turn` counts the claims of one drain, so that the clinics that wait for their share have it one after the other.
    `apart`: after a batch that raised. Each is looked at by itself then, and what raises is put off, or quarantined.
    """
    taken: dict[str, list[Taken]] = defaultdict(list)
    for it in _take(db, now, count, turn):
        taken[it.clinic].append(it)
    claimed: list[Claimed] = []
    for clinic, rows in taken.items():
        walls.enter(db, clinic)
        claimed += _one_by_one(db, clinic, rows, now) if apart else _still_wanted(db, clinic, rows, now)
    return sum(map(len, taken.values())), claimed


def _take(db: Connection, now: Instant, count: int, turn: int) -> list[Taken]:
    """The earliest, where a batch takes all that is due. Where more is, every clinic and lane in turn has its share,
    and what room is left goes to the most urgent: nobody waits behind the fifty thousand rows of somebody else."""
    lease = {"now": now, "lease": now + LEASE}
    if db.execute(_MORE, {"now": now, "count": count}).first() is None:
        return [Taken(*it) for it in db.execute(_CLAIM, {**lease, "count": count})]
    waiting = [(lane, clinic) for lane in sorted(set(LANES.values())) for clinic in _in_turn(db, lane, now, turn)]
    taken: list[Taken] = []
    for share in (min(SHARE, count), count):
        for lane, clinic in waiting:
            room = min(share, count - len(taken))
            if room > 0:
                found = db.execute(_CLAIM_OF, {**lease, "of_lane": lane, "clinic": clinic, "count": room})
                taken += [Taken(*it) for it in found]
    return taken


def _in_turn(db: Connection, lane: int, now: Instant, turn: int) -> list[str]:
    """The clinics that wait in this lane, from the one on whose turn it is."""
    clinics = sorted(db.execute(_WAITING, {"of_lane": lane, "now": now}).scalars())
    start = turn * (BATCH // SHARE) % len(clinics) if clinics else 0
    return clinics[start:] + clinics[:start]


def _one_by_one(db: Connection, clinic: str, rows: Sequence[Taken], now: Instant) -> list[Claimed]:
    claimed: list[Claimed] = []
    for it in rows:
        try:
            with db.begin_nested():
                claimed += _still_wanted(db, clinic, [it], now)
        except Exception as error:
            if poison.of_database(error):
                raise
            trouble(db, clinic, it, error, now)
    return claimed


def trouble(db: Connection, clinic: str, it: Taken, error: Exception, now: Instant) -> None:
    """What raised whenever it was touched is left alone for longer and longer, and then until the operator says so."""
    what, times = poison.says(error), it.tries + 1 if it.trouble else 1
    stays = times < poison.TROUBLES
    log.error("message %s raised %s, %d in a row\n%s", it.id, what, times, poison.whence(error))
    values = {
        "at": now + FIRST_PAUSE * 2 ** (times - 1) if stays else NEVER,
        "to": ("awaiting" if it.sent_at else "pending") if stays else "quarantined",
        "tried": times,
        "trouble_": what,
    }
    db.execute(_TROUBLE, {"clinic": clinic, "key_": it.key, "held": it.fence, **values})


def _still_wanted(db: Connection, clinic: str, taken: Sequence[Taken], now: Instant) -> list[Claimed]:
    hands = {it.id: it for it in taken}
    rows = [
        Row(*it[:5], _subjects(it.subjects), "in_flight", hands[it.id].fence, "", 0, hands[it.id].sent_at or 0)
        for it in db.execute(_KINDS, {"clinic": clinic, "ids": list(hands)}).all()
    ]
    for_patients = [row for row in rows if not row.key.startswith(alerts.KEYS)]
    for_clinicians = [row for row in rows if row.key.startswith(alerts.KEYS)]
    # Before any fact: whatever changes one from here on moves the mark, and is noticed before the send.
    marks = outbox.marks(db, clinic, [row.person_id for row in for_patients])
    found = _check_patients(db, clinic, for_patients, now) + _check_alerts(db, clinic, for_clinicians, now)
    for it in found:
        it.tries, it.trouble = hands[it.row.id].tries, hands[it.row.id].trouble
        it.mark = marks.get(it.row.person_id)
    return found


def _check_patients(db: Connection, clinic: str, rows: Sequence[Row], now: Instant) -> list[Claimed]:
    """Ask the agenda again: the same function that planned decides whether now is still right.

    A day is enough to look ahead: quiet hours, the longest reason to put something off, are half of one.
    """
    if not rows:
        return []
    patients = list(dict.fromkeys(row.person_id for row in rows))
    first, again = [row for row in rows if not row.sent_at], [row for row in rows if row.sent_at]
    known = book.read_book(db, clinic, patients, now, checking={row.id for row in first})
    plans = {id: agenda(known.facts[id], now, now + DAY) for id in {row.person_id for row in first}}
    sorted_out = _Sorted([], [], [], [])
    for row in first:
        _sort_out(row, plans[row.person_id], now, sorted_out)
    outbox.end(db, clinic, sorted_out.ended, now)
    outbox.rewrite(db, clinic, sorted_out.later + sorted_out.changed)
    postpone(db, clinic, [(row, row.fence, it.at, 0) for row, it in sorted_out.later])
    _plan_again(db, clinic, sorted_out, plans, now)
    sent_again = _check_again(db, clinic, again, known, now) if again else []
    return [_claimed(clinic, row, known, now) for row in sorted_out.send] + sent_again


def _claimed(clinic: str, row: Row, known: Book, now: Instant) -> Claimed:
    facts = known.facts[row.person_id]
    chosen = facts.preferences
    ladder = reach.ladder(known.addresses.get(row.person_id, ()), chosen.channels, now)
    quiet_at = allowed_until(now, zone(facts.zone), chosen.hours)
    return Claimed(clinic, row, row.fence, 0, "", now + LEASE, chosen.language, ladder, quiet_at=quiet_at)


def _check_again(db: Connection, clinic: str, rows: Sequence[Row], known: Book, now: Instant) -> list[Claimed]:
    """Of what a provider took and the app has not confirmed: what is sent again now, and where; the rest is over."""
    confirmed = receipts.confirmed(db, clinic, [row.id for row in rows])
    tried = receipts.taken_at(db, clinic, [row.id for row in rows])
    send, ended, later = [], [], []
    for row in rows:
        facts, it = known.facts[row.person_id], _claimed(clinic, row, known, now)
        it.tried = tried.get(row.id, it.tried)
        it.ladder = reach.rest_of(it.ladder, it.tried, row.subjects)
        at = reach.again_at(facts, row.sent_at, row.closes, now)
        why = "confirmed" if row.id in confirmed else reach.why_over(row.subjects, facts, now)
        if why or at is None or not it.ladder:
            ended.append((row, why or "no_receipt"))
        elif at > now:
            later.append((row, row.fence, at, 0))
        else:
            send.append(it)
    outbox.end(db, clinic, ended, now)
    postpone(db, clinic, later)
    return send


class _Sorted(NamedTuple):
    send: list[Row]
    ended: list[tuple[Row, str]]
    later: list[tuple[Row, Planned]]
    changed: list[tuple[Row, Planned]]


def _sort_out(row: Row, wanted: Agenda, now: Instant, into: _Sorted) -> None:
    it = next((it for it in wanted.messages if it.key == row.key), None)
    if it is None:
        into.ended.append((row, outbox.why_not(wanted, row, now)))
    elif it.at > now:
        into.later.append((row, it))
    else:
        into.send.append(row._replace(subjects=it.subjects, closes=it.closes))
        if it.subjects != row.subjects or it.at - it.due > TOGETHER:  # late: why is kept with it
            into.changed.append((row, it))


def _plan_again(db: Connection, clinic: str, sorted_out: _Sorted, plans: Mapping[str, Agenda], now: Instant) -> None:
    """What a row was to say and no longer does may belong to a message that has no row: its main subject is over."""
    dropped = [row for row, _ in sorted_out.ended] + [row for row, _ in sorted_out.later + sorted_out.changed]
    strayed = {
        row.person_id
        for row in dropped
        for it in plans[row.person_id].messages
        if it.key != row.key and not set(row.subjects).isdisjoint(it.subjects)
    }
    # What nobody could be asked in time may be shifted, which reconciling does.
    strayed |= {
        row.person_id for row, why in sorted_out.ended if why == "window_over" and row.key.startswith("check_in:")
    }
    if strayed:
        outbox.reconcile(db, clinic, sorted(strayed), now)


def _check_alerts(db: Connection, clinic: str, rows: Sequence[Row], now: Instant) -> list[Claimed]:
    """Whoever works there is alerted at any hour, until the flag is acknowledged or the alert is a day old."""
    if not rows:
        return []
    waiting = alerts.unacknowledged(db, clinic, [row.key for row in rows if row.key.startswith("alert:")])
    reachable = addresses.living(db, clinic, [row.person_id for row in rows])
    left = {it.id for it in people.staff_of(db, clinic) if it.ended_at is not None}
    send, ended = [], []
    for row in rows:
        if row.key.startswith("alert:") and row.key not in waiting:
            ended.append((row, "acknowledged"))
        elif row.closes <= now:
            ended.append((row, "window_over"))
        elif row.person_id in left:
            ended.append((row, "left"))
        else:
            ladder = reach.ladder(reachable.get(row.person_id, ()), alerts.CHANNELS, now)
            send.append(Claimed(clinic, row, row.fence, 0, "", now + LEASE, "en", ladder))
    outbox.end(db, clinic, ended, now)
    return send


def postpone(db: Connection, clinic: str, rows: Sequence[tuple[Row, int, Instant, int]]) -> None:
    """Each is looked at again at its instant, after so many tries; what a provider took waits for its receipt."""
    if rows:
        values = [
            {
                "clinic": clinic,
                "key_": row.key,
                "held": fence,
                "at": at,
                "to": "awaiting" if row.sent_at else "pending",
                "tried": tries,
            }
            for row, fence, at, tries in rows
        ]
        db.execute(_POSTPONE, values)
