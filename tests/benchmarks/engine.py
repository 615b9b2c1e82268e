"""P4, P7, P8: claiming, planning and recording, against the bare database and bare zoneinfo."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from notifications import delivery
from notifications.agenda import Facts, agenda
from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress
from notifications.preferences import Preferences
from notifications.timing import zone, zone_names
from notifications.wire import Wire
from programs.aftercare import check_ins
from programs.instants import DAY, HOUR
from programs.schedule import Course, Revision
from service import care
from service.database import Database, connect
from tests.benchmarks import crowd
from tests.benchmarks.measure import at_least, at_most, pairs, timed
from tests.benchmarks.places import Place, places
from tests.benchmarks.statements import Sent, recorded
from tests.world import BEN, NOON, session, terms

CROWD = 2_000
RECORDED = 200


class Nowhere:
    """A channel that does nothing."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 1_000

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        return Accepted()

    async def close(self) -> None:
        return None


def claiming(folder: Path) -> None:
    _on_each(folder, _claim_and_settle)


def recording(folder: Path) -> None:
    _on_each(folder, _record)


def _on_each(folder: Path, measure: Callable[[Place], None]) -> None:
    with places(folder) as kinds:
        for place in kinds:
            asyncio.run(_fill(place))
            measure(place)


async def _fill(place: Place) -> None:
    async with await connect(place.url, {}) as db:
        await db.write(crowd.fill, CROWD)


def _claim_and_settle(place: Place) -> None:
    """P4: everything due is claimed, re-checked by the agenda and settled; bare: the same statements, same values."""
    sent: list[Sent] = []

    def ours() -> float:
        nonlocal sent
        sent, seconds = asyncio.run(_drained(place.copy()))
        return seconds

    found = pairs(ours, lambda: place.replay(place.copy(), sent))
    detail = f"{CROWD / found.ours:,.0f} messages a second; bare {CROWD / found.bare:,.0f}"
    at_least(f"P4 {place.name}", found.ratio, 0.3, detail)


async def _drained(url: str) -> tuple[list[Sent], float]:
    async with await connect(url, {}) as db:
        with recorded() as sent:
            start = time.perf_counter()
            tally = await delivery.drain(db, Wire({"console": Nowhere()}), lambda: crowd.DUE, chance=random.Random(1))
            seconds = time.perf_counter() - start
    assert tally.accepted == CROWD, tally
    return sent, seconds


def _record(place: Place) -> None:
    """P8: one needling session a transaction, with check-ins, agenda, messages and audit; bare: its inserts alone."""
    inserts: list[Sent] = []

    def ours() -> float:
        nonlocal inserts
        sent, seconds = asyncio.run(_recorded(place.copy()))
        inserts = [it for it in sent if it.sql.startswith(("INSERT", "BEGIN", "COMMIT"))]
        return seconds

    found = pairs(ours, lambda: place.replay(place.copy(), inserts))
    each = f"{1000 * found.ours / RECORDED:.2f} ms each; bare {1000 * found.bare / RECORDED:.2f} ms"
    at_most(f"P8 {place.name}", 1 / found.ratio, 8, each)


async def _recorded(url: str) -> tuple[list[Sent], float]:
    async with await connect(url, {}) as db:
        await _record_one(db, RECORDED)  # the first one pays for what is built once
        with recorded() as sent:
            start = time.perf_counter()
            for number in range(RECORDED):
                await _record_one(db, number)
            return sent, time.perf_counter() - start


async def _record_one(db: Database, number: int) -> None:
    it = session(ended_at=NOON - HOUR // 2, patient_id=f"p{number:06}")
    await db.write(care.record_session, BEN, f"new-{number}", it, NOON)


def planning(_folder: Path) -> None:
    """P7: a 14-day agenda of 10,000 patients over all zones, against zoneinfo turning the same clock times around."""
    crowd_facts = [_facts(number) for number in range(10_000)]
    until = NOON + 14 * DAY
    planned = [(it.zone, message.at) for it in crowd_facts for message in agenda(it, NOON, until).messages]
    clocks = [(zone(name).rules, *_clock(name, at)) for name, at in planned]

    def bare() -> None:
        for rules, day, clock in clocks:
            datetime.combine(day, clock, rules).astimezone(UTC)

    def ours() -> None:  # as the bare one, it keeps nothing: whoever plans takes a few hundred patients at a time
        for it in crowd_facts:
            agenda(it, NOON, until)

    found = pairs(lambda: timed(ours), lambda: timed(bare))
    count = len(planned)
    at_least("P7", found.ratio, 0.25, f"{count / found.ours:,.0f} messages a second; bare {count / found.bare:,.0f}")


def _facts(number: int) -> Facts:
    names = sorted(zone_names())
    plan = Course(f"plan{number}", f"p{number}", "ben", "Hip program", 1, None, (Revision(1, 0, _TWICE_A_DAY),))
    steps = check_ins(f"p{number}", f"s{number}", NOON - number % 40 * HOUR)
    return Facts(f"p{number}", names[number % len(names)], Preferences(), "", NOON, steps, (plan,))


_TWICE_A_DAY = terms(times=("09:00", "18:30"), starts_on=date(2026, 5, 1))


def _clock(name: str, at: int) -> tuple[date, time_of_day]:
    day, minute = zone(name).wall(at)
    return date.fromordinal(day), time_of_day(minute // 60, minute % 60)
