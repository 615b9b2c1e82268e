"""From a recorded needling session to what a channel took: retries, dead addresses, quiet hours, leases."""

import random
from collections.abc import Callable
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Connection, select

from notifications import addresses, claiming, conservation, outbox, settling
from notifications.channels import Accepted, Channel, Gone, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import ConsoleAddress, EmailAddress
from notifications.settling import Sent, Try
from notifications.tables import delivery as tries
from notifications.tables import due, message, outcome
from programs.instants import DAY, HOUR, MINUTE, Instant, moment
from service import care
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.world import ADA, BEN, CLINIC, NOON, assignment, patient, populate, session

NEW_YORK = ZoneInfo("America/New_York")
CHECK_IN, NUDGE, REMINDER = (
    "You have a check-in.",
    "Your check-in is still open.",
    "Your home program is ready for today.",
)


class Wire:
    """The far side: takes what it is given and remembers it, or answers as it is told."""

    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 4

    def __init__(self, answer: Callable[[str, Parcel], Outcome] = lambda *_: Accepted()) -> None:
        self.answer = answer
        self.taken: list[tuple[Instant, str, Parcel]] = []
        self.clock = SetClock(NOON)

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        result = self.answer(address.label, parcel)
        if isinstance(result, Accepted):
            self.taken.append((self.clock.at, address.label, parcel))
        return result

    async def close(self) -> None:
        return None


class Mail(Wire):
    kind: ClassVar[str] = "email"
    Address: ClassVar[type[msgspec.Struct]] = EmailAddress

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        return await super().send(ConsoleAddress(address.mailbox), parcel)


async def run_until(worker: Worker, clock: SetClock, until: Instant) -> None:
    """A worker on a fast clock: it wakes at each due instant, and every six hours in between."""
    while clock.at < until:
        await worker.turn()
        at = await worker.db.read(outbox.earliest)
        clock.move_to(min(at if at is not None else until, clock.at + 6 * HOUR, until))
    await worker.turn()


async def told(db: Database, wire: Wire, until: Instant, start: Instant = NOON) -> list[tuple[str, str]]:
    """Local time and sentence of everything sent until then; nothing is unaccounted for."""
    wire.clock = SetClock(start)
    await run_until(Worker(db, {"console": wire}, wire.clock, chance=random.Random(1)), wire.clock, until)
    assert await db.read(conservation.unaccounted) == 0
    return [(local(at), parcel.body) for at, _, parcel in wire.taken]


def local(at: Instant) -> str:
    return moment(at).astimezone(NEW_YORK).strftime("%a %d %H:%M")


async def ends(db: Database) -> list[tuple[str, str, str]]:
    """What each ended message was about, how it ended and why, in the order of their plans."""

    def read(connection: Connection) -> list[tuple[str, str, str]]:
        rows = connection.execute(
            select(message.c.key, outcome.c.state, outcome.c.reason)
            .join(outcome, outcome.c.message_id == message.c.id)
            .order_by(message.c.planned_for, message.c.key)
        )
        return [(row.key, row.state, row.reason) for row in rows]

    found: list[tuple[str, str, str]] = await db.read(read)
    return found


@pytest.fixture
async def clinic(database: Database) -> Database:
    """Ada was needled an hour ago: her first check-in is due at 17:00, in her time zone."""
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    return database


async def test_a_recorded_session_is_followed_by_its_check_ins(clinic: Database) -> None:
    assert await told(clinic, Wire(), NOON + 10 * DAY) == [
        ("Mon 01 17:00", CHECK_IN),
        ("Mon 01 20:50", NUDGE),
        ("Tue 02 11:00", CHECK_IN),
        ("Tue 02 15:00", NUDGE),
        ("Wed 03 11:00", CHECK_IN),
        ("Wed 03 15:00", NUDGE),
        ("Mon 08 11:00", CHECK_IN),
        ("Mon 08 15:00", NUDGE),
    ]


async def test_a_program_is_reminded_of_daily_and_a_check_in_takes_the_reminder_with_it(clinic: Database) -> None:
    await clinic.write(care.assign_plan, BEN, "plan", assignment(times=("10:30",)), NOON)
    for step in ("evening", "day1"):
        await clinic.write(care.answer, ADA, f"s1-{step}", {"q_sore": 1}, NOON + 30 * HOUR, NOON + 30 * HOUR)
    assert await told(clinic, Wire(), NOON + 3 * DAY, NOON + 30 * HOUR) == [
        ("Wed 03 11:00", "You have a check-in, and your home program is ready for today."),
        ("Wed 03 15:00", NUDGE),
        ("Thu 04 10:34", REMINDER),
    ]


async def test_an_answered_check_in_is_neither_asked_nor_nudged(clinic: Database) -> None:
    await clinic.write(care.answer, ADA, "s1-evening", {"q_sore": 2}, NOON + 3 * HOUR, NOON + 3 * HOUR)
    assert await told(clinic, Wire(), NOON + DAY - 2 * HOUR, NOON + 3 * HOUR) == []
    assert ("check_in:s1-evening", "answered", "answered") in await ends(clinic)


async def test_a_provider_that_is_down_is_asked_again_until_the_window_is_over(clinic: Database) -> None:
    asked = 0

    def down(_label: str, _parcel: Parcel) -> Outcome:
        nonlocal asked
        asked += 1
        return Later("503")

    assert await told(clinic, Wire(down), NOON + DAY - 2 * HOUR) == []
    assert asked > 5
    assert await ends(clinic) == [
        ("check_in:s1-evening", "expired", "window_over"),
        ("nudge:s1-evening", "suppressed", "no_allowed_hour"),
    ]


async def test_a_message_goes_out_as_soon_as_the_provider_is_back_and_never_in_quiet_hours(clinic: Database) -> None:
    start = NOON + 6 * DAY
    back = start + 35 * HOUR  # at 23:00 on the evening of the day-7 check-in
    wire = Wire()
    wire.answer = lambda *_: Accepted() if wire.clock.at > back else Later("503")
    await clinic.write(outbox.reconcile, CLINIC, ["ada"], start)
    assert await told(clinic, wire, start + 2 * DAY, start) == [("Tue 09 08:00", CHECK_IN), ("Tue 09 12:00", NUDGE)]


async def test_retry_after_is_waited_for(clinic: Database) -> None:
    at: list[Instant] = []
    wire = Wire()

    def busy(_label: str, _parcel: Parcel) -> Outcome:
        at.append(wire.clock.at)
        return Later("429", after=1800) if len(at) == 1 else Accepted()

    wire.answer = busy
    await told(clinic, wire, NOON + 7 * HOUR)
    assert at[1] - at[0] == 30 * MINUTE


async def test_no_provider_keeps_a_reminder_into_the_night_for_a_phone_that_is_off(database: Database) -> None:
    def evening(db: Connection) -> None:
        populate(db)
        care.assign_plan(db, BEN, "p1", assignment(times=("13:00",)), NOON)
        care.record_session(db, BEN, "s1", session(), NOON)

    await database.write(evening)
    wire = Wire()
    await told(database, wire, NOON + 9 * HOUR)
    kept = {parcel.body: local(at + parcel.expires_in * 1000) for at, _, parcel in wire.taken}
    # A reminder is worth three hours; whatever it is, and but for a check-in, nothing is kept past 21:00.
    assert (kept[REMINDER], kept[NUDGE]) == ("Mon 01 16:00", "Mon 01 21:00")
    assert kept[CHECK_IN] > "Mon 01 21:00"


async def test_a_dead_address_is_given_up_and_the_other_one_still_serves(clinic: Database) -> None:
    await clinic.write(care.put_address, ADA, "ada", "ada-watch", "console", {"label": "old watch"}, NOON)
    wire = Wire(lambda label, _: Gone("410") if label == "old watch" else Accepted())
    await told(clinic, wire, NOON + 30 * HOUR)
    assert {label for _, label, _ in wire.taken} == {"ada's phone"}
    living = await clinic.read(addresses.living, CLINIC, ["ada"])
    assert [it.id for it in living["ada"]] == ["ada-phone"]


async def test_an_address_renewed_since_the_try_is_not_given_up(clinic: Database) -> None:
    await clinic.write(addresses.give_up, [(CLINIC, "ada-phone", "410", NOON - 1)], NOON + HOUR)
    assert await clinic.read(addresses.living, CLINIC, ["ada"])


@pytest.mark.parametrize(("since", "left"), [(NOON - 1, ["ada-phone"]), (NOON, []), (None, [])])
async def test_a_provider_that_speaks_of_an_earlier_life_of_a_token_ends_nothing(
    since: Instant | None, left: list[str], clinic: Database
) -> None:
    await clinic.write(care.put_address, ADA, "ada", "ada-phone", "console", {"label": "ada's phone"}, NOON)
    await told(clinic, Wire(lambda *_: Gone("410 Unregistered", since)), NOON + 7 * HOUR)
    living = await clinic.read(addresses.living, CLINIC, ["ada"])
    assert [it.id for it in living.get("ada", [])] == left


async def test_an_address_renewed_while_its_message_was_on_the_way_is_not_given_up(clinic: Database) -> None:
    """The provider spoke of the token it was sent to; that both came before the answer was written says nothing."""
    now = NOON + 7 * HOUR
    _, claimed = await clinic.write(claiming.claim, now)
    renewed = now + 1
    await clinic.write(care.put_address, ADA, "ada", "ada-phone", "console", {"label": "ada's new phone"}, renewed)
    results = [Sent(it, tuple(Try(a, Gone("410")) for step in it.ladder for a in step)) for it in claimed]
    await clinic.write(settling.settle, results, now + MINUTE, random.Random(1))
    living = await clinic.read(addresses.living, CLINIC, ["ada"])
    assert [it.id for it in living["ada"]] == ["ada-phone"]


async def test_whom_no_address_reaches_is_named_and_a_new_address_is_a_new_chance(clinic: Database) -> None:
    assert await told(clinic, Wire(lambda *_: Gone("410")), NOON + 6 * HOUR) == []
    assert ("check_in:s1-evening", "suppressed", "no_address") in await ends(clinic)
    at = NOON + 7 * HOUR
    await clinic.write(care.put_address, ADA, "ada", "new-phone", "console", {"label": "new phone"}, at)
    assert (await told(clinic, Wire(), at + MINUTE, at))[0] == ("Mon 01 19:00", CHECK_IN)


async def test_what_a_provider_refuses_for_good_is_not_tried_again(clinic: Database) -> None:
    asked: list[str] = []
    wire = Wire(lambda _, parcel: asked.append(parcel.delivery_id) or Refused("413"))  # type: ignore[func-returns-value]
    await told(clinic, wire, NOON + 8 * HOUR)
    await clinic.write(outbox.reconcile, CLINIC, ["ada"], NOON + 9 * HOUR)
    await told(clinic, wire, NOON + 12 * HOUR, NOON + 9 * HOUR)
    assert len(asked) == len(set(asked)) == 1
    assert ("check_in:s1-evening", "failed", "refused") in await ends(clinic)


@pytest.mark.parametrize("changed", [{"consented": False}, {"discharged_at": NOON + HOUR}])
async def test_nothing_is_sent_after_consent_or_care_ended(clinic: Database, changed: dict[str, object]) -> None:
    await clinic.write(care.change_patient, BEN, "ada", 1, changed, NOON + HOUR)
    assert await told(clinic, Wire(), NOON + 10 * DAY, NOON + HOUR) == []
    assert {state for _, state, _ in await ends(clinic)} == {"suppressed"}


async def test_an_emergency_alerts_the_clinician_at_once_whatever_the_hour(clinic: Database) -> None:
    await clinic.write(care.record_session, BEN, "s2", session(muscles=("upper trapezius",)), NOON)
    night = NOON + 15 * HOUR
    reply = await clinic.write(care.answer, ADA, "s2-evening", {"rf_breath": True}, night, night)
    assert reply.tier == "emergency"
    assert "911" in reply.safety
    wire = Wire()
    sent = await told(clinic, wire, night + MINUTE, night)
    assert sent == [("Tue 02 03:00", "A patient's answer needs you. Please open the list of flags now.")]
    assert wire.taken[0][1] == "ben's desk"


async def test_an_acknowledged_flag_alerts_nobody(clinic: Database) -> None:
    reply = await clinic.write(care.answer, ADA, "s1-evening", {"rf_bleed": True}, NOON + HOUR, NOON + HOUR)
    for id in reply.answered.flags:
        await clinic.write(care.acknowledge, BEN, id, NOON + HOUR)
    assert await told(clinic, Wire(), NOON + 2 * HOUR, NOON + HOUR) == []


async def test_after_an_outage_what_is_late_is_one_message_and_the_nudge_waits(clinic: Database) -> None:
    await clinic.write(care.assign_plan, BEN, "plan", assignment(times=("16:00",)), NOON)
    sent = await told(clinic, Wire(), NOON + 7 * HOUR, NOON + 6 * HOUR)
    assert sent == [("Mon 01 18:00", "You have a check-in, and your home program is ready for today.")]


async def test_a_worker_that_slept_past_its_lease_changes_nothing(clinic: Database) -> None:
    clock = NOON + 5 * HOUR
    _, slow = await clinic.write(claiming.claim, clock)
    _, quick = await clinic.write(claiming.claim, clock + claiming.LEASE)
    assert [it.row.id for it in slow] == [it.row.id for it in quick]
    [address] = (await clinic.read(addresses.living, CLINIC, ["ada"]))["ada"]

    def sent(claimed: list[claiming.Claimed], outcome: Outcome) -> list[Sent]:
        return [Sent(it, (Try(address, outcome),)) for it in claimed]

    at = clock + claiming.LEASE
    first = await clinic.write(settling.settle, sent(slow, Refused("late")), at, random.Random(1))
    assert (first.accepted, first.ended) == (0, 0)
    second = await clinic.write(settling.settle, sent(quick, Accepted()), at, random.Random(1))
    assert second.accepted == 1
    assert ("check_in:s1-evening", "accepted", "console") in await ends(clinic)
    # What the slow one did is still on record.
    assert await clinic.read(lambda db: db.execute(select(tries.c.result).order_by(tries.c.fence)).scalars().all()) == [
        "refused",
        "accepted",
    ]


async def test_what_is_claimed_is_claimed_by_nobody_else_until_the_lease_ends(clinic: Database) -> None:
    clock = NOON + 5 * HOUR
    assert (await clinic.write(claiming.claim, clock))[0] == 1
    assert (await clinic.write(claiming.claim, clock + claiming.LEASE - 1))[0] == 0
    assert await clinic.read(lambda db: db.execute(select(due.c.fence).where(due.c.state == "in_flight")).scalar()) == 1


async def test_an_alert_does_not_wait_for_a_provider_that_is_down(clinic: Database) -> None:
    mailbox = {"mailbox": "ben@clinic.example"}
    await clinic.write(care.put_address, BEN, "ben", "ben-mail", "email", mailbox, NOON)
    await clinic.write(care.answer, ADA, "s1-evening", {"rf_bleed": True}, NOON + HOUR, NOON + HOUR)
    down, desk = Mail(lambda *_: Later("503")), Wire()
    channels: dict[str, Channel] = {"email": down, "console": desk}
    worker = Worker(clinic, channels, SetClock(NOON + HOUR))
    await worker.turn()
    assert [label for _, label, _ in desk.taken] == ["ben's desk"]
    assert ("alert", "accepted") in [(key.partition(":")[0], state) for key, state, _ in await ends(clinic)]


async def test_one_poisoned_message_does_not_stop_the_others(clinic: Database) -> None:
    await clinic.write(care.enrol, BEN, patient("bad", "ben"), None, NOON)
    await clinic.write(care.put_address, BEN, "bad", "bad-phone", "console", {"label": "bad phone"}, NOON)
    await clinic.write(care.record_session, BEN, "s-bad", session(patient_id="bad"), NOON)

    def explode(label: str, _parcel: Parcel) -> Outcome:
        if label == "bad phone":
            raise ZeroDivisionError
        return Accepted()

    wire = Wire(explode)
    assert [body for _, body in await told(clinic, wire, NOON + 6 * HOUR)] == [CHECK_IN]
    kept = await clinic.read(lambda db: db.execute(select(tries.c.result, tries.c.detail)).all())
    assert ("later", "ZeroDivisionError while sending") in [tuple(row) for row in kept]


async def test_a_check_in_that_an_outage_swallowed_is_shifted_where_its_step_says_so(clinic: Database) -> None:
    """Nobody worked from the sixth day until two hours after the day-7 check-in had closed."""
    await told(clinic, Wire(), NOON + 6 * DAY)
    back = NOON - HOUR + 8 * DAY + 14 * HOUR
    sent = await told(clinic, Wire(), back + 12 * HOUR, back)
    assert [it for it in sent if it[1] == CHECK_IN] == [("Wed 10 08:00", CHECK_IN)]
    assert ("check_in:s1-day7", "accepted", "console") in await ends(clinic)
