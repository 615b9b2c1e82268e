"""A provider in its worst mood, in the mix of reliability.md 3.2, and more of it: what becomes of each message.

Real Web Push against a push service that decrypts, on a fast clock. What it answered for each phone is held against the
state in which the phone's message ended.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection

from notifications import outbox
from notifications.channels import Accepted, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import Allowed, WebPushAddress
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from programs.instants import MINUTE, SECOND, Instant
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.peers.push_service import Answer, PushService
from tests.torture import crowd
from tests.torture.accounts import accounts, unaccounted
from tests.torture.finding import Finding, Rounds, length, say
from tests.torture.worker import SUBJECT
from tests.world import populate

CROWD = length(60, 500)
# No receipt is waited for so long: what is sent again for want of one is another matter.
LASTS = 25 * MINUTE
RETRY_AFTER = 90

# Per cent, what is answered.
MIX = (
    (5, "time-out after it was accepted", Answer(act="hang", accept=True)),
    (5, "429", Answer(429, retry_after=str(RETRY_AFTER))),
    (5, "503", Answer(503)),
    (2, "410", Answer(410)),
    (1, "malformed", Answer(act="garbage", accept=False)),
    (2, "cut before it was accepted", Answer(act="cut", accept=False)),
    (1, "cut after it was accepted", Answer(act="cut", accept=True)),
)
FINE = "201"


class Said(NamedTuple):
    at: Instant
    answer: str


class Moody(PushService):
    """Answers by the dice, and remembers for each phone what it said."""

    def __init__(self, clock: SetClock, chance: random.Random) -> None:
        super().__init__()
        self.said: dict[str, list[Said]] = defaultdict(list)
        self._clock, self._chance = clock, chance

    def _next(self, name: str) -> Answer:
        roll, sum = self._chance.random() * 100, 0
        for share, label, answer in MIX:
            sum += share
            if roll < sum:
                self.said[name].append(Said(self._clock.at, label))
                return answer
        self.said[name].append(Said(self._clock.at, FINE))
        return Answer()


class Heard(NamedTuple):
    asked_at: Instant
    outcome: Outcome


class Hearing(WebPush):
    """Remembers what came back for each phone: on a busy machine an answer may come after we stopped waiting for it."""

    def __init__(self, settings: PushSettings, clock: SetClock) -> None:
        super().__init__(settings, lambda: clock.at / 1000)
        self.heard: dict[str, list[Heard]] = defaultdict(list)
        self._clock = clock

    async def send(self, address: WebPushAddress, parcel: Parcel) -> Outcome:
        at = self._clock.at
        outcome = await super().send(address, parcel)
        self.heard[address.endpoint.rpartition("/")[2]].append(Heard(at, outcome))
        return outcome


def arrange(db: Connection, phones: dict[str, dict[str, str]]) -> None:
    populate(db)
    crowd.seed(db)
    crowd.clone(db, 1, CROWD, phones)


async def chaos(db: Database, clear: Callable[[Connection], None], wanted: int, into: Finding) -> None:
    chance, rounds = random.Random(wanted), Rounds(wanted, into.name)
    into.figures |= {"requests": 0, "429 heard": 0, "accepted": 0, "no address left": 0}
    while rounds.more():
        if rounds.done:
            await db.write(clear)
        await _round(db, chance, into)
        rounds.done += CROWD
        into.cases += CROWD
        say(f"{into.name}: {into.cases:,} messages, {len(into.broken)} broken")
    if not into.figures["429 heard"]:
        into.broken.append("nobody was told to wait")


async def _round(db: Database, chance: random.Random, into: Finding) -> None:
    keys, clock = VapidKeys.generate(SUBJECT), SetClock(crowd.DUE)
    async with Moody(clock, chance) as service:
        people = [f"x{number:05}" for number in range(1, CROWD + 1)]
        await db.write(arrange, {id: service.subscribe(id, keys.public()) for id in people})
        settings = PushSettings(keys, "http://127.0.0.1:8000", Allowed(loopback=True), timeout=0.5)
        push = Hearing(settings, clock)
        service._now = lambda: clock.at / 1000
        worker = Worker(db, {"web_push": push}, clock, chance=random.Random(chance.random()))
        while clock.at < crowd.DUE + LASTS:
            await worker.turn()
            due = await db.read(outbox.earliest)
            clock.move_to(min(max(due or 0, clock.at + SECOND), crowd.DUE + LASTS))
        await push.close()
        states = {it.person: (it.state, it.reason) for it in await db.read(accounts, crowd.DUE)}
        left = await db.read(unaccounted)
        shown = Counter(phone for phone, _ in service.shown())
        into.figures["429 heard"] += sum(_says_429(it.outcome) for one in push.heard.values() for it in one)
        into.broken += service.complaints + [f"{left} unaccounted for"] * bool(left)
        for id in people:
            into.figures["requests"] += len(service.said[id])
            why = _wrong(service.said[id], push.heard[id], states.get(id, ("", "")), shown[id])
            if why:
                into.broken.append(f"{id}: {why}")
            into.figures["accepted" if states[id][0] == "accepted" else "no address left"] += 1


def _wrong(said: list[Said], heard: list[Heard], state: tuple[str, str], shown: int) -> str:
    if not said or not heard:
        return f"nobody was asked, and it is {state}"
    last = heard[-1].outcome
    wanted = ("accepted",) if isinstance(last, Accepted) else ("suppressed", "no_address")
    if isinstance(last, Later | Refused) or state[: len(wanted)] != wanted:
        return f"it ended {state} after {heard}"
    if not all(isinstance(it.outcome, Later) for it in heard[:-1]):
        return f"it was sent again after {heard}"
    taken = sum(it.answer in (FINE, "time-out after it was accepted", "cut after it was accepted") for it in said)
    if shown != (1 if taken else 0):
        return f"it is shown {shown} times, having been taken {taken} times"
    for earlier, later in pairwise(heard):
        waited = later.asked_at - earlier.asked_at
        if _says_429(earlier.outcome) and waited < RETRY_AFTER * SECOND:
            return f"it was sent again {waited / SECOND} s after a 429"
    return ""


def _says_429(it: Outcome) -> bool:
    return isinstance(it, Later) and "429" in it.detail.split()
