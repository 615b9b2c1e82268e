"""P9: a clinic's adherence from its rollup, at 5,000,000 completions and at 500,000."""

import asyncio
import statistics
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
from sqlalchemy import Connection, text

from programs import people, plans, rollup
from programs.completions import Completion
from programs.dosage import Dosage, Prescription
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.people import Clinic, Stamp
from programs.plans import Assignment
from programs.schedule import DAY_MINUTES, Terms
from service import care, counting
from service.care import Who
from service.counting import By
from service.database import Database, connect
from tests.benchmarks.measure import at_most
from tests.benchmarks.places import Place, places
from tests.world import CLINIC, NOON, patient

PATIENTS, CLINICIANS = 2_000, 10
EXERCISES = ("hip_bridge", "walking", "clamshell", "figure_four_stretch")
LONG, SHORT = 625, 63  # days of history: 5,000,000 and 504,000 completions
NOW = NOON + 3 * DAY  # a Thursday
TODAY = date(2026, 6, 4)
AT_ONCE = 100  # patients a statement
RUNS = 9
JUST_LOGGED = 40  # patients who logged since the worker last rolled up

# What a phone's completions become, made inside the database: half a minute instead of ten.
_FILL = """
INSERT INTO completion
  (clinic_id, patient_id, id, plan_id, revision, exercise, wall, value, done_at, done_wall, received_at)
SELECT p.clinic_id, p.id, {id}, 'plan-' || p.id, 1, e.name, :wall + n * 1440,
  '{{"id":"' || {id} || '","plan_id":"plan-' || p.id || '","exercise":"' || e.name || '","date":"' || {day}
  || '","time":"09:00","outcome":"' || CASE (n * 7 + e.k * 3 + length(p.id) + {number}) % 10
    WHEN 0 THEN 'skipped","reason":"no_time' WHEN 1 THEN 'partly' WHEN 2 THEN 'partly' ELSE 'done' END
  || '","done_at":' || (:at + n * 86400000 + e.k) || '}}',
  :at + n * 86400000 + e.k, :wall + n * 1440 + 30, :at + n * 86400000 + 60000
FROM patient p CROSS JOIN ({days}) AS d CROSS JOIN ({exercises}) AS e
WHERE p.clinic_id = :clinic AND p.id >= :first AND p.id < :last
"""
_NAMES = " UNION ALL ".join(f"SELECT '{name}' AS name, {k} AS k" for k, name in enumerate(EXERCISES))
_DIALECTS = {
    "sqlite": _FILL.format(
        id="printf('%011x%016x', :at + n * 86400000 + e.k, n * 4 + e.k)",
        day="date(:start, '+' || n || ' days')",
        number="CAST(substr(p.id, 2) AS INTEGER)",
        days="WITH RECURSIVE d(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM d WHERE n + 1 < :days) SELECT n FROM d",
        exercises=_NAMES,
    ),
    "postgresql": _FILL.format(
        id="lpad(to_hex(:at + n * 86400000 + e.k), 11, '0') || lpad(to_hex(n * 4 + e.k), 16, '0')",
        day="to_char(CAST(:start AS date) + CAST(n AS integer), 'YYYY-MM-DD')",
        number="CAST(substr(p.id, 2) AS integer)",
        days="SELECT CAST(g AS bigint) AS n FROM generate_series(0, :days - 1) AS g",
        exercises=_NAMES,
    ),
}


def dashboard(folder: Path) -> None:
    """PostgreSQL at 504,000 only: its rollup is the same rows, and filling it takes longer than all the rest."""
    with places(folder) as kinds:
        for place in kinds:
            short = asyncio.run(_measured(place, SHORT))
            at_most(f"P9 {place.name} 504,000", short.worst, 50, f"ms by {short.slowest}; {short.said}")
            if place.name == "sqlite":
                long = asyncio.run(_measured(place, LONG))
                at_most(f"P9 {place.name} 5,000,000", long.worst, 50, f"ms by {long.slowest}; {long.said}")
                at_most(f"P9 {place.name} flat", long.worst / short.worst, 1.3, "times 504,000 completions")


class Found(msgspec.Struct):
    """Milliseconds of the slowest grouping, and what else there is to say."""

    worst: float
    slowest: str
    said: str


async def _measured(place: Place, days: int) -> Found:
    async with await connect(place.copy(), {}) as db:
        started = time.perf_counter()
        await _fill(db, place.name, days)
        filled = time.perf_counter()
        await _roll_up(db)
        rolled = time.perf_counter()
        times = {by: [await _timed(db, by) for _ in range(RUNS)] for by in get_args(By)}
        slowest = max(times, key=lambda by: statistics.median(times[by]))
        busy = await _while_patients_log(db, slowest)
        made = f"filled in {filled - started:.0f} s, rolled up in {rolled - filled:.0f} s"
        return Found(statistics.median(times[slowest]), slowest, f"{busy:.1f} with {JUST_LOGGED} just logged; {made}")


async def _fill(db: Database, name: str, days: int) -> None:
    await db.write(_people, days)
    start = TODAY - timedelta(days=days - 1)
    values = {
        "clinic": CLINIC,
        "wall": start.toordinal() * DAY_MINUTES + 540,
        "at": NOON - 3 * HOUR - (days - 4) * DAY,
        "start": start.isoformat(),
        "days": days,
    }
    for first in range(0, PATIENTS, AT_ONCE):
        await db.write(_completions, name, {**values, "first": _id(first), "last": _id(first + AT_ONCE)})
        _say(f"{name}: {(first + AT_ONCE) * days * len(EXERCISES):,} completions")


def _id(number: int) -> str:
    return f"p{number:06}"


def _people(db: Connection, days: int) -> None:
    start = TODAY - timedelta(days=days - 1)
    at = NOON - days * DAY
    people.add_clinic(db, Clinic(CLINIC, "Riverside", "America/New_York", "US", "+1 555 0100"), at)
    for number in range(CLINICIANS):
        people.add_clinician(db, CLINIC, f"c{number}", f"Clinician {number}")
    wanted = tuple(Prescription(name, Dosage(sets=3, reps=10)) for name in EXERCISES)
    terms = Terms(wanted, ("09:00",), start)
    for number in range(PATIENTS):
        id, clinician = _id(number), f"c{number % CLINICIANS}"
        people.add_patient(db, CLINIC, patient(id, clinician, at), "bench", at)
        it = Assignment(id, clinician, f"Program {number % 25}", terms)
        plans.assign(db, CLINIC, f"plan-{id}", it, Stamp("bench", at, start.toordinal() * DAY_MINUTES))


def _completions(db: Connection, name: str, values: dict[str, Any]) -> None:
    if name == "postgresql":  # a bulk load, of rows known to be right, checks no foreign keys
        db.execute(text("SET LOCAL session_replication_role = replica"))
    db.execute(text(_DIALECTS[name]), values)


async def _roll_up(db: Database) -> None:
    done = 0
    while stale := await db.read(rollup.stale, NOW, AT_ONCE):
        await db.write(counting.roll_up, CLINIC, stale[CLINIC], NOW)
        done += len(stale[CLINIC])
        _say(f"rolled up {done:,} patients")


async def _timed(db: Database, by: By, now: Instant = NOW) -> float:
    wanted = counting.weeks(TODAY - timedelta(days=21), TODAY, by, now)
    start = time.perf_counter()
    msgspec.json.encode(await db.read(counting.clinic_groups, CLINIC, wanted))
    return 1000 * (time.perf_counter() - start)


async def _while_patients_log(db: Database, by: By) -> float:
    """Some of the clinic's patients have just logged: they are counted from the ledger until the worker comes by."""
    for number in range(JUST_LOGGED):
        it = Completion(f"new-{number}", f"plan-{_id(number)}", "walking", TODAY, "09:00", "done", NOW)
        await db.write(care.complete, Who(CLINIC, "patient", _id(number)), [it], NOW)
    return statistics.median([await _timed(db, by, NOW + MINUTE) for _ in range(RUNS)])


def _say(progress: str) -> None:
    print(f"  {progress}", end="\r", flush=True)
