"""After a back-up was put back nothing that may have been sent goes out before the operator chose; and quarantine."""

import random
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from notifications import aside
from notifications.tables import outcome
from programs.instants import DAY, HOUR
from service import care, messages_command
from service.cli import main
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.notifications.test_delivery import Wire
from tests.poisoned import poison_planning
from tests.world import BEN, CLINIC, DOV, NOON, OTHER, populate, session

PUT_BACK = NOON + 6 * HOUR


@pytest.fixture
async def restored(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Both clinics had a check-in due while the back-up was the newest there is; Ada's next one is due tomorrow."""
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    there = session(patient_id="eve", clinician_id="dov", ended_at=NOON - HOUR)
    await database.write(care.record_session, DOV, "s2", there, NOON)
    monkeypatch.setattr(messages_command, "SystemClock", lambda: SetClock(PUT_BACK))
    return database


async def turn(db: Database, wire: Wire, at: int) -> list[str]:
    wire.clock.move_to(at)
    await Worker(db, {"console": wire}, wire.clock, chance=random.Random(1)).turn()
    return [label for _, label, _ in wire.taken]


async def test_nothing_due_by_then_goes_out_before_somebody_chose(restored: Database) -> None:
    assert await messages_command._begin(restored) == {CLINIC: 1, OTHER: 1}
    wire = Wire()
    wire.clock = SetClock(PUT_BACK)
    assert await turn(restored, wire, PUT_BACK + HOUR // 2) == []
    # What becomes due later goes on: Ada's check-in of the next day.
    assert "ada's phone" in await turn(restored, wire, NOON + DAY)
    assert await messages_command._all_restored(restored, aside.drop, CLINIC) == 1
    ended = await restored.read(lambda db: db.execute(select(outcome.c.state, outcome.c.reason)).all())
    assert ("suppressed", "restored") in [tuple(it) for it in ended]


async def test_one_patient_of_whom_nothing_can_be_planned_keeps_nobody_else_s_from_being_held_back(
    restored: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison_planning(monkeypatch, "eve")
    monkeypatch.setattr(messages_command, "SystemClock", lambda: SetClock(NOON + 2 * DAY))
    assert CLINIC in await messages_command._begin(restored)


async def test_those_still_in_their_window_can_be_sent_after_all(restored: Database) -> None:
    await messages_command._begin(restored)
    assert await messages_command._all_restored(restored, aside.take_up, "") == 2
    wire = Wire()
    wire.clock = SetClock(PUT_BACK)
    assert sorted(await turn(restored, wire, PUT_BACK + 1)) == ["ada's phone", "eve's phone"]
    assert await restored.read(aside.count) == {}


def test_the_commands_say_what_waits_and_what_was_done(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMESTRETCH_DATABASE_URL", f"sqlite:///{tmp_path}/homestretch.db")
    run: Callable[[str], str] = lambda line: CliRunner().invoke(main, line.split()).output  # noqa: E731
    assert run("messages list") == "No message waits for you.\n"
    assert "0  wait for" in run("restore begin")
    assert "Taken up again: 0" in run("restore send")
    assert "wait for nobody" in run("messages replay nothing")
