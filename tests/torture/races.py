"""Cancel, correct, withdraw, discharge, erase: each against claim and send, at random moments, side by side.

The promise: once somebody was told that it is saved, no message about what they took back is handed to a provider.
Handed over is the call of a channel's `send`; from there on the request is under way, and nobody can call it back.

Each round so many patients have a check-in due. A worker claims and sends on one connection to the database while
each patient's clinician does their deed on another, one in five before the claim and the others when so many sends have
begun. Both are tasks of one loop, so that which came first is certain. Half of the sends last until one more deed is
done, so that neither side runs away from the other, however slow the machine.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
from sqlalchemy import Connection

from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress
from programs.errors import Conflict
from programs.instants import DAY, HOUR, SECOND
from service import care, rights
from service.clock import SetClock
from service.database import Database, connect
from service.jobs import Worker
from service.rights import HandingOver
from service.vault import open_vault
from tests.conftest import application_url, forget_everything
from tests.torture import crowd
from tests.torture.accounts import accounts, unaccounted
from tests.torture.finding import Finding, Rounds, length
from tests.world import BEN, populate, session

CROWD = length(40, 100)
PATIENCE = 0.2
"""Seconds a send waits at most for the next deed to be done."""


class Deed(NamedTuple):
    """What a clinician does, as a verb and its arguments after `who`."""

    name: str
    verb: Callable[..., Any]
    args: Callable[[str], tuple[Any, ...]]


LATER = session(crowd.DUE - HOUR, patient_id="")
DEEDS = (
    Deed("withdraw", care.change_patient, lambda id: (id, 1, {"consented": False})),
    Deed("discharge", care.change_patient, lambda id: (id, 1, {"discharged_at": crowd.DUE})),
    Deed("cancel", care.cancel_session, lambda id: (f"s-{id}", 1)),
    # It ended an hour ago, not six: what is due now is due in five hours.
    Deed("correct", care.correct_session, lambda id: (f"s-{id}", 1, msgspec.structs.replace(LATER, patient_id=id))),
    Deed("erase", rights.erase, lambda id: (id,)),
)


class Recorder:
    """Remembers what it was handed, in the order of the loop, and after whose deed."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 5

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.over: set[str] = set()
        """Whose deed is done, and said to be."""
        self.handed: set[str] = set()
        self.afterwards: list[str] = []
        self._reached = [asyncio.Event() for _ in range(CROWD + 1)]
        self._done = asyncio.Event()
        self.begun = asyncio.Event()
        """A few deeds are done."""

    async def send(self, address: ConsoleAddress, parcel: Parcel) -> Outcome:
        self.handed.add(address.label)
        self._reached[len(self.handed)].set()
        if address.label in self.over:
            self.afterwards.append(address.label)
        if self.chance.random() < 0.5:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), PATIENCE)
        return Accepted()

    async def reached(self, sends: int) -> None:
        await self._reached[sends].wait()

    def deed_is_done(self, id: str) -> None:
        self.over.add(id)
        if len(self.over) >= CROWD // 10:
            self.begun.set()
        self._done.set()
        self._done = asyncio.Event()

    def no_more(self) -> None:
        for it in self._reached:
            it.set()

    async def close(self) -> None:
        return None


def arrange(db: Connection) -> None:
    forget_everything(db)
    populate(db)
    crowd.seed(db)
    crowd.clone(db, 1, CROWD - 1)


async def races(url: str, folder: Path, wanted: int, deed: Deed, into: Finding) -> None:
    chance = random.Random(f"{deed.name}{wanted}")
    carried = open_vault(folder / "vault").carried
    tally: Counter[str] = Counter()
    rounds = Rounds(wanted, into.name)
    while rounds.more():
        async with await connect(url, carried) as db:
            await db.write(arrange)
        await _round(url, carried, deed, chance, (tally, into))
        rounds.done += CROWD
    into.cases = rounds.done
    into.figures |= tally
    if not (tally["handed over before"] and tally["not handed over"]):
        into.broken.append(f"no race was one: {dict(tally)}")


async def _round(
    url: str, carried: Any, deed: Deed, chance: random.Random, result: tuple[Counter[str], Finding]
) -> None:
    tally, into = result
    recorder, clock = Recorder(chance), SetClock(crowd.DUE)

    async def do(db: Database, number: int, id: str) -> None:
        if number % 5:
            await recorder.reached(chance.randint(1, CROWD // 2))
        await _do(db, deed, id, (recorder, tally))

    people = [crowd.SEED, *(f"x{number:05}" for number in range(1, CROWD))]
    async with contextlib.AsyncExitStack() as stack:
        clinic = await stack.enter_async_context(await connect(application_url(url), carried))
        alone = url.startswith("sqlite")
        other = clinic if alone else await stack.enter_async_context(await connect(application_url(url), {}))
        worker = Worker(other, {"console": recorder}, clock, chance=random.Random(chance.random()))
        doing = [asyncio.create_task(do(clinic, *it)) for it in enumerate(people)]
        await recorder.begun.wait()
        await worker.turn()
        recorder.no_more()
        await asyncio.gather(*doing)
        for _ in range(3):
            clock.move_to(clock.now() + 20 * SECOND)
            await worker.turn()
    async with await connect(url, {}) as db:
        found = await db.read(accounts, crowd.DUE + DAY, ("check_in",))
        left = await db.read(unaccounted)
    tally["handed over before"] += len(recorder.handed)
    tally["not handed over"] += CROWD - len(recorder.handed)
    into.broken += [f"{deed.name}: {id} was handed over after it was saved" for id in recorder.afterwards]
    into.broken += [f"{deed.name}: {left} messages are unaccounted for"] * bool(left)
    for it in found:
        if it.person in recorder.over and not it.state and deed.name != "correct":
            into.broken.append(f"{deed.name}: a message of {it.person} still waits")
        if it.state == "accepted" and it.person not in recorder.handed:
            into.broken.append(f"{deed.name}: {it.person} was never handed what is said to be accepted")


async def _do(db: Database, deed: Deed, id: str, known: tuple[Recorder, Counter[str]]) -> None:
    """An erasure that comes while a message is in a worker's hands is told so and tries again, as the door does."""
    recorder, tally = known
    for _ in range(200):
        try:
            await db.at(BEN.clinic).write(deed.verb, BEN, *deed.args(id), crowd.DUE)
        except HandingOver:
            tally["told to wait"] += 1
            await asyncio.sleep(0.01)
        else:
            recorder.deed_is_done(id)
            return
    raise Conflict(id)
