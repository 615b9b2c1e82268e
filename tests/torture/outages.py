"""The server is down for so long, from each minute of the 48 hours after needling on: who still hears from us, when.

The real engine on a fast clock. One outage, and a patient for each minute: their needling session ended so long before
it. They live in zones far apart. What a check-in's open minutes are is reckoned here once more, minute by minute.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import msgspec
from sqlalchemy import Connection

from notifications import outbox
from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress
from notifications.preferences import DEFAULT
from programs import silence
from programs.instants import DAY, HOUR, MINUTE, Instant
from service import care
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.clocks import is_allowed
from tests.torture.accounts import Account, accounts, unaccounted
from tests.torture.finding import LONG, Finding, Rounds, say
from tests.world import ADA, BEN, CLINIC, NOON, patient, populate, session

DURATIONS = (5 * MINUTE, HOUR, 6 * HOUR, DAY, 30 * HOUR)
BEGINS = NOON + 3 * DAY
ZONES = ("America/New_York", "Europe/Madrid", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Kiritimati")
# Hours after the needling session, written again from clinical.md 1.2; opens, target, closes; the others open later.
WINDOWS = {"evening": (2, 6, 18), "day1": (24, 24, 40), "day2": (42, 48, 62)}
EVERY = range(1, 48 * 60 + 1)
FEW = (1, 120, 360, 1080, 1440, 2399, 2880)  # the edges of the windows and some between


class Journal:
    """The far side: who was told what when."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 50

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.taken: dict[str, list[Instant]] = defaultdict(list)

    async def send(self, address: ConsoleAddress, parcel: Parcel) -> Outcome:
        self.taken[parcel.delivery_id].append(self.clock.at)
        return Accepted()

    async def close(self) -> None:
        return None


class Played(NamedTuple):
    """One outage, and those it met at their minutes."""

    lasts: Instant
    minutes: tuple[int, ...]

    @property
    def back(self) -> Instant:
        return BEGINS + self.lasts


async def outages(db: Database, clear: Callable[[Connection], None], into: Finding) -> None:
    minutes = tuple(EVERY) if LONG else FEW
    into.figures |= {"sent": 0, "named and shown to the clinic": 0}
    rounds = Rounds(len(minutes) * len(DURATIONS), into.name)
    for lasts in DURATIONS:
        if not rounds.more():
            return
        played = Played(lasts, minutes)
        await db.write(clear)
        await db.write(populate, BEGINS - 3 * DAY)
        journal = await _play(db, played)
        await _judge(db, played, journal, into)
        into.cases = rounds.done = rounds.done + len(minutes)
        say(f"{into.name}: down for {lasts // MINUTE} min is over, {into.cases:,} runs, {len(into.broken)} broken")


def _record(db: Connection, minute: int, now: Instant) -> None:
    id = f"m{minute}"
    care.enrol(db, BEN, patient(id, BEN.id, now, ZONES[minute % len(ZONES)]), None, now)
    care.put_address(db, msgspec.structs.replace(ADA, id=id), id, f"{id}-phone", "console", {"label": id}, now)
    care.record_session(db, BEN, f"s-{id}", session(now, patient_id=id), now)


async def _play(db: Database, it: Played) -> Journal:
    clock = SetClock(BEGINS - 2 * DAY)
    journal = Journal(clock)
    before = Worker(db, {"console": journal}, clock)
    for minute in sorted(it.minutes, reverse=True):
        await _run(before, clock, BEGINS - minute * MINUTE)
        await db.write(_record, minute, clock.at)
        if minute % 480 == 0:
            say(f"down for {it.lasts // MINUTE} min: {minute // 60} h before it")
    await _run(before, clock, BEGINS - 1)
    clock.move_to(it.back)
    say(f"down for {it.lasts // MINUTE} min: back again")
    await _run(Worker(db, {"console": journal}, clock), clock, BEGINS + 63 * HOUR + it.lasts)
    return journal


async def _run(worker: Worker, clock: SetClock, until: Instant) -> None:
    """It wakes in the minute after something is due, and four times a day in between."""
    while True:
        due = await worker.db.read(outbox.earliest)
        if (due is not None and due <= clock.at) or clock.at % (6 * HOUR) == 0:
            await worker.turn()
            due = await worker.db.read(outbox.earliest)
        if clock.at >= until:
            return
        tick = (clock.at // (6 * HOUR) + 1) * 6 * HOUR
        minute = (max(due or until, clock.at + 1) + MINUTE - 1) // MINUTE * MINUTE
        clock.move_to(min(tick, until, minute))


def _shown_to_the_clinic(db: Connection, now: Instant) -> set[str]:
    return {it.check_in_id for it in silence.unanswered(db, CLINIC, now) if it.asked_at is None}


class _Case(NamedTuple):
    """One check-in of the patient whom the outage met at this minute."""

    played: Played
    minute: int
    step: str

    @property
    def ended_at(self) -> Instant:
        return BEGINS - self.minute * MINUTE

    def is_open(self, at: Instant) -> bool:
        opens, _, closes = (self.ended_at + hours * HOUR for hours in WINDOWS[self.step])
        down = BEGINS <= at < self.played.back
        return opens <= at < closes and not down and is_allowed(ZONES[self.minute % len(ZONES)], at, DEFAULT.hours)

    def must_be_sent(self) -> bool:
        """It could go at its target before the outage, or there is an open minute left after it."""
        _, target, closes = (self.ended_at + hours * HOUR for hours in WINDOWS[self.step])
        after = range(max(self.played.back, target - 12 * HOUR), closes - MINUTE + 1, MINUTE)
        return (target < BEGINS and self.is_open(target)) or any(self.is_open(at) for at in after)


async def _judge(db: Database, played: Played, journal: Journal, into: Finding) -> None:
    end = BEGINS + 63 * HOUR + played.lasts
    of: dict[str, list[Account]] = defaultdict(list)
    for it in await db.read(accounts, end):
        for subject in it.subjects:
            of[subject].append(it)
    unsent: set[str] = await db.read(_shown_to_the_clinic, end)
    if await db.read(unaccounted):
        into.broken.append(f"down for {played.lasts}: messages are unaccounted for")
    for minute in played.minutes:
        for step in WINDOWS:
            id = f"s-m{minute}-{step}"
            its = of.get(f"check_in:{id}", [])
            sent = [at for one in its for at in journal.taken.get(one.id, ())]
            said = _case(_Case(played, minute, step), sent, its, id in unsent)
            into.figures["sent" if said == "sent" else "named and shown to the clinic"] += said in ("sent", "named")
            if said not in ("sent", "named"):
                into.broken.append(f"down for {played.lasts // MINUTE} min from minute {minute}, {step}: {said}")


def _case(it: _Case, sent: list[Instant], its: list[Account], shown: bool) -> str:
    """ "sent" or "named"; else what is wrong."""
    wrong = [at for at in sent if not it.is_open(at)]
    if wrong or len(sent) > 1:
        return f"sent at minutes {[(at - it.ended_at) // MINUTE for at in sent]}"
    if sent:
        return "sent"
    if it.must_be_sent():
        return f"not sent, though it was open: {its}"
    if its and not any(one.state == "expired" for one in its):
        return f"not sent, and not said to be over: {its}"
    return "named" if shown else "not sent, and not shown to the clinic"
