"""settling: write down what came of a batch that was sent, or tried. Nothing is sent here.

Every write is guarded by the claim's fence, so that a worker which slept past its lease changes nothing.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from notifications import addresses, alerts, reach, receipts
from notifications.agenda import BOUT_WINDOW
from notifications.book import Row
from notifications.channels import Accepted, Gone, Later, Outcome, Refused, Untried
from notifications.claiming import FIRST_PAUSE, Claimed, Taken, postpone, trouble
from notifications.reach import Address
from notifications.tables import delivery, due, message, outcome
from notifications.wire import name
from programs import checkins, people, rollup, walls
from programs.instants import HOUR, MINUTE, SECOND, Instant
from programs.schedule import DAY_MINUTES
from programs.tables import among

LONGEST_PAUSE = HOUR
MOST_TRIES = 1000  # counted; a pause is at its longest long before

# From this minute of the day on, a bout's window may end on the next date.
LATE = DAY_MINUTES - (BOUT_WINDOW + HOUR) // MINUTE


class Try(NamedTuple):
    address: Address
    outcome: Outcome


class Sent(NamedTuple):
    """What came of one message; `trouble` is what was raised and kept it from being worded or sent at all."""

    claimed: Claimed
    tries: tuple[Try, ...]
    trouble: Exception | None = None


class Tally(msgspec.Struct):
    """What one drain did."""

    claimed: int = 0
    accepted: int = 0
    postponed: int = 0
    ended: int = 0
    troubled: int = 0

    def add(self, other: "Tally") -> None:
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


_HELD = (
    select(due.c.key, due.c.fence)
    .where(due.c.clinic_id == bindparam("clinic"), among(due.c.key, "keys"))
    .order_by(due.c.key)  # as reconcile does, so that the two wait for each other instead of for ever
    .with_for_update()
)
_DROP = delete(due).where(due.c.clinic_id == bindparam("clinic"), among(due.c.key, "keys"))  # of what _HELD locked
_KNOWN = select(message.c.id).where(message.c.clinic_id == bindparam("clinic"), among(message.c.id, "ids"))
_NOTED = select(delivery.c.message_id, delivery.c.fence).where(
    delivery.c.clinic_id == bindparam("clinic"), among(delivery.c.message_id, "ids")
)
_AWAIT = (
    update(due)
    .where(due.c.clinic_id == bindparam("clinic"), due.c.key == bindparam("key_"), due.c.fence == bindparam("held"))
    .values(wake_at=bindparam("at"), state="awaiting", sent_at=bindparam("sent"), tries=0)
)
_INSERT_DELIVERY, _INSERT_OUTCOME = insert(delivery), insert(outcome)


def settle(db: Connection, results: Sequence[Sent], now: Instant, chance: random.Random) -> Tally:
    """Write down what came of a batch; only what is still in our hands moves on."""
    tally = Tally()
    by_clinic: dict[str, list[Sent]] = defaultdict(list)
    for result in results:
        by_clinic[result.claimed.clinic].append(result)
    for clinic, mine in sorted(by_clinic.items()):
        walls.enter(db, clinic)
        _settle_clinic(db, clinic, mine, now, chance, tally)
    return tally


def _settle_clinic(
    db: Connection, clinic: str, results: Sequence[Sent], now: Instant, chance: random.Random, tally: Tally
) -> None:
    # Patients first, then what is due of them, as whoever changes a fact does: else the two wait for each other.
    people.lock(db, clinic, list({it.claimed.row.person_id for it in results}))
    keys = [it.claimed.row.key for it in results]
    held: dict[str, int] = {row.key: row.fence for row in db.execute(_HELD, {"clinic": clinic, "keys": keys}).all()}
    ours = [it for it in results if held.get(it.claimed.row.key) == it.claimed.fence]
    late = [it for it in results if held.get(it.claimed.row.key) != it.claimed.fence]
    _note_tries(db, clinic, ours + _not_noted(db, clinic, late), now)
    confirmed = _confirmed(db, clinic, ours)
    _note_unconfirmed(db, clinic, ours, confirmed, now)
    for one in ours:
        if one.trouble is not None:
            trouble(db, clinic, hand_of(one.claimed), one.trouble, now)
            tally.troubled += 1
    it = _sorted_out([one for one in ours if one.trouble is None], confirmed, now, chance)
    if it.ended:
        db.execute(_DROP, {"clinic": clinic, "keys": [one.row.key for one, _, _ in it.ended]})
        db.execute(_INSERT_OUTCOME, [_outcome(clinic, *ended, now) for ended in it.ended])
    if it.awaiting:
        db.execute(_AWAIT, [_awaiting(clinic, one, now) for one in it.awaiting])
    postpone(db, clinic, it.later)
    checkins.asked(db, clinic, it.asked, now)
    rollup.mark(db, clinic, [wall for one, state, _ in it.ended for wall in _counted(one.row, state, now)])
    accepted = sum(state == "accepted" for _, state, _ in it.ended)
    tally.accepted += accepted + len(it.awaiting)
    tally.ended += len(it.ended) - accepted
    tally.postponed += len(it.later)


class _SortedOut(NamedTuple):
    ended: list[tuple[Claimed, str, str]]  # with state and reason
    awaiting: list[Claimed]
    later: list[tuple[Row, int, Instant, int]]
    asked: list[str]  # check-ins that a provider took the prompt of


def _sorted_out(results: Sequence[Sent], confirmed: Collection[str], now: Instant, chance: random.Random) -> _SortedOut:
    found = _SortedOut([], [], [], [])
    for result in results:
        it, (state, reason) = result.claimed, _verdict(result)
        if state == "":
            at = _next_try(it, now + _pause(result, chance))
            found.later.append((it.row, it.fence, at, _tries(result)))
            continue
        if state == "accepted":
            found.asked.extend(one.removeprefix("check_in:") for one in it.row.subjects if one.startswith("check_in:"))
        if state == "accepted" and it.row.id in confirmed:
            found.ended.append((it, "accepted", "confirmed"))
        elif state == "accepted" and waits(result, now):
            found.awaiting.append(it)
        else:
            found.ended.append((it, state, reason))
    return found


def waits(result: Sent, now: Instant) -> bool:
    """Whether what a provider took is over only with the app's receipt, or without one after the whole ladder."""
    row = result.claimed.row
    took = [it.address.channel for it in result.tries if isinstance(it.outcome, Accepted)]
    return (
        reach.tries_of(row.subjects) > 0
        and bool(took)
        and reach.CONFIRMING.issuperset(took)
        and now < reach.ends_at(row.sent_at or now, row.closes)
    )


def _next_try(it: Claimed, at: Instant) -> Instant:
    """What a provider took before is not tried for ever: its time is up with its window, or when its nudge may come."""
    return min(at, reach.ends_at(it.row.sent_at, it.row.closes)) if it.row.sent_at else at


def _awaiting(clinic: str, it: Claimed, now: Instant) -> dict[str, object]:
    sent = it.row.sent_at or now
    at = min(now + reach.RECEIPT_TAKES, reach.ends_at(sent, it.row.closes))
    return {"clinic": clinic, "key_": it.row.key, "held": it.fence, "at": at, "sent": sent}


def _outcome(clinic: str, it: Claimed, state: str, reason: str, now: Instant) -> dict[str, object]:
    sent = it.row.sent_at or (now if state == "accepted" else None)
    ended = {"state": state, "reason": reason, "ended_at": now, "sent_at": sent}
    return {"clinic_id": clinic, "message_id": it.row.id, **ended}


def _confirmed(db: Connection, clinic: str, results: Sequence[Sent]) -> set[str]:
    """A phone confirms what it shows before a batch is settled, as often as not."""
    ids = [it.claimed.row.id for it in results if _taken(it)]
    return receipts.confirmed(db, clinic, ids) if ids else set()


def _note_unconfirmed(
    db: Connection, clinic: str, results: Sequence[Sent], confirmed: Collection[str], now: Instant
) -> None:
    """One more message at these addresses; the same one sent again is none."""
    new = [it for it in results if it.claimed.row.id not in confirmed]
    ids = [it.id for result in new for it in _taken(result) if it.id not in result.claimed.tried]
    addresses.count_unconfirmed(db, clinic, ids, now)


def _taken(result: Sent) -> list[Address]:
    """The addresses that took it just now and whose app says what becomes of it."""
    taken = [it.address for it in result.tries if isinstance(it.outcome, Accepted)]
    return [it for it in taken if it.channel in reach.CONFIRMING and not result.claimed.row.key.startswith(alerts.KEYS)]


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
    known = {row.id for row in db.execute(_KNOWN, {"clinic": clinic, "ids": ids}).all()}
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
            "result": name(it.outcome),
            "detail": "" if isinstance(it.outcome, Accepted) else it.outcome.detail,
            "ended_at": now,
        }
        for result in results
        for it in result.tries
        if not isinstance(it.outcome, Untried)
    ]
    if rows:
        db.execute(_INSERT_DELIVERY, rows)
    gone = [
        (clinic, it.address.id, it.outcome.detail, it.address.added_at)
        for result in results
        for it in result.tries
        if isinstance(it.outcome, Gone) and it.address.added_at <= (it.outcome.since or now)
    ]
    addresses.give_up(db, gone, now)


def _verdict(result: Sent) -> tuple[str, str]:
    """The state a message ends in and why, or ("", "") for another try."""
    results = [it.outcome for it in result.tries]
    if any(isinstance(it, Accepted) for it in results):
        return "accepted", next(it.address.channel for it in result.tries if isinstance(it.outcome, Accepted))
    if any(isinstance(it, Later) for it in results):
        return "", ""
    if result.claimed.row.sent_at:
        return "accepted", "no_receipt"
    if any(isinstance(it, Refused) for it in results):
        return "failed", "refused"
    return "suppressed", "no_address"


def _pause(result: Sent, chance: random.Random) -> Instant:
    """Full jitter over a doubling pause, no shorter than what the provider asked for.

    Whom nobody was asked about waits as long as it takes until somebody may be, and a little, so that not all come at
    once then: a provider that is away costs no message its patience.
    """
    asked = max((it.outcome.after or 0 for it in result.tries if isinstance(it.outcome, Later)), default=0)
    if _tried(result):
        longest = min(FIRST_PAUSE * 2 ** min(_tries(result) - 1, 8), LONGEST_PAUSE)
        return max(chance.randint(SECOND, longest), round(asked * SECOND))
    return round(asked * SECOND) + chance.randint(SECOND, FIRST_PAUSE)


def _tried(result: Sent) -> bool:
    return any(not isinstance(it.outcome, Untried) for it in result.tries)


def _tries(result: Sent) -> int:
    """How often in a row somebody was asked for it, in vain."""
    before = 0 if result.claimed.trouble else result.claimed.tries
    return min(before + _tried(result), MOST_TRIES)


def hand_of(it: Claimed) -> Taken:
    return Taken(it.clinic, it.row.key, it.row.id, it.fence, it.tries, it.trouble, it.row.sent_at or None)
