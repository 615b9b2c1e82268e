"""jobs: the worker's clock. APScheduler wakes it, in memory; what is due is in the database, and the claim decides.

One `wake` job stands at the earliest due instant, at most 30 s ahead. Each turn lays out rows for whoever is short of
them, sends what is due, rolls up whose numbers changed, and says when to look again. Several workers may do this at
once.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from typing import Any, NamedTuple

import msgspec
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Connection, bindparam, delete

from notifications import alerts, aside, conservation, delivery, outbox, poison
from notifications.channels import Channel
from notifications.delivery import Failpoint, no_failpoint
from notifications.settling import Tally
from notifications.wire import Wire
from programs import people, rollup, walls
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant, moment
from service.auth import limits
from service.auth.tickets import forget_tickets
from service.clock import Clock
from service.database import Database, nothing
from service.tables import reply
from service.upkeep import COUNTING, PLANNING, Faults, Upkeep, forget_over, keep_up

log = logging.getLogger("homestretch.jobs")

_FORGET = delete(reply).where(reply.c.clinic_id == bindparam("clinic"), reply.c.made_at < bindparam("before"))

# A clock that was set, a machine that slept, a row of another process: none is noticed later than this.
LONGEST_NAP = 30 * SECOND
SHORTEST_NAP = 20
KEEP_HOUSE_EVERY = HOUR
COUNT_EVERY = MINUTE
# A phone that sends again after this long is a phone that asks anew.
REPLIES_KEPT = 7 * DAY
LAY_OUT = 200  # patients a transaction
ROLL_UP = 50  # patients a transaction: nobody waits for it, and nobody should wait behind it
ROLL_UP_EVERY = 30 * SECOND
# A turn that takes longer than this is stuck; a message this much past its instant is late.
STALE = 90 * SECOND
OVERDUE = 2 * MINUTE


class Pulse(msgspec.Struct):
    """What the worker says of itself; /healthz reads it."""

    turned_at: Instant = 0  # a turn, or a batch of one, was finished
    steps: int = 0  # of whatever kind, failing ones too: the watchdog looks whether there are any
    oldest_due: Instant | None = None
    quarantined: int = 0
    restored: int = 0  # they wait for a choice, after a back-up was put back
    totals: Tally = msgspec.field(default_factory=Tally)  # since the start
    failed_turns: int = 0  # in a row
    unaccounted: int = 0  # messages neither pending nor ended: must be 0
    nobody: int = 0  # flags of all clinics that nobody acknowledged in time
    unplanned: Faults = msgspec.field(default_factory=dict)  # patients no agenda can be made of
    uncounted: Faults = msgspec.field(default_factory=dict)  # those whose weeks cannot be rolled up


class Accounting(msgspec.Struct):
    """A round of the conservation check: when it began, how far it is, what it found."""

    begun_at: Instant = 0
    place: conservation.Place | None = None
    found: int = 0


class Unshown(NamedTuple):
    """The database as delivery writes to it: no kept reply and no token depends on what it claims and settles, so that
    what the API remembers stands while a burst drains (see Database.append)."""

    db: Database

    @property
    def commits(self) -> int | None:
        return self.db.commits

    async def write(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self.db.append("", verb, *args)

    async def append(self, clinic: str, verb: Callable[..., Any], *args: Any) -> Any:
        return await self.db.append(clinic, verb, *args)


class Worker:
    def __init__(
        self,
        db: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        failpoint: Failpoint = no_failpoint,
        chance: random.Random | None = None,
    ) -> None:
        self.db = db
        self.wire = Wire(channels)
        self.clock = clock
        self.failpoint = failpoint
        self.chance = chance or random.Random()
        self.pulse = Pulse(turned_at=clock.now())
        self._kept_house_at: Instant = 0
        self._rolled_up_at: Instant = 0
        self._counted_at: Instant = 0
        self._accounting = Accounting()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            # APScheduler's own default drops a job that is a second late.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._wake_at: Instant = 0
        self._awake = asyncio.Event()
        self._stopping = False
        self._looking: asyncio.Task[None] | None = None

    async def turn(self) -> Tally:
        """One round: lay out, send, keep house. Raises what the database raises; nothing is lost by it."""
        tally = Tally()
        try:
            await self._lay_out(tally)
        except Exception:
            await self._send(tally)  # what there is a row of does not wait for what keeps others from having theirs
            raise
        await self._send(tally)
        await self._roll_up(tally)
        await self._keep_house()
        self._stepped()
        self.pulse.failed_turns = 0
        return tally

    def _stepped(self) -> None:
        self.pulse.turned_at = self.clock.now()
        self.pulse.steps += 1

    async def _send(self, tally: Tally) -> None:
        did = await delivery.drain(Unshown(self.db), self.wire, self.clock.now, self._step, self.chance)
        for it in (tally, self.pulse.totals):
            it.add(did)

    async def _send_due(self, tally: Tally) -> None:
        """Between two batches of upkeep, of which there may be thousands: what became due does not wait for them."""
        earliest = await self.db.read(outbox.earliest)
        if earliest is not None and earliest <= self.clock.now():
            await self._send(tally)

    async def _lay_out(self, tally: Tally) -> None:
        while behind := await self.db.read(outbox.behind, self.clock.now(), LAY_OUT):
            for clinic, patients in behind.items():
                await self._keep_up(PLANNING, self.pulse.unplanned, clinic, patients)
            await self._send_due(tally)

    async def _keep_up(self, it: Upkeep, faults: Faults, clinic: str, patients: Sequence[str]) -> None:
        self._stepped()
        await keep_up(it, self.db.at(clinic), clinic, patients, self.clock.now(), faults)

    def _step(self, name: str) -> None:
        self.pulse.steps += 1
        if name == "settled":
            self.pulse.turned_at = self.clock.now()
        self.failpoint(name)

    async def _roll_up(self, tally: Tally) -> None:
        """The clinics' numbers: right without this, quick with it."""
        now = self.clock.now()
        if not _is_over(self._rolled_up_at, ROLL_UP_EVERY, now):
            return
        self._rolled_up_at = now
        while stale := await self.db.read(rollup.stale, now, ROLL_UP):
            for clinic, patients in stale.items():
                await self._keep_up(COUNTING, self.pulse.uncounted, clinic, patients)
            await self._send_due(tally)

    async def _keep_house(self) -> None:
        now = self.clock.now()
        if _is_over(self._counted_at, COUNT_EVERY, now):
            self._counted_at = now
            self.pulse.nobody = await self.db.read(alerts.nobody, now)
            waiting = await self.db.read(aside.count)
            self.pulse.quarantined, self.pulse.restored = waiting["quarantined"], waiting["restored"]
            await self._account(now)
            for faults in (self.pulse.unplanned, self.pulse.uncounted):
                forget_over(faults, now)
        if not _is_over(self._kept_house_at, KEEP_HOUSE_EVERY, now):
            return
        self._kept_house_at = now
        await self.db.write(forget_replies, now - REPLIES_KEPT)
        await self.db.write(limits.forget, now)
        await self.db.write(forget_tickets, now)

    async def _account(self, now: Instant) -> None:
        """The conservation check, a part of it a minute: of millions at once, it would hold up what is due."""
        it = self._accounting
        if it.place is None:
            if not _is_over(it.begun_at, KEEP_HOUSE_EVERY, now):
                return
            it.begun_at, it.place, it.found = now, conservation.BEGIN, 0
        found, it.place = await self.db.read(conservation.account, it.place, conservation.PART)
        it.found += found
        # While a round lasts, what the one before found still stands.
        self.pulse.unaccounted = it.found if it.place is None else max(it.found, self.pulse.unaccounted)
        if found:
            log.error("%d messages are neither pending nor ended, or both", found)

    async def next_wake(self) -> Instant:
        earliest: Instant | None = await self.db.read(outbox.earliest)
        self.pulse.oldest_due = earliest
        latest = self.clock.now() + LONGEST_NAP
        return latest if earliest is None else min(earliest, latest)

    def start(self) -> None:
        """Begin to turn, and to look again whenever something was committed."""
        self._scheduler.start()
        self._running = asyncio.create_task(self._run())
        self._awake.set()
        self.db.committed = self._committed

    async def stop(self) -> None:
        """Finish the turn in hand (a send takes 10 s at most); what is left is taken up by the next worker."""
        self.db.committed = nothing
        self._scheduler.shutdown(wait=False)
        self._stopping = True
        self._awake.set()
        await self._running

    async def _run(self) -> None:
        # Turns run here and not as jobs: APScheduler cancels the jobs it is running when it is shut down.
        # And the ticker goes by the clock of the wall: where that is set back, we wake by ourselves.
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_NAP / SECOND + 1):
                    await self._awake.wait()
            self._awake.clear()
            if self._stopping:
                return
            await self._turn_and_arm()

    async def _turn_and_arm(self) -> None:
        try:
            await self.turn()
            self._arm(max(await self.next_wake(), self.clock.now() + SHORTEST_NAP))
        except Exception as error:
            self.pulse.failed_turns += 1
            self.pulse.steps += 1
            _say(error)
            self._arm(self.clock.now() + LONGEST_NAP)

    def _arm(self, at: Instant) -> None:
        self._wake_at = at
        self._scheduler.add_job(self._wake, "date", run_date=moment(at), id="wake", replace_existing=True)

    async def _wake(self) -> None:
        self._awake.set()

    def _committed(self) -> None:
        """Somebody committed: an earlier message may be due than the one we sleep for."""
        if self._looking is None and self._wake_at > self.clock.now() + SHORTEST_NAP:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        try:
            at = await self.next_wake()
            if at < self._wake_at:
                self._arm(max(at, self.clock.now()))
        finally:
            self._looking = None


def _is_over(since: Instant, every: Instant, now: Instant) -> bool:
    """Also where the clock was set back meanwhile."""
    return not 0 <= now - since < every


def forget_replies(db: Connection, before: Instant) -> None:
    """What was answered to an Idempotency-Key is kept for a week."""
    for clinic in people.clinics_of(db):
        walls.enter(db, clinic)
        db.execute(_FORGET, {"clinic": clinic, "before": before})


def _say(error: Exception) -> None:
    """One line where the database is away, full or busy, as it is said again and again then."""
    what, soon = poison.says(error), LONGEST_NAP // SECOND
    if poison.of_database(error):
        name = poison.code(error)
        log.error("the database does not serve (%s %s): nothing is sent; the next look is in %d s", what, name, soon)
    else:
        log.error("a turn of the worker failed: %s; the next one is in %d s\n%s", what, soon, poison.whence(error))


class Health(msgspec.Struct, frozen=True):
    """`problems` is empty when all is well."""

    problems: list[str]
    turned_at: Instant
    oldest_due: Instant | None


def health(db: Connection, pulse: Pulse, now: Instant) -> Health:
    """Whether the worker turns and nothing waits that should have gone: what it did, not what it says it can do."""
    oldest = outbox.earliest(db)
    problems = []
    if now - pulse.turned_at > STALE:
        problems.append("the worker has not finished a turn")
    if oldest is not None and now - oldest > OVERDUE:
        problems.append("a message is overdue")
    if pulse.failed_turns > 1:
        problems.append("the worker's turns fail")
    if pulse.unaccounted:
        problems.append("messages are unaccounted for")
    return Health(problems, pulse.turned_at, oldest)
