"""A clinic's numbers: quick from the rollup, right whatever happens, and the same again as of a past instant.

That the rollup agrees with the ledger after any step of any story is an invariant of test_story.py.
"""

import asyncio
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, insert, update

from notifications import outbox, receipts
from notifications.book import Row
from notifications.preferences import Preferences
from notifications.receipts import Receipt
from notifications.tables import message
from programs import adherence, plans, rollup
from programs.adherence import Item, Tally
from programs.completions import Completion
from programs.instants import DAY, HOUR, Instant
from programs.rollup import FOREVER, Standing
from programs.schedule import Hold, wall_at
from programs.tables import ITEM_STATES, adherence_week
from service import adherence_command, care, counting
from service.cli import main
from service.counting import By, Group, Wanted
from service.database import Database, connect
from tests.conftest import application_url
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, EVE, NOON, patient, populate, replayed, terms

MONDAY = date(2026, 6, 1)
QUIET = Preferences(bout_reminders=False)  # no worker runs here: reminders would all count as not reached


def both(**changed: Any) -> Wanted:
    """The first two weeks of June."""
    return counting.weeks(MONDAY, MONDAY + timedelta(days=13), **{"by": "clinician", "now": NOON + 14 * DAY, **changed})


def done(day: int, exercise: str = "hip_bridge", plan: str = "p1", **changed: Any) -> Completion:
    at = NOON + day * DAY
    given = {"outcome": "done", "done_at": at, "time": "09:00", "id": f"{plan}{exercise}{day}", **changed}
    return Completion(plan_id=plan, exercise=exercise, date=MONDAY + timedelta(days=day), **given)


def log(db: Connection, *items: Completion, who: Any = ADA, at: Instant | None = None) -> None:
    for it in items:
        care.complete(db, who, [it], it.done_at if at is None else at)


def live(db: Connection, wanted: Wanted) -> list[Group]:
    """By the ledger alone: everything was known by now."""
    return counting.clinic_groups(db, CLINIC, Wanted(*_head(wanted), known=wanted.now))


def _head(it: Wanted) -> tuple[int, int, By, Instant]:
    return it.first, it.last, it.by, it.now


def roll(db: Connection, now: Instant) -> None:
    for clinic, patients in rollup.stale(db, now, 1_000).items():
        counting.roll_up(db, clinic, patients, now)


@replayed
def furnish(db: Connection) -> None:
    """Ada of Ben and Flo of Cleo do two weeks of the same program, each in her own way; Eve is of another clinic."""
    populate(db, chosen=QUIET)
    care.enrol(db, CLEO, patient("flo", "cleo"), QUIET, NOON)
    flo = care.Who(CLINIC, "patient", "flo")
    for id, who in (("p1", ADA), ("p2", flo)):
        clinician = "ben" if who == ADA else "cleo"
        care.assign_plan(db, BEN, id, plans.Assignment(who.id, clinician, "Hip program", terms()), NOON - 4 * HOUR)
    care.assign_plan(db, DOV, "p3", plans.Assignment("eve", "dov", "Hip program", terms()), NOON - 4 * HOUR)
    log(db, *(done(day) for day in range(14)))
    log(db, *(done(day, plan="p2") for day in range(0, 14, 2)), who=flo)
    log(db, done(1, plan="p3"), who=EVE)


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(furnish)
    return database


async def test_a_number_is_the_same_before_and_after_it_was_rolled_up(clinic: Database) -> None:
    for by in ("clinician", "program", "week", "patient"):
        wanted = both(by=by)
        before = await clinic.read(counting.clinic_groups, CLINIC, wanted)
        await clinic.write(roll, wanted.now)
        assert await clinic.read(rollup.unsure, CLINIC, wanted.last, wanted.now) == []
        assert await clinic.read(counting.clinic_groups, CLINIC, wanted) == before == await clinic.read(live, wanted)
        await clinic.write(rollup.forget, CLINIC)


async def test_groups_come_lowest_first_and_weeks_in_order(clinic: Database) -> None:
    await clinic.write(roll, both().now)
    said = {}
    for by in ("clinician", "program", "week", "patient"):
        groups = await clinic.read(counting.clinic_groups, CLINIC, both(by=by))
        said[by] = [(it.key, it.name, it.patients, it.adherence.n) for it in groups]
    # Bridges and walks of 14 mornings each; Ada logged all bridges, Flo every second one, neither a walk.
    assert said["clinician"] == [("cleo", "Cleo", 1, 28), ("ben", "Ben", 1, 28), ("", "", 2, 56)]
    assert said["patient"] == [("flo", "Flo", 1, 28), ("ada", "Ada", 1, 28), ("", "", 2, 56)]
    assert said["program"] == [("Hip program", "Hip program", 2, 56), ("", "", 2, 56)]
    assert [it[0] for it in said["week"]] == ["2026-W23", "2026-W24", ""]


async def test_whoever_changes_the_past_is_seen_at_once(clinic: Database) -> None:
    """Late batch, hold of days that are over, a revision, an end, a zone: each marks what it changes."""
    now = NOON + 14 * DAY
    tuesday = wall_at(MONDAY + timedelta(days=1), "00:00")
    wanted = counting.weeks(MONDAY, MONDAY + timedelta(days=20), "week", now)

    def late(db: Connection) -> None:
        log(db, done(3, "walking"), at=now)

    def hold(db: Connection) -> None:
        care.hold_plan(db, BEN, "ada", "p1", None, Hold("h", tuesday, tuesday + 2880, ("walking",), "flare"), now)

    def revise(db: Connection) -> None:
        care.revise_plan(db, BEN, "ada", "p1", 2, terms(times=("07:00", "19:00")), now)

    def move(db: Connection) -> None:
        care.change_patient(db, BEN, "ada", 1, {"zone": "Pacific/Kiritimati"}, now)

    def finish(db: Connection) -> None:
        care.end_plan(db, BEN, "ada", "p1", None, now)

    for change in (late, hold, revise, move, finish):
        await clinic.write(roll, now)
        before = await clinic.read(counting.clinic_groups, CLINIC, wanted)
        await clinic.write(change)
        after = await clinic.read(counting.clinic_groups, CLINIC, wanted)
        assert after == await clinic.read(live, wanted)
        assert after != before, change
    await clinic.write(roll, now + 2 * DAY)  # her last day is over: nothing is due any more
    assert (await clinic.read(rollup.standings, CLINIC, ["ada"]))[0].fresh_until == FOREVER


async def test_the_night_makes_open_items_missed_without_anybody_writing(clinic: Database) -> None:
    """Rolled up at noon, read after midnight: nothing happened but that the day was over."""
    noon, night = NOON + 14 * DAY, NOON + 15 * DAY - 11 * HOUR
    wanted = counting.weeks(MONDAY, MONDAY + timedelta(days=20), "clinician", night)
    await clinic.write(roll, noon)
    found = await clinic.read(counting.clinic_groups, CLINIC, wanted)
    assert found == await clinic.read(live, wanted)
    assert found[-1].adherence.counts["missed"] > 0
    await clinic.write(roll, night)
    assert await clinic.read(counting.clinic_groups, CLINIC, wanted) == found


async def test_what_nobody_was_told_of_counts_anew_when_a_message_is_settled(clinic: Database) -> None:
    """A message of Tuesday's bout ended unsent days later; then the app says that it was shown after all."""
    now = NOON + 14 * DAY
    subject = f"bout:p2:{wall_at(MONDAY + timedelta(days=1), '09:00')}"

    def settle(db: Connection) -> None:
        row: dict[str, Any] = {"clinic_id": CLINIC, "id": "m", "person_id": "flo", "kind": "bout", "key": subject}
        row |= {"planned_for": NOON + DAY, "closes": now, "subjects": (subject,), "reasons": (), "planned_at": NOON}
        db.execute(insert(message), row)
        it = Row("m", "flo", subject, NOON + DAY, now, (subject,), "pending", 0, "", 0)
        outbox.end(db, CLINIC, [(it, "window_over")], now)

    async def not_reached() -> int:
        found = await clinic.read(counting.clinic_groups, CLINIC, both())
        assert found == await clinic.read(live, both())
        return int(found[-1].adherence.counts.get("not_reached", 0))

    await clinic.write(roll, now)
    assert await not_reached() == 0
    await clinic.write(settle)
    assert await not_reached() == 2
    await clinic.write(roll, now)
    await clinic.write(receipts.confirm, CLINIC, "flo", Receipt("m", "shown", NOON + DAY), now)
    assert await not_reached() == 0


async def test_a_past_report_can_be_had_again(clinic: Database) -> None:
    """After a late batch, a duplicate, a correction, a hold, a revision and the end of the plan."""
    then, now = NOON + 5 * DAY, NOON + 9 * DAY

    def report(db: Connection, at: Instant, known: Instant) -> tuple[Any, ...]:
        wanted = counting.weeks(MONDAY, MONDAY, "patient", at, known)
        items = counting.patient_ledger(db, CLINIC, "ada", MONDAY, MONDAY + timedelta(days=13), at, known)
        return counting.clinic_groups(db, CLINIC, wanted), items

    def go_on(db: Connection) -> None:
        log(db, done(1, "walking"), done(1, outcome="skipped", id="again"), done(2), at=now)
        day = wall_at(MONDAY + timedelta(days=2), "00:00")
        care.hold_plan(db, BEN, "ada", "p1", None, Hold("h", day, None, (), "flare"), now)
        care.revise_plan(db, BEN, "ada", "p1", 2, terms(times=("18:00",)), now)
        care.end_plan(db, BEN, "ada", "p1", None, now)

    expected = await clinic.read(report, then, then)
    await clinic.write(go_on)
    assert await clinic.read(report, then, then) == expected
    assert await clinic.read(report, then, FOREVER) != expected


async def test_rebuilding_heals_a_rollup_that_was_tampered_with(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await connect(database_url, {}) as database:
        await database.write(furnish)
        await database.write(roll, both().now)
        right = await database.read(counting.clinic_groups, CLINIC, both())
        await database.write(lambda db: db.execute(update(adherence_week).values(share=0)))
        assert await database.read(counting.clinic_groups, CLINIC, both()) != right
    monkeypatch.setattr("service.adherence_command.SystemClock.now", lambda _: both().now)
    # As it runs: for a role that sees one clinic at a time.
    environment = {"HOMESTRETCH_DATABASE_URL": application_url(database_url)}
    said = await asyncio.to_thread(CliRunner().invoke, main, ["adherence", "rebuild"], env=environment)
    assert (said.exit_code, said.output) == (0, "Rolled up the adherence of 3 patients.\n")
    async with await connect(database_url, {}) as healed:
        assert await healed.read(counting.clinic_groups, CLINIC, both()) == right


async def test_rebuilding_goes_on_past_one_that_cannot_be_counted(
    clinic: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = adherence.tally

    def raising(items: Iterable[Item]) -> Tally:
        items = [*items]
        if any(it.plan_id == "p2" for it in items):
            raise ZeroDivisionError
        return tally(items)

    monkeypatch.setattr("service.adherence_command.SystemClock.now", lambda _: both().now)
    monkeypatch.setattr(adherence, "tally", raising)
    assert await adherence_command.roll_up_all(clinic) == 2
    assert await clinic.read(rollup.stale, both().now, 10) == {}


def test_the_rollup_keeps_every_state_there_is() -> None:
    assert ITEM_STATES == adherence.ITEM_STATES
    assert Standing("ada", 5, 4, 100).wrong_from(99) == 5
    assert Standing("ada", 5, 4, 100).wrong_from(100) == 4
