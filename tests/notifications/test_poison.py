"""What raises whenever it is touched stops nobody else's message, and waits for the operator in the end."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from notifications import aside, claiming, conservation, delivery, outbox
from notifications.agenda import Agenda, Facts, agenda
from notifications.aside import Aside
from notifications.channels import Accepted, Later, Outcome, Parcel
from notifications.claiming import LEASE
from notifications.poison import TROUBLES
from notifications.tables import outcome
from programs.instants import DAY, HOUR, Instant
from service import care
from service.care import Who
from service.database import Database
from service.jobs import Worker
from tests.notifications.test_delivery import Wire
from tests.world import BEN, CLINIC, NOON, patient, populate, session

ASKED = NOON + 5 * HOUR


class Broken(ValueError):
    """Says more than may be written down."""

    def __str__(self) -> str:
        return "Ada Lovelace, left hip"


def in_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts of one patient that no agenda can be made of."""

    def raising(facts: Facts, now: Instant, until: Instant, _agenda: Callable[..., Agenda] = agenda) -> Agenda:
        if facts.patient_id == "bad":
            raise Broken
        return _agenda(facts, now, until)

    monkeypatch.setattr(claiming, "agenda", raising)


def in_wording(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(it: Any, now: Instant, _parcel: Callable[..., Parcel] = delivery.parcel) -> Parcel:
        if it.row.person_id == "bad":
            raise Broken
        return _parcel(it, now)

    monkeypatch.setattr(delivery, "parcel", raising)


def in_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to patch: what this provider says is no text that a database can keep."""


def answers(label: str, _parcel: Parcel) -> Outcome:
    return Later("\ud800") if label == "bad phone" else Accepted()


@pytest.fixture
async def clinic(database: Database) -> Database:
    """Ada and somebody else, both asked at five; theirs raises."""

    def arrange(db: Connection) -> None:
        populate(db)
        care.enrol(db, BEN, patient("bad", "ben"), None, NOON)
        care.put_address(db, BEN, "bad", "bad-phone", "console", {"label": "bad phone"}, NOON)
        care.record_session(db, BEN, "s1", session(), NOON)
        care.record_session(db, BEN, "s-bad", session(patient_id="bad"), NOON)

    await database.write(arrange)
    return database


async def turns(db: Database, count: int, wire: Wire | None = None) -> Wire:
    wire = wire or Wire(answers)
    worker = Worker(db, {"console": wire}, wire.clock)
    wire.clock.move_to(ASKED)
    for _ in range(count):
        await worker.turn()
        wire.clock.move_to(max(await worker.next_wake(), wire.clock.at + LEASE))
    assert await db.read(conservation.unaccounted) == 0
    return wire


async def set_aside(db: Database) -> list[Aside]:
    found: list[Aside] = await db.read(aside.set_aside, CLINIC)
    return found


@pytest.mark.parametrize("broken", [in_claim, in_wording, in_settling])
async def test_what_raises_stops_nobody_else_and_is_quarantined_in_the_end(
    clinic: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: Callable[..., None]
) -> None:
    broken(monkeypatch)
    wire = await turns(clinic, 1)
    assert [label for _, label, _ in wire.taken] == ["ada's phone"]
    assert await set_aside(clinic) == []
    await turns(clinic, 2 * TROUBLES, wire)
    [it] = await set_aside(clinic)
    assert (it.kind, it.state, it.tries) == ("check_in", "quarantined", TROUBLES)
    assert it.trouble == ("UnicodeEncodeError" if broken is in_settling else "Broken")
    assert await clinic.read(aside.count) == {"quarantined": 1}
    # The log says what and where, and nothing of whom.
    assert it.trouble in caplog.text
    assert "Lovelace" not in caplog.text


async def test_the_agenda_says_so_and_plans_no_second_one(clinic: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    in_wording(monkeypatch)
    wire = await turns(clinic, 2 * TROUBLES)
    now = wire.clock.at
    await clinic.write(outbox.reconcile, CLINIC, ["bad"], now)
    assert len(await set_aside(clinic)) == 1
    seen = await clinic.read(outbox.preview, CLINIC, "bad", now, now + DAY)
    assert ("check_in:s-bad-evening", "quarantined") in [(it.subject, it.reason.code) for it in seen.omitted]


async def test_a_replayed_message_goes_out_where_the_fault_is_mended(
    clinic: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        in_wording(broken)
        wire = await turns(clinic, 2 * TROUBLES)
    [it] = await set_aside(clinic)
    wire.answer = lambda *_: Accepted()
    assert await clinic.write(aside.take_up, CLINIC, [it.id, "another"], wire.clock.at) == 1
    await Worker(clinic, {"console": wire}, wire.clock).turn()
    assert (wire.taken[-1][1], wire.taken[-1][2].delivery_id) == ("bad phone", it.id)
    assert await set_aside(clinic) == []


async def test_one_that_is_answered_or_over_waits_for_nobody(clinic: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    in_wording(monkeypatch)
    wire = await turns(clinic, 2 * TROUBLES)
    [it] = await set_aside(clinic)
    now = wire.clock.at
    await clinic.write(care.answer, Who(CLINIC, "patient", "bad"), "s-bad-evening", {"q_sore": 1}, now, now)
    assert await set_aside(clinic) == []
    how = select(outcome.c.state).where(outcome.c.message_id == it.id)
    assert await clinic.read(lambda db: db.execute(how).scalar()) == "answered"


async def test_one_that_is_dropped_ends_as_failed(clinic: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    in_wording(monkeypatch)
    wire = await turns(clinic, 2 * TROUBLES)
    [it] = await set_aside(clinic)
    await clinic.write(lambda db: db.execute(text("UPDATE message SET subjects = '{'")))
    assert await clinic.write(aside.drop, CLINIC, [it.id], wire.clock.at) == 1
    ended = await clinic.read(lambda db: tuple(db.execute(select(outcome).where(outcome.c.message_id == it.id)).one()))
    assert ended[2:4] == ("failed", "quarantined")
