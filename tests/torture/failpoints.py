"""Every step of the way through a send, met by every way to come to grief there.

A real worker with real Web Push in a process of its own; a push service that decrypts, with a journal on disk. Each
case has patients of its own, whose check-ins come due three minutes after those of the case before.
"""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from sqlalchemy import Connection

from notifications import addresses
from notifications.channels import topic
from notifications.channels.vapid import VapidKeys
from notifications.claiming import LEASE
from notifications.delivery import FAILPOINTS
from programs.instants import HOUR, MINUTE, SECOND, Instant
from service import care
from service.database import connect
from tests.conftest import application_url
from tests.peers.push_service import PushService, read_journal
from tests.torture.accounts import accounts, unaccounted
from tests.torture.finding import LONG, Finding, Rounds
from tests.torture.worker import SUBJECT, Job, SharedClock
from tests.torture.zygote import Forked, Zygote
from tests.world import BEN, CLINIC, NOON, patient, populate, session

ACTS = ("kill", "raise", "hang", "full", "busy")
EACH = 2  # patients of a case
# By these a worker comes once a message: it is met at the first, and killed at one in the middle as well.
BY_MESSAGE = ("sending", "sent")
FIRST = NOON + HOUR
APART = 3 * MINUTE  # 72 cases and their recoveries are over before any nudge, or the evening
AGAIN = 1
RECOVERY = (LEASE, LEASE + 16 * SECOND, 2 * LEASE + 16 * SECOND)
"""After a case, the worker looks again at these instants: its lease is over by the first, a pause by the second."""


class Case(NamedTuple):
    number: int
    act: str
    stop_at: str
    hit: int

    @property
    def at(self) -> Instant:
        return FIRST + self.number * APART

    @property
    def patients(self) -> list[str]:
        return [f"c{self.number}-{number}" for number in range(EACH)]

    def __str__(self) -> str:
        return f"{self.act} at {self.stop_at} {self.hit}"


def cases() -> list[Case]:
    """Once in the short form; the long one comes back, each time at another passing of the same failpoint."""
    stops = [(act, name, 1) for act in ACTS for name in FAILPOINTS] + [("kill", name, 2) for name in BY_MESSAGE]
    if LONG:
        again = [
            (act, name, hit) for act in ACTS for name in FAILPOINTS for hit in ((1, 2) if name in BY_MESSAGE else (1,))
        ]
        stops += again * AGAIN
    return [Case(number, *it) for number, it in enumerate(stops)]


def enrol(db: Connection, wanted: list[Case], phones: dict[str, dict[str, str]]) -> None:
    populate(db)
    for case in wanted:
        for id in case.patients:
            care.enrol(db, BEN, patient(id, "ben"), None, NOON)
            addresses.put_address(db, CLINIC, id, f"{id}-phone", "web_push", phones[id], NOON)
            care.record_session(db, BEN, f"s-{id}", session(case.at - 6 * HOUR, patient_id=id), NOON)


async def failpoints(zygote: Zygote, url: str, folder: Path, into: Finding) -> None:
    wanted = cases()
    keys = VapidKeys.generate(SUBJECT)
    key = folder / "vapid.pem"
    key.write_text(keys.pem())
    clock = SharedClock(folder / "clock", FIRST)
    async with PushService(folder / "journal") as phones:
        async with await connect(url, {}) as db:
            addressed = {id: phones.subscribe(id, keys.public()) for case in wanted for id in case.patients}
            await db.write(enrol, wanted, addressed)
        rounds = Rounds(len(wanted), into.name)
        for case in wanted:
            clock.move_to(case.at)
            job = Job(application_url(url), str(folder / "clock"), case.stop_at, case.hit, key=str(key), hurried=True)
            await play(zygote, url, job, clock, case)
            rounds.done += rounds.more()
        screens = phones.shown()
        complaints = list(phones.complaints)
    await judge(url, wanted, folder / "journal", screens, into)
    into.broken += complaints


async def play(zygote: Zygote, url: str, job: Job, clock: SharedClock, case: Case) -> None:
    another = Job(job.url, job.clock, key=job.key)
    async with await zygote.fork(job) as first:
        said = await first.asked("turn")
        assert said == f"at {case.stop_at}", f"{case}: {said}"
        if case.act == "hang" and not url.startswith("sqlite"):
            # Another takes over meanwhile. When the first goes on, long past its lease, it must change nothing.
            async with await zygote.fork(another) as other:
                await recover(other, clock)
            await first.asked("go")
            return
        if case.act not in ("hang", "kill"):
            async with busy(url, case.act):
                said = await first.asked("go" if case.act == "busy" else case.act)
                assert said == "done" or said.startswith("failed"), said
            await first.asked("room")
            await recover(first, clock)
            return
        # On SQLite one process owns the file: one that hangs is ended by its watchdog, as here.
        await first.kill()
    async with await zygote.fork(another) as second:
        await recover(second, clock)


async def recover(worker: Forked, clock: SharedClock) -> None:
    begun = clock.now()
    for later in RECOVERY:
        clock.move_to(begun + later)
        assert await worker.asked("turn") == "done"


@asynccontextmanager
async def busy(url: str, act: str) -> AsyncIterator[None]:
    """Somebody else holds what a writer needs: the file's one write lock, or the rows that are due."""
    if act != "busy":
        yield
    elif url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()
    else:
        with psycopg.connect(url) as held:
            held.execute("SELECT * FROM due FOR UPDATE")
            yield
            held.rollback()


async def judge(
    url: str, wanted: list[Case], journal: Path, screens: dict[tuple[str, str], dict[str, object]], into: Finding
) -> None:
    async with await connect(url, {}) as db:
        found = await db.read(accounts, wanted[-1].at)
        left = await db.read(unaccounted)
    of = {it.person: it for it in found}
    taken = Counter(push.topic for push in read_journal(journal))
    seen = Counter(phone for phone, _ in screens)
    extra = 0
    for case in wanted:
        into.cases += 1
        for id in case.patients:
            it = of.get(id)
            if it is None or it.state != "accepted":
                into.broken.append(f"{case}: {id} was lost ({it})")
            # A fault costs one repeat; nobody confirms a receipt here, so that each comes once more by itself.
            elif seen[id] != 1 or not 1 <= taken[topic(it.id)] <= 3:
                into.broken.append(f"{case}: {id} was shown {seen[id]} times, taken {taken[topic(it.id)]} times")
            else:
                extra += taken[topic(it.id)] - 1
    if left:
        into.broken.append(f"{left} messages are unaccounted for")
    into.figures |= {"messages": len(wanted) * EACH, "repeats under the same topic": extra}
