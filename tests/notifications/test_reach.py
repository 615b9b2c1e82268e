"""What becomes of a message that a provider took and nobody confirmed: sent again, the next channel, silence."""

import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
import pytest
from sqlalchemy import Connection, select

from notifications import addresses, conservation, outbox, reach, receipts
from notifications.channels import Accepted, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import EmailAddress, WebPushAddress
from notifications.preferences import Preferences
from notifications.reach import Address, ladder, rest_of, silent_since, tries_of
from notifications.receipts import Receipt
from notifications.tables import due, message, outcome
from programs.errors import NoSuchRecord
from programs.instants import DAY, HOUR, MINUTE, Instant
from service import care
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.notifications.test_delivery import local, run_until
from tests.world import ADA, BEN, CLINIC, EVE, NOON, assignment, populate, session

MAILBOX = {"mailbox": "ada@patients.example"}


def push(name: str) -> dict[str, str]:
    return {"endpoint": f"https://updates.push.services.mozilla.com/{name}", "p256dh": "B" * 87, "auth": "A" * 22}


class Phone:
    """A push service that takes all, and an app that confirms what `confirms` says, as soon as it is shown."""

    kind: ClassVar[str] = "web_push"
    Address: ClassVar[type[msgspec.Struct]] = WebPushAddress
    limit: ClassVar[int] = 4

    def __init__(self, sent: list[tuple[Instant, str, str]], clock: SetClock) -> None:
        self.sent, self.clock = sent, clock
        self.answer: Callable[[str], Outcome] = lambda _: Accepted()

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        where = str(msgspec.structs.astuple(address)[0]).rpartition("/")[2]
        found = self.answer(where)
        if isinstance(found, Accepted):
            self.sent.append((self.clock.at, where, parcel.delivery_id))
        return found

    async def close(self) -> None:
        return None


class Mail(Phone):
    kind = "email"
    Address = EmailAddress


class Far:
    """Both providers, the clock and the worker between them."""

    def __init__(self, db: Database) -> None:
        self.db, self.clock = db, SetClock(NOON)
        self.sent: list[tuple[Instant, str, str]] = []
        self.push, self.mail = Phone(self.sent, self.clock), Mail(self.sent, self.clock)
        channels = {"web_push": self.push, "email": self.mail}
        self.worker = Worker(db, channels, self.clock, chance=random.Random(1))

    async def until(self, at: Instant) -> list[tuple[str, str]]:
        """When and where something was taken since the last look; all of it is accounted for."""
        before = len(self.sent)
        await run_until(self.worker, self.clock, at)
        assert await self.db.read(conservation.unaccounted) == 0
        return [(local(at)[7:], where) for at, where, _ in self.sent[before:]]


@pytest.fixture
async def far(database: Database) -> Far:
    """Ada has a phone and a mailbox; her first check-in is due at 17:00."""
    await database.write(arrange)
    return Far(database)


def arrange(db: Connection) -> None:
    populate(db)
    addresses.give_up(db, [(CLINIC, "ada-phone", "demo over", NOON)], NOON)
    care.put_address(db, ADA, "ada", "push", "web_push", push("phone"), NOON)
    care.put_address(db, ADA, "ada", "mail", "email", MAILBOX, NOON)
    care.record_session(db, BEN, "s1", session(), NOON)


async def ended(db: Database) -> list[tuple[str, str, str]]:
    def read(connection: Connection) -> list[tuple[str, str, str]]:
        joined = select(message.c.key, outcome.c.state, outcome.c.reason).join(
            outcome, outcome.c.message_id == message.c.id
        )
        return [tuple(row) for row in connection.execute(joined.order_by(outcome.c.ended_at, message.c.key))]

    found: list[tuple[str, str, str]] = await db.read(read)
    return found


async def confirm(far: Far, kind: receipts.Kind = "shown", id: str = "") -> bool:
    it = Receipt(id or far.sent[-1][2], kind, far.clock.at)
    fresh: bool = await far.db.write(care.confirm, ADA, it, far.clock.at)
    return fresh


AT_17 = NOON + 5 * HOUR


async def test_without_a_receipt_it_comes_again_under_the_same_id_then_by_the_next_channel(far: Far) -> None:
    assert await far.until(AT_17 + 2 * HOUR) == [
        ("17:00", "phone"),
        ("17:30", "phone"),
        ("18:00", "ada@patients.example"),
    ]
    assert len({id for _, _, id in far.sent}) == 1
    # What a mailbox shows is never known: this is as far as it goes.
    assert ("check_in:s1-evening", "accepted", "email") in await ended(far.db)


@pytest.mark.parametrize("kind", ["shown", "opened", "answered"])
async def test_a_receipt_ends_the_wait(far: Far, kind: receipts.Kind) -> None:
    assert await far.until(AT_17 + MINUTE) == [("17:00", "phone")]
    assert await ended(far.db) == []
    assert await confirm(far, kind)
    assert await ended(far.db) == [("check_in:s1-evening", "accepted", "confirmed")]
    assert not await confirm(far, kind)
    assert await far.until(AT_17 + 2 * HOUR) == []


async def test_a_receipt_that_was_here_before_the_batch_was_settled_is_found(far: Far) -> None:
    """A phone confirms in a fifth of a second; a batch may take ten."""

    async def quick(address: Any, parcel: Parcel) -> Outcome:
        await far.db.write(care.confirm, ADA, Receipt(parcel.delivery_id, "shown", far.clock.at), far.clock.at)
        return Accepted()

    far.push.send = quick  # type: ignore[method-assign]
    await far.until(AT_17 + 2 * HOUR)
    assert await ended(far.db) == [("check_in:s1-evening", "accepted", "confirmed")]
    (_, phone) = (await far.db.read(addresses.living, CLINIC, ["ada"]))["ada"]
    assert phone.unconfirmed == 0


async def test_a_receipt_of_another_patient_ends_nothing(far: Far) -> None:
    await far.until(AT_17 + MINUTE)
    with pytest.raises(NoSuchRecord):
        await far.db.write(care.confirm, EVE, Receipt(far.sent[-1][2], "shown", NOON), far.clock.at)
    assert await ended(far.db) == []


async def test_what_is_answered_is_not_sent_again(far: Far) -> None:
    await far.until(AT_17 + MINUTE)
    await far.db.write(care.answer, ADA, "s1-evening", {"q_sore": 2}, far.clock.at, far.clock.at)
    assert ("check_in:s1-evening", "answered", "answered") in await ended(far.db)
    assert await far.until(AT_17 + 2 * HOUR) == []


@pytest.mark.parametrize("changed", [{"consented": False}, {"discharged_at": AT_17}])
async def test_nothing_is_sent_again_after_consent_or_care_ended(far: Far, changed: dict[str, object]) -> None:
    await far.until(AT_17 + MINUTE)
    await far.db.write(care.change_patient, BEN, "ada", 1, changed, far.clock.at)
    why = "discharged" if "discharged_at" in changed else "no_consent"
    assert ("check_in:s1-evening", "accepted", why) in await ended(far.db)
    assert await far.until(AT_17 + 2 * HOUR) == []


async def test_nothing_is_sent_again_of_a_kind_that_was_turned_off_meanwhile(far: Far) -> None:
    await far.until(AT_17 + MINUTE)
    await far.db.write(care.choose, ADA, Preferences(check_ins=False), far.clock.at)
    assert ("check_in:s1-evening", "accepted", "check_ins_off") in await ended(far.db)
    await far.db.write(care.choose, ADA, Preferences(), far.clock.at)
    assert await far.until(NOON + 9 * HOUR) == [("20:50", "phone")]
    await far.db.write(care.choose, ADA, Preferences(nudges=False), far.clock.at)
    assert await far.until(NOON + 12 * HOUR) == []
    assert ("nudge:s1-evening", "accepted", "nudges_off") in await ended(far.db)


async def test_quiet_hours_end_the_ladder_and_the_nudge_goes_on_with_it_in_the_morning(far: Far) -> None:
    chosen = {"preferences": Preferences(allowed_from="04:20", allowed_until="17:20")}
    await far.db.write(care.change_patient, BEN, "ada", 1, chosen, NOON)
    assert await far.until(NOON + 12 * HOUR) == [("17:00", "phone")]
    assert ("check_in:s1-evening", "accepted", "no_receipt") in await ended(far.db)
    assert (await far.until(NOON + 18 * HOUR))[0:2] == [("04:20", "phone"), ("04:50", "ada@patients.example")]


async def test_a_reminder_of_a_bout_is_sent_once(far: Far) -> None:
    await far.db.write(care.cancel_session, BEN, "s1", 1, NOON)
    await far.db.write(care.assign_plan, BEN, "plan", assignment(times=("13:00",)), NOON)
    assert await far.until(NOON + 10 * HOUR) == [("13:04", "phone")]
    assert [(state, why) for key, state, why in await ended(far.db) if key.startswith("bout:")] == [
        ("accepted", "web_push")
    ]


async def test_with_one_channel_it_ends_without_a_receipt_and_says_so(far: Far) -> None:
    mailbox = [(CLINIC, "mail", "unsubscribed", NOON)]
    await far.db.write(addresses.give_up, mailbox, NOON)
    assert await far.until(AT_17 + 2 * HOUR) == [("17:00", "phone"), ("17:30", "phone")]
    assert ("check_in:s1-evening", "accepted", "no_receipt") in await ended(far.db)


async def test_a_next_channel_that_is_down_is_tried_again_until_the_nudges_time_and_loses_nothing(far: Far) -> None:
    far.mail.answer = lambda _: Later("421")
    await far.until(AT_17 + 3 * HOUR)
    assert ("check_in:s1-evening", "accepted", "no_receipt") in await ended(far.db)
    far.mail.answer = lambda _: Refused("554")
    assert await far.until(NOON + 25 * HOUR) == [("20:50", "phone"), ("11:00", "phone"), ("11:30", "phone")]
    # What refuses a message is not asked again for that message.
    assert "check_in:s1-day1" in [key for key, _, _ in await ended(far.db)]
    await far.until(NOON + 30 * HOUR)
    assert {(state, why) for _, state, why in await ended(far.db)} == {("accepted", "no_receipt")}


async def test_silence_without_a_receipt_is_told_from_silence_with_one(far: Far) -> None:
    """Both check-ins go unanswered. Of the first nobody knows anything; the second was on a screen."""
    await far.db.write(addresses.give_up, [(CLINIC, "mail", "unsubscribed", NOON)], NOON)
    await far.until(NOON + 22 * HOUR)
    await far.until(NOON + 23 * HOUR + MINUTE)
    await confirm(far)
    await far.until(NOON + 40 * HOUR)
    assert await far.db.read(receipts.unheard, CLINIC, ["ada"], NOON) == {"s1-evening"}


async def test_sent_again_it_counts_once_for_the_day_and_is_told_once(far: Far) -> None:
    """A limit of two: the check-in and its nudge, however often each was sent."""
    chosen = {"preferences": Preferences(most_a_day=2)}
    await far.db.write(care.change_patient, BEN, "ada", 1, chosen, NOON)
    assert await far.until(NOON + 9 * HOUR + 30 * MINUTE) == [
        ("17:00", "phone"),
        ("17:30", "phone"),
        ("18:00", "ada@patients.example"),
        ("20:50", "phone"),
    ]


async def test_an_address_that_confirms_nothing_falls_silent_and_a_receipt_revives_it(far: Far) -> None:
    await far.until(NOON + 28 * HOUR)  # the evening's check-in, its nudge, and the next day's check-in
    assert [where for _, where, _ in far.sent].count("phone") > 3
    silent = (await far.db.read(addresses.living, CLINIC, ["ada"]))["ada"][1]
    assert (silent.unconfirmed, silent.unconfirmed_since) == (4, AT_17)
    assert silent_since(silent, far.clock.at) is None  # not a whole day yet
    await far.until(NOON + 3 * DAY - 2 * HOUR)
    silent = (await far.db.read(addresses.living, CLINIC, ["ada"]))["ada"][1]
    assert silent_since(silent, far.clock.at) == AT_17
    # It is still tried, but behind the mailbox, which takes it: so the day-7 check-in goes there alone.
    assert await far.until(NOON + 7 * DAY) == [("11:00", "ada@patients.example")]
    push_id = next(id for _, where, id in far.sent if where == "phone")
    await confirm(far, "opened", push_id)
    assert silent_since((await far.db.read(addresses.living, CLINIC, ["ada"]))["ada"][1], far.clock.at) is None
    assert (await far.until(NOON + 7 * DAY + 4 * HOUR))[0] == ("15:00", "phone")


async def test_registering_the_same_address_again_revives_nothing_and_a_new_one_starts_afresh(far: Far) -> None:
    await far.until(AT_17 + MINUTE)
    for value, unconfirmed in ((push("phone"), 1), (push("other"), 0)):
        await far.db.write(care.put_address, ADA, "ada", "push", "web_push", value, far.clock.at)
        found = (await far.db.read(addresses.living, CLINIC, ["ada"]))["ada"]
        assert {it.unconfirmed for it in found if it.id == "push"} == {unconfirmed}


async def test_what_waits_for_its_receipt_is_not_planned_again(far: Far) -> None:
    await far.until(AT_17 + MINUTE)
    await far.db.write(outbox.reconcile, CLINIC, ["ada"], far.clock.at)
    keys = await far.db.read(lambda db: db.execute(select(due.c.key, due.c.state).order_by(due.c.key)).all())
    assert ("check_in:s1-evening", "awaiting") in [tuple(it) for it in keys]
    assert len(await far.until(AT_17 + HOUR + MINUTE)) == 2


# the sums


def at(
    id: str, channel: str, unconfirmed: int = 0, since: Instant | None = None, last: Instant | None = None
) -> Address:
    return Address(id, "ada", channel, b"", 0, unconfirmed, since, last)


@pytest.mark.parametrize(
    ("unconfirmed", "span", "ago", "silent"),
    [
        (3, DAY, HOUR, True),
        (2, DAY, HOUR, False),
        (3, DAY - 1, HOUR, False),
        (3, DAY, 29 * MINUTE, False),
        (9, DAY, HOUR, True),
    ],
)
def test_silence_is_three_messages_over_a_day_of_which_the_last_had_its_time(
    unconfirmed: int, span: Instant, ago: Instant, silent: bool
) -> None:
    it = at("a", "web_push", unconfirmed, NOON - ago - span, NOON - ago)
    assert (silent_since(it, NOON) is not None) == silent


def test_what_is_silent_stands_behind_the_rest() -> None:
    quiet = at("quiet", "web_push", 3, NOON - 2 * DAY, NOON - HOUR)
    phone, mail = at("phone", "web_push"), at("mail", "email")
    order = ("web_push", "email")
    assert ladder([mail, phone], order, NOON) == ((phone,), (mail,))
    assert ladder([mail, quiet], order, NOON) == ((mail,), (quiet,))
    assert ladder([mail, quiet, phone], order, NOON) == ((quiet, phone), (mail,))
    assert ladder([quiet], order, NOON) == ((quiet,),)


PHONE, WATCH, MAIL, TEXT = at("phone", "web_push"), at("watch", "web_push"), at("mail", "email"), at("text", "sms")


@pytest.mark.parametrize(
    ("tried", "subjects", "left"),
    [
        ({"phone": 1}, ("check_in:a",), ((PHONE, WATCH), (MAIL,), (TEXT,))),
        ({"phone": 2}, ("check_in:a",), ((WATCH,), (MAIL,), (TEXT,))),
        ({"phone": 2, "watch": 2}, ("check_in:a", "bout:p:1"), ((MAIL,), (TEXT,))),
        ({"phone": 1, "watch": 1}, ("nudge:a",), ((MAIL,), (TEXT,))),
        ({"phone": 2, "watch": 2, "mail": 1}, ("check_in:a",), ((MAIL,), (TEXT,))),
        ({"phone": 1, "text": 2}, ("check_in:a",), ()),
        ({"gone": 2}, ("check_in:a",), ((PHONE, WATCH), (MAIL,), (TEXT,))),
    ],
)
def test_the_rest_of_a_ladder(
    tried: dict[str, int], subjects: Sequence[str], left: tuple[tuple[Address, ...], ...]
) -> None:
    assert rest_of(((PHONE, WATCH), (MAIL,), (TEXT,)), tried, subjects) == left


def test_who_is_waited_for() -> None:
    assert [tries_of([it]) for it in ("check_in:a", "nudge:a", "bout:p:1", "alert:f")] == [2, 1, 0, 0]
    assert tries_of(["bout:p:1", "nudge:a"]) == 1
    assert set(reach.CONFIRMING) >= {"web_push"}
    assert reach.CONFIRMING.isdisjoint({"email", "console"})
