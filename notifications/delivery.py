"""delivery: claim -> still wanted? -> word -> send -> settle. The only caller of `send`.

Two short transactions, claiming.py and settling.py, with the network between them, and handing.py's look before it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from notifications import alerts, poison
from notifications.channels import Accepted, Later, Parcel
from notifications.claiming import BATCH, Claimed, claim
from notifications.handing import Bridge, LastLook
from notifications.reach import Address
from notifications.settling import Sent, Tally, Try, settle
from notifications.wire import Clock, Turn, Wire
from notifications.wording import words
from programs.instants import SECOND, Instant

# No send begins in the last part of a lease: it may take 10 s, and its batch has to be settled before the lease ends.
SEND_TAKES = 15 * SECOND
MOST_AT_ONCE = 5 * BATCH
PATIENCE = 1  # seconds for which a batch is waited for, before the next one is begun beside it
LONGEST_WAIT = 28 * 24 * 3600  # seconds a push service is asked to keep a message, at most

Failpoint = Callable[[str], None]
"""Called by name at each step of the way; does nothing but in tests, which kill, raise or hang there."""

FAILPOINTS = ("claiming", "claimed", "sending", "sent", "settling", "settled")


def no_failpoint(name: str) -> None:
    return None


def parcel(it: Claimed, now: Instant) -> Parcel:
    kinds = frozenset(subject.partition(":")[0] for subject in it.row.subjects)
    said = words(kinds, it.language)
    return Parcel(
        delivery_id=it.row.id,
        title=said.title,
        body=said.body,
        path=next((path for key, path in alerts.PATHS.items() if it.row.key.startswith(key)), f"/open/{it.row.id}"),
        urgency="normal" if kinds == {"bout"} else "high",
        expires_in=min(max(0, (_kept_until(it, kinds) - now) // SECOND), LONGEST_WAIT),
        language=it.language,
    )


def _kept_until(it: Claimed, kinds: Collection[str]) -> Instant:
    """How long a provider may keep it for a phone that is off: switched on at night it shows no reminder of the
    evening, but a check-in, which may find a warning sign, it does."""
    return it.row.closes if "check_in" in kinds else min(it.row.closes, it.quiet_at)


async def send(it: Claimed, wire: Wire, clock: Clock, stands: Callable[[], Awaitable[bool]]) -> Sent:
    """Every address of the first channel at once; the next channel only where no address of this one may take it.

    An alert does not wait for a provider to come back: it goes on to the next channel at once. `stands` is asked right
    before each hand-over (see handing.py).
    """
    worded = parcel(it, clock())
    settling = Accepted if it.row.key.startswith(alerts.KEYS) else Accepted | Later
    # Whoever has not had its turn by then is claimed anew, and the agenda says what becomes of it.
    until, tries = min(it.leased_until - SEND_TAKES, it.quiet_at, it.row.closes), list[Try]()
    for step in it.ladder:
        found = await _hand_over(step, worded, wire, Turn(clock, until, stands))
        tries += found
        if any(isinstance(one.outcome, settling) for one in found):
            break
    return Sent(it, tuple(tries))


async def _hand_over(step: Sequence[Address], worded: Parcel, wire: Wire, turn: Turn) -> list[Try]:
    if len(step) == 1:  # nearly everybody: no task of its own, which would cost as much as all the rest here
        return [Try(step[0], await wire.hand_over(step[0], worded, turn))]
    outcomes = await asyncio.gather(*(wire.hand_over(to, worded, turn) for to in step))
    return [Try(to, outcome) for to, outcome in zip(step, outcomes, strict=True)]


# the loop's one turn


async def drain(
    db: Bridge, wire: Wire, clock: Clock, failpoint: Failpoint = no_failpoint, chance: random.Random | None = None
) -> Tally:
    """Claim, send and settle until nothing more is due. Several workers may do this at once: the claim decides.

    A provider that takes its time holds nobody else up: what has come of the others is settled meanwhile, and what
    became due is claimed. Raises what the database raises; what was sent by then is settled first the next time, and so
    is what was just being sent: given up half-way, it would be sent a second time.
    """
    loop = _Loop(db, wire, clock, failpoint, chance or random.Random())
    try:
        await loop.settle()
        more = True
        while more or loop.sending:
            more = await loop.claim() if len(loop.sending) < MOST_AT_ONCE else True
            await loop.send_on()
            await loop.settle()
    except Exception:
        await loop.finish()
        raise
    finally:
        for it in loop.sending:
            it.cancel()
    return loop.tally


class _Loop:
    """One drain: what it is sending, and how far it has come."""

    def __init__(self, db: Bridge, wire: Wire, clock: Clock, failpoint: Failpoint, chance: random.Random) -> None:
        self.db, self.wire, self.clock, self.failpoint, self.chance = db, wire, clock, failpoint, chance
        self.tally = Tally()
        self.sending: set[asyncio.Task[Sent]] = set()
        self._begun: set[str] = set()  # ids of messages of which a hand-over has begun
        self._turn = 0

    async def claim(self) -> bool:
        """Whether there is more."""
        self.failpoint("claiming")
        try:
            count, claimed = await self.db.write(claim, self.clock(), BATCH, self._turn)
        except Exception as error:
            if poison.of_database(error):
                raise
            count, claimed = await self.db.write(claim, self.clock(), BATCH, self._turn, True)
        self.failpoint("claimed")
        self._turn += 1
        self.tally.claimed += count
        self.tally.ended += count - len(claimed)
        look = LastLook(self.db, claimed)
        self.sending |= {asyncio.create_task(self._send(it, look), name=it.row.id) for it in claimed}
        return bool(count == BATCH)

    async def send_on(self) -> None:
        if self.sending:
            done, self.sending = await asyncio.wait(self.sending, timeout=PATIENCE)
            self.wire.unsettled += [it.result() for it in done]

    async def finish(self) -> None:
        """Begin nothing more, and hear out what has begun: ten seconds or so."""
        for it in self.sending:
            if it.get_name() not in self._begun:
                it.cancel()
        if self.sending:
            done, self.sending = await asyncio.wait(self.sending)
            self.wire.unsettled += [it.result() for it in done if not it.cancelled() and it.exception() is None]

    async def settle(self) -> None:
        results = self.wire.unsettled
        if not results:
            return
        self.failpoint("settling")
        try:
            self.tally.add(await self.db.write(settle, results, self.clock(), self.chance))
        except Exception as error:
            if poison.of_database(error):
                raise
            await self._settle_apart(results)
        self.wire.unsettled = []
        self.failpoint("settled")

    async def _settle_apart(self, results: Sequence[Sent]) -> None:
        """After a batch that raised: each by itself, so that the one to blame is found and the others stand."""
        for it in results:
            try:
                self.tally.add(await self.db.write(settle, [it], self.clock(), self.chance))
            except Exception as error:
                if poison.of_database(error):
                    raise
                found = Sent(it.claimed, (), error)
                self.tally.add(await self.db.write(settle, [found], self.clock(), self.chance))

    async def _send(self, it: Claimed, look: LastLook) -> Sent:
        self.failpoint("sending")
        try:
            sent = await send(it, self.wire, self.clock, partial(self._stands, it, look))
        except Exception as error:  # one poisoned message must not stop the others of its batch
            sent = Sent(it, (), error)
        self.failpoint("sent")
        return sent

    async def _stands(self, it: Claimed, look: LastLook) -> bool:
        stands = await look.stands(it)
        if stands:
            self._begun.add(it.row.id)
        return stands
