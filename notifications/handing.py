"""handing: the last look before a message is handed over. Nobody is sent what was taken back while it waited its turn.

A claim takes a batch, and its last message may wait half a minute for its turn. Whoever withdraws consent, discharges,
corrects, cancels or erases meanwhile plans the patient's messages anew (outbox.reconcile), which moves a mark. Here the
mark of the claim is held against the mark of this moment, in a transaction that ends only when the sends have begun: so
that whatever moves it comes before, and is seen, or after, and its own commit waits that millisecond. The transaction
spans no network call. Those who wait at the same time are looked at together.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from notifications import outbox
from notifications.claiming import Claimed
from programs import walls

PATIENCE = 1.0
"""Seconds for the loop to begin the sends. It takes a millisecond; a loop that is stuck must not hold up the clinic."""


class Bridge(Protocol):
    """How a verb reaches the database from the loop; service/database.py is the one that is used."""

    @property
    def commits(self) -> int | None: ...

    async def write(self, verb: Callable[..., Any], *args: Any) -> Any: ...

    async def append(self, clinic: str, verb: Callable[..., Any], *args: Any) -> Any: ...


class _Waiting(NamedTuple):
    it: Claimed
    answer: "asyncio.Future[bool]"


class LastLook:
    """Of one batch. `stands` is asked right before each send, and the send must begin in the same breath.

    Where the database counts its commits (SQLite: all are of this process) a look is at the whole batch, and good until
    the next commit. Elsewhere each look is at those who wait.
    """

    def __init__(self, db: Bridge, batch: Sequence[Claimed]) -> None:
        self._db = db
        self._batch = batch
        self._seen = _Seen({}, None)
        self._waiting: list[_Waiting] = []
        self._looking: asyncio.Task[None] | None = None

    async def stands(self, it: Claimed) -> bool:
        if it.mark is None:
            return True  # a clinician's
        if self._seen.commits is not None and self._seen.commits == self._db.commits:
            return self._seen.stands(it)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(it, answer))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        try:
            while self._waiting:
                wave, self._waiting = self._waiting, []
                turn = _Turn(self._db, wave, asyncio.get_running_loop())
                rows = [it for it, _ in wave] if self._db.commits is None else self._batch
                try:
                    self._seen = await self._db.append("", look, rows, turn)
                except Exception as error:
                    turn.give_up(error)
        finally:
            self._looking = None


class _Seen(NamedTuple):
    """The marks of a look, and what the database had counted then, if it counts."""

    marks: Mapping[tuple[str, str], outbox.Mark]
    commits: int | None

    def stands(self, it: Claimed) -> bool:
        return self.marks.get((it.clinic, it.row.person_id)) == it.mark


def look(db: Connection, rows: Iterable[Claimed], turn: "_Turn") -> _Seen:
    """A verb. What somebody is changing this moment counts as changed."""
    patients: dict[str, set[str]] = defaultdict(set)
    for it in rows:
        patients[it.clinic].add(it.row.person_id)
    marks: dict[tuple[str, str], outbox.Mark] = {}
    for clinic, of_clinic in patients.items():
        walls.enter(db, clinic)
        found = outbox.hold_marks(db, clinic, sorted(of_clinic))
        marks |= {(clinic, patient): mark for patient, mark in found.items()}
    # A write that shares our commit is not counted yet: it makes the next one look again.
    seen = _Seen(marks, turn.db.commits)
    turn.let_go(seen)
    return seen


class _Turn:
    """Lets those that stand begin, from the database's thread, and waits there until they have."""

    def __init__(self, db: Bridge, wave: Sequence[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        self.db = db
        self._wave = wave
        self._loop = loop
        self._token = threading.Lock()  # taken once: by the loop, which lets them go, or by who waited in vain
        self._begun = threading.Event()

    def let_go(self, seen: _Seen) -> None:
        self._loop.call_soon_threadsafe(self._release, seen)
        if not self._begun.wait(PATIENCE) and not self._token.acquire(blocking=False):
            self._begun.wait()  # the loop is letting them go this very moment

    def _release(self, seen: _Seen) -> None:
        in_time = self._token.acquire(blocking=False)
        for it, answer in self._wave:
            if not answer.done():
                answer.set_result(in_time and seen.stands(it))
        # After all of them in the loop's queue: when this runs, each has run up to its first wait for the network.
        self._loop.call_soon(self._begun.set)

    def give_up(self, error: Exception) -> None:
        for _, answer in self._wave:
            if not answer.done():
                answer.set_exception(error)
