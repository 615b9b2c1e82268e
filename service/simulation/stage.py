"""The real engine on a fast clock. Whoever plays on it puts deeds at instants; the worker turns when something is due.

Nothing of the engine is replaced but the clock and what stands at the far end of each channel.
"""

import heapq
import random
from collections.abc import Awaitable, Callable

from notifications import outbox
from programs.instants import HOUR, Instant
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from service.simulation.journal import Journal, Taken, recorders

Deed = Callable[[], Awaitable[None]]
Progress = Callable[[Instant, int], None]
"""Told the simulated instant and how many messages were sent, after each round."""

# A worker looks every 30 s; on this clock it is enough to look when something is due, and at times to lay out new days.
LOOK_EVERY = 6 * HOUR


def silent(at: Instant, messages: int) -> None:
    return None


class Stage:
    def __init__(self, db: Database, start: Instant, chance: random.Random) -> None:
        self.db = db
        self.clock = SetClock(start)
        self.chance = chance
        self.journal = Journal()
        self.channels = recorders(self.clock, self.journal)
        self.worker = Worker(db, self.channels, self.clock, chance=random.Random(chance.getrandbits(64)))
        self._deeds: list[tuple[Instant, int, Deed]] = []
        self._count = 0

    def at(self, when: Instant, deed: Deed) -> None:
        """Deeds of one instant are done in the order in which they were put down."""
        self._count += 1
        heapq.heappush(self._deeds, (when, self._count, deed))

    def on_taken(self, react: Taken) -> None:
        for channel in self.channels.values():
            channel.taken = react

    async def run(self, until: Instant, progress: Progress = silent) -> None:
        turned = self.clock.at
        while True:
            await self._act()
            now = self.clock.at
            due = await self.db.read(outbox.earliest)
            if now >= turned + LOOK_EVERY or (due is not None and due <= now):
                await self.worker.turn()
                turned = now
                due = await self.db.read(outbox.earliest)
            if now >= until:
                return
            progress(now, len(self.journal.sent))
            following = self._deeds[0][0] if self._deeds else until
            self.clock.move_to(min(following, until, turned + LOOK_EVERY, until if due is None else due))

    async def _act(self) -> None:
        while self._deeds and self._deeds[0][0] <= self.clock.at:
            await heapq.heappop(self._deeds)[2]()
