"""Where people are reached: a push endpoint is one phone, and a phone is one person's at a time."""

import asyncio

import pytest
from sqlalchemy import Connection, select

from notifications import addresses
from notifications.tables import address, endpoint
from programs.instants import HOUR
from service.database import Database, connect
from tests.world import ADA, CLINIC, EVE, NOON, OTHER, populate

PHONE = {"endpoint": "https://fcm.googleapis.com/wp/abc", "p256dh": "x", "auth": "y"}
SAME = PHONE | {"endpoint": "https://fcm.googleapis.com:443/wp/abc"}
ANOTHER = PHONE | {"endpoint": "https://fcm.googleapis.com/wp/xyz"}


@pytest.fixture
async def world(database: Database) -> Database:
    await database.write(populate)
    return database


def put(db: Connection, clinic: str, person: str, id: str, value: dict[str, str], later: int = 0) -> None:
    addresses.put_address(db, clinic, person, id, "web_push", value, NOON + later)


def reached(db: Connection) -> list[tuple[str, str, str]]:
    """Clinic, person and id of every living push address."""
    kept = select(address.c.clinic_id, address.c.person_id, address.c.id)
    return sorted(map(tuple, db.execute(kept.where(address.c.gone_at.is_(None), address.c.channel == "web_push"))))


def reasons(db: Connection) -> dict[str, str]:
    return {row.id: row.gone_reason for row in db.execute(select(address).where(address.c.gone_at.is_not(None)))}


@pytest.mark.parametrize(("clinic", "person"), [(CLINIC, "ben"), (OTHER, "eve")])
async def test_a_phone_that_is_passed_on_is_reached_for_its_new_owner_only(
    world: Database, clinic: str, person: str
) -> None:
    """Also in another clinic, of which the statement that registers may see nothing else."""
    await world.at(CLINIC).write(put, CLINIC, "ada", "a1", PHONE)
    await world.at(CLINIC).write(put, CLINIC, "ada", "a2", ANOTHER)
    await world.at(clinic).write(put, clinic, person, "e1", SAME, HOUR)
    assert await world.read(reached) == sorted([(CLINIC, "ada", "a2"), (clinic, person, "e1")])
    assert await world.read(reasons) == {"a1": "passed on"}


async def test_a_token_of_a_native_app_is_one_phone_too_and_each_provider_has_its_own(world: Database) -> None:
    at_once = [
        ("apns", "ada", "a1"),
        ("fcm", "ada", "a2"),
        ("ntfy", "ada", "a3"),
        ("apns", "ben", "b1"),
        ("ntfy", "ben", "b2"),
    ]
    for channel, person, id in at_once:
        value = {"topic" if channel == "ntfy" else "token": "0a" * 32}
        await world.at(CLINIC).write(addresses.put_address, CLINIC, person, id, channel, value, NOON)
    assert await world.read(reasons) == {"a1": "passed on"}, "a topic may be shared, a token may not"


async def test_what_was_passed_on_may_come_back(world: Database) -> None:
    for hours, (clinic, person, id) in enumerate([(CLINIC, "ada", "a1"), (OTHER, "eve", "e1"), (CLINIC, "ada", "a1")]):
        await world.at(clinic).write(put, clinic, person, id, PHONE, hours * HOUR)
    assert await world.read(reached) == [(CLINIC, "ada", "a1")]
    assert await world.read(reasons) == {"e1": "passed on"}


async def test_a_reinstalled_app_is_one_phone_not_two(world: Database) -> None:
    for id in ("before", "after", "after"):
        await world.at(CLINIC).write(put, CLINIC, "ada", id, PHONE)
    assert await world.read(reached) == [(CLINIC, "ada", "after")]


async def test_an_old_endpoint_taken_over_leaves_the_new_one_of_the_same_address(world: Database) -> None:
    """Browsers give out new endpoints now and then; the app renews its address under the id it has."""
    await world.at(CLINIC).write(put, CLINIC, "ada", "a1", PHONE)
    await world.at(CLINIC).write(put, CLINIC, "ada", "a1", ANOTHER)
    await world.at(OTHER).write(put, OTHER, "eve", "e1", PHONE)
    assert await world.read(reached) == [(OTHER, "eve", "e1"), (CLINIC, "ada", "a1")]


async def test_mailboxes_and_desks_may_be_shared(world: Database) -> None:
    def both(db: Connection) -> int:
        for clinic, person in ((CLINIC, "ada"), (OTHER, "eve")):
            addresses.put_address(db, clinic, person, "mail", "email", {"mailbox": "family@example.org"}, NOON)
        return sum(len(addresses.living(db, it.clinic, [it.id])[it.id]) for it in (ADA, EVE))

    assert await world.write(both) == 4  # with the console each of them has


async def test_many_who_register_one_phone_at_once_leave_it_with_one(world: Database, database_url: str) -> None:
    """On PostgreSQL from the pools of two processes; ten phones, each wanted by a person of either clinic ten times."""
    doors = [world]
    if database_url.startswith("postgresql"):
        doors.append(await connect(database_url, {}))
    phones = [PHONE | {"endpoint": f"https://fcm.googleapis.com/wp/{number}"} for number in range(10)]
    people = [(CLINIC, "ada"), (OTHER, "eve")]
    puts = [
        doors[turn % len(doors)].at(clinic).write(put, clinic, person, f"{person}-{number}-{turn}", phone, turn)
        for turn in range(10)
        for number, phone in enumerate(phones)
        for clinic, person in people
    ]
    done = await asyncio.gather(*puts, return_exceptions=True)
    for door in doors[1:]:
        await door.close()
    assert [it for it in done if it is not None] == []
    left = await world.read(reached)
    assert sorted(id.split("-")[1] for _, _, id in left) == [str(number) for number in range(10)]

    def held(db: Connection) -> set[tuple[str, str]]:
        return {(row.clinic, row.address_id) for row in db.execute(select(endpoint))}

    assert await world.read(held) == {(clinic, id) for clinic, _, id in left}


async def test_what_is_kept_of_an_endpoint_names_nobody_and_opens_nothing(world: Database) -> None:
    await world.at(CLINIC).write(put, CLINIC, "ada", "a1", PHONE)
    rows = await world.read(lambda db: str(db.execute(select(endpoint)).all()))
    assert "fcm" not in rows
    assert "ada" not in rows.replace("a1", "")


async def test_an_address_ends_with_the_device_it_was_registered_with(world: Database) -> None:
    def two(db: Connection) -> None:
        put(db, CLINIC, "ada", "a1", PHONE)
        addresses.tie(db, CLINIC, "a1", "d1")
        put(db, CLINIC, "ada", "a2", ANOTHER)
        addresses.tie(db, CLINIC, "a2", "d2")
        addresses.end_with_device(db, CLINIC, "d1", NOON)

    await world.at(CLINIC).write(two)
    assert await world.read(reached) == [(CLINIC, "ada", "a2")]
    assert await world.read(reasons) == {"a1": "the device was ended"}
