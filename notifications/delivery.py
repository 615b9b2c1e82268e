"""delivery: claim -> still wanted? -> word -> send -> settle. The only caller of `send`.

Two short transactions with the network between them. A claim is a lease: whoever dies with it leaves a row that wakes
again when the lease ends, is sent again under the same delivery id, and so replaces what may already have arrived.
Every write after the claim is guarded by its fence, so that a worker which slept past its lease changes nothing.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from notifications import addresses, alerts, outbox, receipts
from notifications.addresses import Address
from notifications.agenda import BOUT_WINDOW, Agenda, Planned, agenda
from notifications.channels import Accepted, Channel, Gone, Later, Outcome, Parcel, Refused
from notifications.outbox import Row
from notifications.tables import delivery, due, message, outcome
from notifications.wording import words
from programs import checkins, rollup, walls
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant
from programs.schedule import DAY_MINUTES
from programs.tables import among

log = logging.getLogger("homestretch.delivery")

# No send begins in the last part of a lease: it may take 10 s, and its batch has to be settled before the lease ends.
LEASE = 45 * SECOND
SEND_TAKES = 15 * SECOND
BATCH = 200
FIRST_PAUSE = 15 * SECOND
LONGEST_PAUSE = HOUR
LONGEST_WAIT = 28 * 24 * 3600  # seconds a push service is asked to keep a message, at most

# From this minute of the day on, a bout's window may end on the next date.
LATE = DAY_MINUTES - (BOUT_WINDOW + HOUR) // MINUTE

Clock = Callable[[], Instant]
Failpoint = Callable[[str], None]
"""Called by name at each step of the way; does nothing but in tests, which kill, raise or hang there."""

FAILPOINTS = ("claiming", "claimed", "sending", "sent", "settling", "settled")


def no_failpoint(name: str) -> None:
    return None


class Claimed(msgspec.Struct):
    """A message in our hands until the lease ends, with all that sending it needs."""

    clinic: str
    row: Row
    fence: int
    leased_until: Instant
    language: str
    ladder: tuple[tuple[Address, ...], ...]  # addresses by channel, the patient's first choice first


class Try(NamedTuple):
    address: Address
    outcome: Outcome


class Sent(NamedTuple):
    """What came of one message; `trouble` names what kept it from being worded or sent at all."""

    claimed: Claimed
    tries: tuple[Try, ...]
    trouble: str = ""


class Tally(msgspec.Struct):
    """What one drain did."""

    claimed: int = 0
    accepted: int = 0
    postponed: int = 0
    ended: int = 0


class Bridge(Protocol):
    """How a verb reaches the database from the loop; service/database.py is the one that is used."""

    async def write(self, verb: Callable[..., Any], *args: Any) -> Any: ...


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
    .values(wake_at=bindparam("lease"), state="in_flight", fence=due.c.fence + 1)
    .returning(due.c.clinic_id, due.c.key, due.c.message_id, due.c.fence)
)
_KINDS = select(
    message.c.id, message.c.person_id, message.c.key, message.c.planned_for, message.c.closes, message.c.subjects
).where(message.c.clinic_id == bindparam("clinic"), among(message.c.id, "ids"))
_HELD = (
    select(due.c.key, due.c.fence)
    .where(due.c.clinic_id == bindparam("clinic"), among(due.c.key, "keys"))
    .order_by(due.c.key)  # as reconcile does, so that the two wait for each other instead of for ever
    .with_for_update()
)
_DROP = delete(due).where(
    due.c.clinic_id == bindparam("clinic"), due.c.key == bindparam("key_"), due.c.fence == bindparam("held")
)
_POSTPONE = (
    update(due)
    .where(due.c.clinic_id == bindparam("clinic"), due.c.key == bindparam("key_"), due.c.fence == bindparam("held"))
    .values(wake_at=bindparam("at"), state="pending")
)
_NOTED = select(delivery.c.message_id, delivery.c.fence).where(
    delivery.c.clinic_id == bindparam("clinic"), among(delivery.c.message_id, "ids")
)
_INSERT_DELIVERY, _INSERT_OUTCOME = insert(delivery), insert(outcome)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


# claim, and look again whether it is wanted


def claim(db: Connection, now: Instant, count: int = BATCH) -> tuple[int, list[Claimed]]:
    """Take what is due, for a lease; end or put off what the agenda no longer wants now. How many, and what to send."""
    taken: dict[str, dict[str, int]] = defaultdict(dict)
    for clinic, _key, id, fence in db.execute(_CLAIM, {"now": now, "count": count, "lease": now + LEASE}).all():
        taken[clinic][id] = fence
    claimed: list[Claimed] = []
    for clinic, fences in taken.items():
        walls.enter(db, clinic)
        claimed += _still_wanted(db, clinic, fences, now)
    return sum(map(len, taken.values())), claimed


def _still_wanted(db: Connection, clinic: str, fences: Mapping[str, int], now: Instant) -> list[Claimed]:
    rows = [
        Row(*it[:5], _subjects(it.subjects), "in_flight", fences[it.id], "", 0)
        for it in db.execute(_KINDS, {"clinic": clinic, "ids": list(fences)}).all()
    ]
    for_patients = [row for row in rows if not row.key.startswith(alerts.KEYS)]
    for_clinicians = [row for row in rows if row.key.startswith(alerts.KEYS)]
    return _check_patients(db, clinic, for_patients, now) + _check_alerts(db, clinic, for_clinicians, now)


def _check_patients(db: Connection, clinic: str, rows: Sequence[Row], now: Instant) -> list[Claimed]:
    """Ask the agenda again: the same function that planned decides whether now is still right.

    A day is enough to look ahead: quiet hours, the longest reason to put something off, are half of one.
    """
    if not rows:
        return []
    patients = list(dict.fromkeys(row.person_id for row in rows))
    book = outbox.read_book(db, clinic, patients, now, checking={row.id for row in rows})
    plans = {patient: agenda(facts, now, now + DAY) for patient, facts in book.facts.items()}
    sorted_out = _Sorted([], [], [], [])
    for row in rows:
        _sort_out(row, plans[row.person_id], now, sorted_out)
    outbox.end(db, clinic, sorted_out.ended, now)
    outbox.rewrite(db, clinic, sorted_out.later + sorted_out.changed)
    _postpone(db, clinic, [(row, row.fence, it.at) for row, it in sorted_out.later])
    _plan_again(db, clinic, sorted_out, plans, now)
    send = []
    for row in sorted_out.send:
        chosen = book.facts[row.person_id].preferences
        ladder = _ladder(book.addresses.get(row.person_id, ()), chosen.channels)
        send.append(Claimed(clinic, row, row.fence, now + LEASE, chosen.language, ladder))
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
        if it.subjects != row.subjects:
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
    if strayed:
        outbox.reconcile(db, clinic, sorted(strayed), now)


def _check_alerts(db: Connection, clinic: str, rows: Sequence[Row], now: Instant) -> list[Claimed]:
    """A clinician is alerted at any hour, until the flag is acknowledged or the alert is a day old."""
    if not rows:
        return []
    waiting = alerts.unacknowledged(db, clinic, [row.key for row in rows if row.key.startswith("alert:")])
    reachable = addresses.living(db, clinic, [row.person_id for row in rows])
    send, ended = [], []
    for row in rows:
        if row.key.startswith("alert:") and row.key not in waiting:
            ended.append((row, "acknowledged"))
        elif row.closes <= now:
            ended.append((row, "window_over"))
        else:
            ladder = _ladder(reachable.get(row.person_id, ()), alerts.CHANNELS)
            send.append(Claimed(clinic, row, row.fence, now + LEASE, "en", ladder))
    outbox.end(db, clinic, ended, now)
    return send


def _ladder(reachable: Iterable[Address], channels: Sequence[str]) -> tuple[tuple[Address, ...], ...]:
    steps: dict[str, list[Address]] = {channel: [] for channel in channels}
    for it in reachable:
        if it.channel in steps:
            steps[it.channel].append(it)
    return tuple(tuple(step) for step in steps.values() if step)


def _postpone(db: Connection, clinic: str, rows: Sequence[tuple[Row, int, Instant]]) -> None:
    if rows:
        values = [{"clinic": clinic, "key_": row.key, "held": fence, "at": at} for row, fence, at in rows]
        db.execute(_POSTPONE, values)


# word and send


def parcel(it: Claimed, now: Instant) -> Parcel:
    kinds = frozenset(subject.partition(":")[0] for subject in it.row.subjects)
    said = words(kinds, it.language)
    return Parcel(
        delivery_id=it.row.id,
        title=said.title,
        body=said.body,
        path=next((path for key, path in alerts.PATHS.items() if it.row.key.startswith(key)), f"/open/{it.row.id}"),
        urgency="normal" if kinds == {"bout"} else "high",
        expires_in=min(max(0, (it.row.closes - now) // SECOND), LONGEST_WAIT),
        language=it.language,
    )


class Wire:
    """The channels, each with room for as many sends at once as it bears."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels
        self.rooms = {kind: asyncio.Semaphore(channel.limit) for kind, channel in channels.items()}

    async def hand_over(self, address: Address, worded: Parcel, clock: Clock, until: Instant) -> Outcome:
        """The channel's answer; whatever goes wrong is an answer too, so that one message cannot stop its batch."""
        channel = self.channels.get(address.channel)
        if channel is None:
            return Refused("this channel is not set up")
        async with self.rooms[address.channel]:
            if clock() >= until:
                return Later("it waited for its turn until the lease was nearly over")
            try:
                return await channel.send(msgspec.json.decode(address.value, type=channel.Address), worded)
            except msgspec.ValidationError:
                return Refused("the stored address cannot be read")
            except Exception as error:
                return Later(f"{type(error).__name__} while sending")


async def send(it: Claimed, wire: Wire, clock: Clock) -> Sent:
    """Every address of the first channel at once; the next channel only where no address of this one may take it.

    An alert does not wait for a provider to come back: it goes on to the next channel at once.
    """
    worded = parcel(it, clock())
    settling = Accepted if it.row.key.startswith(alerts.KEYS) else Accepted | Later
    tries: list[Try] = []
    for step in it.ladder:
        until = it.leased_until - SEND_TAKES
        outcomes = await asyncio.gather(*(wire.hand_over(address, worded, clock, until) for address in step))
        tries += [Try(address, result) for address, result in zip(step, outcomes, strict=True)]
        if any(isinstance(result, settling) for result in outcomes):
            break
    return Sent(it, tuple(tries))


# settle


def settle(db: Connection, results: Sequence[Sent], now: Instant, chance: random.Random) -> Tally:
    """Write down what came of a batch; only what is still in our hands moves on."""
    tally = Tally()
    by_clinic: dict[str, list[Sent]] = defaultdict(list)
    for result in results:
        by_clinic[result.claimed.clinic].append(result)
    for clinic, mine in by_clinic.items():
        walls.enter(db, clinic)
        _settle_clinic(db, clinic, mine, now, chance, tally)
    return tally


def _settle_clinic(
    db: Connection, clinic: str, results: Sequence[Sent], now: Instant, chance: random.Random, tally: Tally
) -> None:
    keys = [it.claimed.row.key for it in results]
    held: dict[str, int] = {row.key: row.fence for row in db.execute(_HELD, {"clinic": clinic, "keys": keys}).all()}
    ours = [it for it in results if held.get(it.claimed.row.key) == it.claimed.fence]
    late = [it for it in results if held.get(it.claimed.row.key) != it.claimed.fence]
    _note_tries(db, clinic, ours + _not_noted(db, clinic, late), now)
    dropped, outcomes, later, asked, counted = [], [], [], [], []
    for result in ours:
        it = result.claimed
        state, reason = _verdict(result)
        if state == "":
            later.append((it.row, it.fence, now + _pause(result, chance)))
            continue
        dropped.append({"clinic": clinic, "key_": it.row.key, "held": it.fence})
        outcomes.append(
            {"clinic_id": clinic, "message_id": it.row.id, "state": state, "reason": reason, "ended_at": now}
        )
        counted += _counted(it.row, state, now)
        if state == "accepted":
            asked += [
                subject.removeprefix("check_in:") for subject in it.row.subjects if subject.startswith("check_in:")
            ]
    if dropped:
        db.execute(_DROP, dropped)
        db.execute(_INSERT_OUTCOME, outcomes)
    _postpone(db, clinic, later)
    checkins.asked(db, clinic, asked, now)
    rollup.mark(db, clinic, counted)
    tally.accepted += sum(row["state"] == "accepted" for row in outcomes)
    tally.ended += sum(row["state"] != "accepted" for row in outcomes)
    tally.postponed += len(later)


def _counted(row: Row, state: str, now: Instant) -> list[tuple[str, int]]:
    """(patient, wall) of the bouts whose place in the ledger this outcome may change.

    While its own date lasts, a bout is open whatever is known of its messages. One of the late evening may be reminded
    of after midnight, when it was counted already; so may any that a worker settles long after it was sent.
    """
    bouts, sure = receipts.bouts_in(row.subjects), state != "accepted" or now > row.closes
    return [(row.person_id, wall) for _, wall in bouts if sure or wall % DAY_MINUTES >= LATE]


def _not_noted(db: Connection, clinic: str, late: Sequence[Sent]) -> list[Sent]:
    """What a worker says after its lease, without what it has said before."""
    if not late:
        return []
    ids = [it.claimed.row.id for it in late]
    # The record may have been erased meanwhile: then there is nothing left to note it with.
    known = {row.id for row in db.execute(_KINDS, {"clinic": clinic, "ids": ids}).all()}
    noted = {(row.message_id, row.fence) for row in db.execute(_NOTED, {"clinic": clinic, "ids": ids}).all()}
    return [it for it in late if it.claimed.row.id in known and (it.claimed.row.id, it.claimed.fence) not in noted]


def _note_tries(db: Connection, clinic: str, results: Sequence[Sent], now: Instant) -> None:
    rows = [
        {
            "clinic_id": clinic,
            "message_id": result.claimed.row.id,
            "fence": result.claimed.fence,
            "address_id": it.address.id,
            "channel": it.address.channel,
            "result": _name(it.outcome),
            "detail": "" if isinstance(it.outcome, Accepted) else it.outcome.detail,
            "ended_at": now,
        }
        for result in results
        for it in result.tries
    ]
    if rows:
        db.execute(_INSERT_DELIVERY, rows)
    gone = [
        (clinic, it.address.id, it.outcome.detail)
        for result in results
        for it in result.tries
        if isinstance(it.outcome, Gone)
    ]
    addresses.give_up(db, gone, now)


def _name(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()


def _verdict(result: Sent) -> tuple[str, str]:
    """The state a message ends in and why, or ("", "") for another try."""
    results = [it.outcome for it in result.tries]
    if result.trouble:
        return "", ""
    if any(isinstance(it, Accepted) for it in results):
        return "accepted", next(it.address.channel for it in result.tries if isinstance(it.outcome, Accepted))
    if any(isinstance(it, Later) for it in results):
        return "", ""
    if any(isinstance(it, Refused) for it in results):
        return "failed", "refused"
    return "suppressed", "no_address"


def _pause(result: Sent, chance: random.Random) -> Instant:
    """Full jitter over a doubling pause, no shorter than what the provider asked for."""
    longest = min(FIRST_PAUSE * 2 ** min(result.claimed.fence - 1, 8), LONGEST_PAUSE)
    asked = max((it.outcome.after or 0 for it in result.tries if isinstance(it.outcome, Later)), default=0)
    return max(chance.randint(SECOND, longest), round(asked * SECOND))


# the loop's one turn


async def drain(
    db: Bridge,
    channels: Mapping[str, Channel],
    clock: Clock,
    failpoint: Failpoint = no_failpoint,
    chance: random.Random | None = None,
) -> Tally:
    """Claim, send and settle until nothing more is due. Several workers may do this at once: the claim decides."""
    tally, wire = Tally(), Wire(channels)
    while True:
        failpoint("claiming")
        count, claimed = await db.write(claim, clock())
        failpoint("claimed")
        if count == 0:
            return tally
        results = await asyncio.gather(*(_send(it, wire, clock, failpoint) for it in claimed))
        failpoint("settling")
        done: Tally = await db.write(settle, results, clock(), chance or random.Random())
        failpoint("settled")
        tally.claimed += count
        tally.accepted += done.accepted
        tally.postponed += done.postponed
        tally.ended += done.ended + count - len(claimed)
        if count < BATCH:
            return tally


async def _send(it: Claimed, wire: Wire, clock: Clock, failpoint: Failpoint) -> Sent:
    failpoint("sending")
    try:
        sent = await send(it, wire, clock)
    except Exception as error:  # one poisoned message must not stop the others of its batch
        log.exception("message %s could not be sent", it.row.id)
        sent = Sent(it, (), type(error).__name__)
    failpoint("sent")
    return sent
