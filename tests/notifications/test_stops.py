"""STOP by text message: at once, for good, for that number only, until START; nothing else that is said is heard.

And whatever takes an address away takes it away from a message that a worker holds already.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, ClassVar

import msgspec
import pytest
from sqlalchemy import Connection, select

from notifications import addresses, outbox, stops
from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress, EmailAddress, SmsAddress
from notifications.delivery import drain
from notifications.tables import address, message
from notifications.wire import Wire
from programs.completions import Completion
from programs.instants import HOUR, MINUTE
from service import care
from service.care import Who
from service.clock import SetClock
from service.database import Database
from service.tables import audit
from tests.world import ADA, BEN, CLINIC, EVE, NOON, OTHER, assignment, patient, populate, session

NUMBER = {"number": "+34600111222", "service": "sms"}
GATEWAY, THEIRS = (Who(clinic, "key", "gateway", sees_all=True) for clinic in (CLINIC, OTHER))
MUM = Who(CLINIC, "patient", "mum")
ASKED = NOON + 5 * HOUR


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        *((it, "stop") for it in ("STOP", " stop. ", "Stop all", "UNSUBSCRIBE", "Opt-out!", "¡ALTO!", "Baja", "párar")),
        *((it, "start") for it in ("START", "un stop", "Alta.")),
        *((it, "nothing") for it in ("", "???", "It hurts, should I stop?", "Stop hurts", "yes", "HELP", "🛑")),
    ],
)
def test_only_an_answer_that_is_the_word_and_nothing_else_means_it(said: str, meant: str) -> None:
    assert stops.meaning(said) == meant


def furnish(db: Connection) -> None:
    """Ada and her mother share a phone; Eve, of the other clinic, has the number too."""
    populate(db)
    care.enrol(db, BEN, patient("mum", "ben"), None, NOON)
    for who in (ADA, MUM, EVE):
        care.put_address(db, who, who.id, f"{who.id}-text", "sms", NUMBER, NOON)
    longer = {**NUMBER, "number": "+346001112223"}
    care.put_address(db, MUM, "mum", "mum-other", "sms", longer, NOON)


async def numbers(db: Database, who: Who) -> list[str]:
    """The ids of their text message addresses that are written to."""
    found = await db.read(addresses.living, who.clinic, [who.id])
    return [it.id for it in found.get(who.id, ()) if it.channel == "sms"]


async def hear(db: Database, said: str, who: Who = GATEWAY, number: str = NUMBER["number"]) -> str:
    meant: str = await db.write(care.hear_text, who, number, said, NOON + HOUR)
    return meant


async def test_a_number_that_says_stop_gets_no_more_of_this_clinic_until_it_says_start(database: Database) -> None:
    await database.write(furnish)
    assert await hear(database, "It still hurts") == "nothing"
    assert await numbers(database, ADA) == ["ada-text"]
    assert await hear(database, "Stop.") == "stop"
    assert (await numbers(database, ADA), await numbers(database, MUM)) == ([], ["mum-other"])
    assert await numbers(database, EVE) == ["eve-text"]
    # The same number registered again, also by somebody else, is no START.
    await database.write(care.put_address, ADA, "ada", "ada-text", "sms", NUMBER, NOON + 2 * HOUR)
    await database.write(care.put_address, ADA, "ada", "ada-again", "sms", NUMBER, NOON + 2 * HOUR)
    assert await numbers(database, ADA) == []
    assert await hear(database, "START") == "start"
    assert await numbers(database, ADA) == ["ada-again", "ada-text"]
    assert await numbers(database, MUM) == ["mum-other", "mum-text"]


async def test_each_stop_is_noted_once_for_whom_it_is_about_and_nothing_is_kept_of_the_words(
    database: Database,
) -> None:
    await database.write(furnish)
    for said in ("stop", "Stop!", "My hip is black and blue"):
        await hear(database, said)
    # A number nobody has, and one of another clinic, are answered alike and leave nothing.
    assert await hear(database, "stop", number="+34699999999") == await hear(database, "stop", THEIRS, "+34699999998")
    noted = select(audit.c.who, audit.c.patient_id, audit.c.record_id).where(audit.c.what == "stop text messages")
    rows = await database.read(lambda db: sorted(tuple(it) for it in db.execute(noted)))
    assert rows == [("key:gateway", "ada", "ada-text"), ("key:gateway", "mum", "mum-text")]


async def test_a_start_brings_nothing_back_that_ended_with_its_phone(database: Database) -> None:
    """The phone was lost, and its number may be somebody else's by now."""
    await database.write(furnish)
    await database.write(addresses.tie, CLINIC, "ada-text", "lost")
    await hear(database, "STOP")
    await database.write(addresses.end_with_device, CLINIC, "lost", NOON + HOUR)
    await database.write(addresses.end_with_device, CLINIC, "lost", NOON + HOUR)
    assert await hear(database, "START") == "start"
    assert await numbers(database, ADA) == []
    # And one that ended first is not written to either when it is registered again after its STOP.
    await database.write(addresses.end_with_device, CLINIC, "lost", NOON + HOUR)
    await hear(database, "STOP")
    await database.write(care.put_address, ADA, "ada", "ada-text", "sms", NUMBER, NOON + 2 * HOUR)
    assert await numbers(database, ADA) == []


# what a worker holds


class Busy:
    """A channel with one line, which is taken until it is let go."""

    kind: ClassVar[str]
    Address: ClassVar[type[msgspec.Struct]]
    limit: ClassVar[int] = 1

    def __init__(self) -> None:
        self.began, self.go_on = asyncio.Event(), asyncio.Event()
        self.reached: list[Any] = []

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        self.reached.append(address)
        self.began.set()
        await self.go_on.wait()
        return Accepted()

    async def close(self) -> None:
        return None


def stop_by_link(db: Connection, who: str) -> None:
    id = db.execute(select(message.c.id).where(message.c.person_id == who)).scalars().first()
    assert addresses.stop_mail(db, str(id), ASKED) == (CLINIC, who)


def stop_by_text(db: Connection, who: str) -> None:
    for number in db.execute(select(address.c.value).where(address.c.id == f"{who}-here")).scalars():
        care.hear_text(db, GATEWAY, msgspec.json.decode(number)["number"], "STOP", ASKED)


def end_phone(db: Connection, who: str) -> None:
    addresses.end_with_device(db, CLINIC, f"{who}-phone", ASKED)


MAILBOX: Callable[[str], dict[str, str]] = lambda who: {"mailbox": f"{who}@example.org"}  # noqa: E731
TEXT: Callable[[str], dict[str, str]] = lambda who: {"number": f"+3460000000{len(who)}"}  # noqa: E731


@pytest.mark.parametrize(
    ("form", "value", "end"),
    [(EmailAddress, MAILBOX, stop_by_link), (SmsAddress, TEXT, stop_by_text), (EmailAddress, MAILBOX, end_phone)],
)
async def test_what_waits_for_its_turn_is_not_sent_to_an_address_that_was_stopped_meanwhile(
    database: Database, form: type[Any], value: Callable[[str], dict[str, str]], end: Callable[[Connection, str], None]
) -> None:
    def asked(db: Connection) -> None:
        populate(db)
        for who in ("p", "qq"):
            care.enrol(db, BEN, patient(who, "ben"), None, NOON)
            care.put_address(db, Who(CLINIC, "patient", who), who, f"{who}-here", form.kind, value(who), NOON)
            addresses.tie(db, CLINIC, f"{who}-here", f"{who}-phone")
            care.record_session(db, BEN, f"s-{who}", session(patient_id=who), NOON)

    await database.write(asked)
    far: Any = type("Far", (Busy,), {"kind": form.kind, "Address": form})
    channel, clock = far(), SetClock(ASKED)
    draining: Awaitable[Any] = asyncio.ensure_future(drain(database, Wire({form.kind: channel}), clock.now))
    await asyncio.wait_for(channel.began.wait(), 20)
    first = next(who for who in ("p", "qq") if channel.reached == [msgspec.convert(value(who), form)])
    await database.write(end, "qq" if first == "p" else "p")
    channel.go_on.set()
    await draining
    clock.move_to(ASKED + MINUTE)
    await drain(database, Wire({form.kind: channel}), clock.now)
    assert len(channel.reached) == 1


async def test_a_bout_that_is_logged_while_its_reminder_waits_for_its_turn_is_not_reminded_of(
    database: Database,
) -> None:
    def reminded(db: Connection) -> None:
        populate(db)
        for who in ("p", "qq"):
            care.enrol(db, BEN, patient(who, "ben"), None, NOON)
            care.put_address(db, Who(CLINIC, "patient", who), who, f"{who}-here", "console", {"label": who}, NOON)
            plan = msgspec.structs.replace(assignment(times=("17:00",)), patient_id=who)
            care.assign_plan(db, BEN, f"plan-{who}", plan, NOON)

    def log(db: Connection, who: str) -> None:
        plan, day = f"plan-{who}", date(2026, 6, 1)
        done = [Completion(it, plan, it, day, "17:00", "done", ASKED) for it in ("hip_bridge", "walking")]
        care.complete(db, Who(CLINIC, "patient", who), done, ASKED)

    await database.write(reminded)
    far: Any = type("Far", (Busy,), {"kind": "console", "Address": ConsoleAddress})
    channel, clock = far(), SetClock(ASKED + 10 * MINUTE)
    draining: Awaitable[Any] = asyncio.ensure_future(drain(database, Wire({"console": channel}), clock.now))
    await asyncio.wait_for(channel.began.wait(), 20)
    await database.write(log, "qq" if channel.reached[0].label == "p" else "p")
    channel.go_on.set()
    await draining
    assert len(channel.reached) == 1


async def test_a_phone_that_was_passed_on_shows_nothing_of_its_former_owner_that_waited_for_its_turn(
    database: Database,
) -> None:
    """Ada's phone becomes Eve's, of another clinic, while a message to Ada is in a worker's hands."""
    await database.write(populate)
    phone = {"token": "ab" * 32}
    await database.write(care.put_address, ADA, "ada", "a", "apns", phone, NOON)
    marks = await database.read(outbox.marks, CLINIC, ["ada"])
    await database.write(care.put_address, EVE, "eve", "e", "apns", phone, NOON)
    assert await database.read(outbox.marks, CLINIC, ["ada"]) != marks
