"""What the story is played with: a database without waiting, a provider with moods, and a plan counted the slow way."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, select

from notifications import channels
from notifications.channels import Accepted, Gone, Later, Parcel, Refused
from notifications.channels.addresses import ConsoleAddress
from notifications.tables import due, message, outcome
from programs.completions import Completion
from programs.dosage import Dosage, Prescription
from programs.instants import Instant
from programs.schedule import Hold, Terms, day_of, time_of
from service.database import Database
from tests.world import CLINIC

# Hours after the needling session ended, written again from clinical.md 1.2: opens, closes.
WINDOWS = {"evening": (2, 18), "day1": (24, 40), "day2": (42, 62), "day3": (66, 86), "day7": (156, 204)}
# Where nobody was asked in it: hours after its end in which a later one may begin and end (late = "shift").
LATER_WINDOW = {"day7": 48 + 48}
ZONES = ("America/New_York", "America/Los_Angeles", "Europe/Madrid", "Asia/Tokyo", "Pacific/Kiritimati")
HOURS = (("08:00", "21:00"), ("09:00", "21:00"), ("12:00", "00:00"), ("20:00", "08:00"))
BRIDGE, WALK = Prescription("hip_bridge", Dosage(sets=3, reps=10)), Prescription("walking", Dosage(minutes=10))
CLAM = Prescription("clamshell", Dosage(sets=2, reps=8, days=(1, 3, 5)), times=("10:15",))
LISTS = ((BRIDGE,), (BRIDGE, WALK), (WALK, CLAM))
TIMES = (("09:00",), ("08:30", "18:00"), ("07:00", "12:00", "20:50"))
FIRST_DAY = date(2026, 5, 1)


class Bench(Database):
    """Verbs at once, in the caller's thread: the machine takes its steps one after another."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.commits = 0  # nothing is written while a batch is in the worker's hands: one step after another
        self.engine = engine

    def do(self, verb: Callable[..., Any], *args: Any) -> Any:
        with self.engine.begin() as db:
            return verb(db, *args)

    async def read(self, verb: Callable[..., Any], *args: Any) -> Any:
        return self.do(verb, *args)

    write = read

    async def append(self, clinic: str, verb: Callable[..., Any], *args: Any) -> Any:
        """In another thread, as the last look before a hand-over waits there until the loop has begun the sends."""
        return await asyncio.to_thread(self.do, verb, *args)

    async def _close(self) -> None:
        self.engine.dispose()


class Crash(Exception):
    """The worker died here."""


class Delivered(NamedTuple):
    at: Instant
    id: str
    subjects: tuple[str, ...]


class Provider:
    """Takes, postpones or refuses as its mode says; what it took is judged by `judge` there and then."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 3
    answers: ClassVar[dict[str, channels.Outcome]] = {
        "accept": Accepted(),
        "later": Later("try again", after=30),
        "arrived, said later": Later("the line broke"),
        "gone": Gone("410"),
        "refuse": Refused("413"),
    }

    def __init__(self, judge: Callable[[str, Parcel, bool], None]) -> None:
        self.mode = "accept"
        self.judge = judge

    async def send(self, address: ConsoleAddress, parcel: Parcel) -> channels.Outcome:
        if self.mode in ("accept", "arrived, said later"):
            self.judge(address.label, parcel, self.mode == "accept")
        return self.answers[self.mode]

    async def close(self) -> None:
        return None


class Plan:
    """What the test remembers of a plan: (wall, terms) of each revision, holds, its end."""

    def __init__(self, id: str, wall: int, terms: Terms) -> None:
        self.id, self.version = id, 1
        self.revisions = [(max(wall, terms.starts_on.toordinal() * 1440), terms)]
        self.holds: list[Hold] = []
        self.ended: int | None = None

    def due(self, wall: int) -> dict[str, int]:
        """Exercise -> sets at this wall, the slow way: whose rule is it, and does each exercise name this time?"""
        ruling = [terms for since, terms in self.revisions if since <= wall]
        if not ruling or (self.ended is not None and wall >= self.ended):
            return {}
        terms, day = ruling[-1], day_of(wall)
        if day < terms.starts_on or (terms.ends_on is not None and day > terms.ends_on):
            return {}
        clock, weekday = time_of(wall), day.isoweekday()
        return {
            it.exercise: it.dosage.sets
            for it in terms.prescriptions
            if clock in (it.times or terms.times) and (not it.dosage.days or weekday in it.dosage.days)
        }

    def held(self, wall: int, exercise: str) -> bool:
        return any(
            it.from_wall <= wall
            and (it.until_wall is None or wall < it.until_wall)
            and (not it.exercises or exercise in it.exercises)
            for it in self.holds
        )


def subjects_of(db: Connection, id: str) -> tuple[str, ...]:
    found = db.execute(select(message.c.subjects).where(message.c.clinic_id == CLINIC, message.c.id == id)).scalar_one()
    return msgspec.json.decode(found, type=tuple[str, ...])


def wakes(db: Connection, key: str) -> Instant | None:
    return db.execute(select(due.c.wake_at).where(due.c.key == key)).scalar()


def pending_of(db: Connection, person: str) -> list[str]:
    of_person = select(message.c.id).where(message.c.person_id == person)
    return list(
        db.execute(select(due.c.key).where(due.c.state == "pending", due.c.message_id.in_(of_person))).scalars()
    )


def unreached(db: Connection) -> set[tuple[str, int]]:
    """Bouts whose every message ended without reaching anybody for a reason that is ours."""
    ours, reached = set(), set()
    ended = select(message.c.subjects, outcome.c.state, outcome.c.reason).where(message.c.id == outcome.c.message_id)
    for subjects, state, reason in db.execute(ended):
        for subject in msgspec.json.decode(subjects):
            if state == "accepted":
                reached.add(subject)
            elif state in ("failed", "expired") or reason == "no_address":
                ours.add(subject)
    bouts = [subject.removeprefix("bout:") for subject in ours - reached if subject.startswith("bout:")]
    return {(it.rpartition(":")[0], int(it.rpartition(":")[2])) for it in bouts}


Counted = tuple[str, int, str, str, float]
"""Plan, wall, exercise, state, sets done: what one item of the ledger must come to."""

Log = tuple[Completion, int, Instant]
"""A completion, the local day on which it was done, and when we heard of it."""


def slow_items(
    plans: Iterable[Plan], kept: Sequence[Log], here: int, days: tuple[date, date], missed: Collection[tuple[str, int]]
) -> Iterator[Counted]:
    for plan in plans:
        for wall in range(days[0].toordinal() * 1440, (days[1].toordinal() + 1) * 1440, 5):
            for exercise, sets in plan.due(wall).items():
                logs = [log for log in kept if _is_of(log[0], plan.id, wall, exercise)]
                state, done = _performed(logs, wall, sets)
                if not state:
                    there = any(_is_of(log[0], plan.id, wall, log[0].exercise) for log in kept)
                    state = _not_done(plan, wall, exercise, here, (plan.id, wall) in missed and not there)
                    state = "skipped" if logs and state != "excused" else state
                yield plan.id, wall, exercise, state, done


def _is_of(it: Completion, plan: str, wall: int, exercise: str) -> bool:
    at = it.date.toordinal() * 1440 + int(it.time[:2]) * 60 + int(it.time[3:])
    return (it.plan_id, it.exercise, at) == (plan, exercise, wall)


def _performed(logs: Sequence[Log], wall: int, sets: int) -> tuple[str, float]:
    if not logs:
        return "", 0
    it, day, _ = max(logs, key=lambda log: (log[0].done_at, log[2], log[0].id))
    if it.outcome == "partly":
        return "partly", sets / 2 if it.sets is None else min(it.sets, sets)
    if it.outcome == "done":
        return "late" if day > wall // 1440 else "done", sets if it.sets is None else it.sets
    return "", 0


def _not_done(plan: Plan, wall: int, exercise: str, here: int, missed: bool) -> str:
    if plan.held(wall, exercise):
        return "excused"
    if here // 1440 <= wall // 1440:
        return "open"
    return "not_reached" if missed else "missed"


def slow_percent(plans: Mapping[str, Plan], items: Iterable[Counted]) -> float | None:
    slots: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
    for plan, wall, exercise, state, done in items:
        if state not in ("excused", "open", "not_reached"):
            slots[plan, exercise, wall // 1440].append((done, plans[plan].due(wall)[exercise]))
    shares = [min(1, sum(done for done, _ in slot) / sum(sets for _, sets in slot)) for slot in slots.values()]
    return round(100 * sum(shares) / len(shares), 1) if len(shares) >= 3 else None
