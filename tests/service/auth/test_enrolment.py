"""A code lets one phone in, once: whoever is late, guesses, races or has an older one gets the same words."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, select

from programs import people
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import DAY, MINUTE, SECOND, Instant
from service.auth import enrolment
from service.auth.devices import devices_of, name_of
from service.auth.enrolment import MOST_TRIES, LetIn, Made, Missed, ended, make_code, redeem
from service.auth.tokens import find_token
from service.care import Who
from service.database import Database, connect
from service.errors import Refused
from service.tables import audit
from service.tables import enrolment as table
from tests.world import ADA, BEN, CLINIC, DOV, NOON, patient, populate

LABEL = "Chrome on Android"


@pytest.fixture
async def world(database: Database) -> Database:
    await database.write(populate)
    return database


def outcome(db: Connection, code: str, second: str = "", now: Instant = NOON) -> Any:
    """LetIn, Missed, or the words it was refused in."""
    try:
        return redeem(db, code, second, LABEL, now)
    except Refused as refused:
        return refused.detail


def linked(db: Connection, who: Who, patient: str, year: int | None) -> Made:
    """A link of a clinic that asks for the year of birth, where there is one, else for digits."""
    people.change_settings(db, who.clinic, {"link_factor": "birth_year" if year else "spoken"})
    return make_code(db, who, patient, "link", year, NOON)


async def test_a_link_asks_for_what_the_clinic_chose_and_for_nothing_else(world: Database) -> None:
    with pytest.raises(Invalid, match="not what is asked"):
        await world.write(make_code, BEN, "ada", "link", 1984, NOON)
    await world.write(people.change_settings, CLINIC, {"link_factor": "birth_year"})
    with pytest.raises(Invalid, match="must be given"):
        await world.write(make_code, BEN, "ada", "link", None, NOON)
    assert (await world.write(make_code, BEN, "ada", "screen", None, NOON)).factor == "none"
    assert (await world.write(make_code, DOV, "eve", "link", None, NOON)).factor == "spoken", "another clinic's choice"


async def test_a_code_on_the_screen_lets_one_phone_in(world: Database) -> None:
    made: Made = await world.write(make_code, BEN, "ada", "screen", None, NOON)
    assert (made.spoken, made.expires_at) == ("", NOON + 10 * MINUTE)
    done: LetIn = await world.write(redeem, made.code, "", LABEL, NOON)
    held = await world.read(find_token, done.token, NOON)
    assert (held.who, held.use, held.label, held.idle) == (ADA, "device", LABEL, 90 * DAY)
    assert [it.id for it in await world.read(devices_of, CLINIC, "ada", NOON)] == [done.device]
    assert await world.write(outcome, made.code) == ended().detail


@pytest.mark.parametrize(("way", "good_for"), [("screen", 10 * MINUTE), ("link", DAY)])
async def test_it_is_good_until_its_time_is_over(world: Database, way: Any, good_for: Instant) -> None:
    made = await world.write(make_code, BEN, "ada", way, None, NOON)
    assert await world.write(outcome, made.code, made.spoken, NOON + good_for) == ended().detail
    assert isinstance(await world.write(outcome, made.code, made.spoken, NOON + good_for - 1), LetIn)


@pytest.mark.parametrize(
    ("year", "typed", "right"),
    [
        (1984, "1984", True),
        (1984, " 1984 ", True),
        (1984, "1985", False),
        (1984, "84", False),
        (1984, "", False),
        (None, "{}", True),
        (None, "{:.3} {:.0}", False),
        (None, "000000x", False),
        (None, "", False),
    ],
)
async def test_a_link_asks_for_what_did_not_travel_with_it(
    world: Database, year: int | None, typed: str, right: bool
) -> None:
    made = await world.write(linked, BEN, "ada", year)
    assert made.spoken == "" if year else len(made.spoken) == 6
    done = await world.write(outcome, made.code, typed.format(made.spoken, made.spoken))
    assert isinstance(done, LetIn if right else Missed)


async def test_digits_may_be_typed_as_they_were_said(world: Database) -> None:
    for between in (" ", "-", " - "):
        made = await world.write(linked, BEN, "ada", None)
        said = between.join((made.spoken[:3], made.spoken[3:]))
        assert isinstance(await world.write(outcome, made.code, said), LetIn)


async def test_five_wrong_tries_void_it(world: Database) -> None:
    made = await world.write(linked, BEN, "ada", None)
    missed = [await world.write(outcome, made.code, "wrong") for _ in range(MOST_TRIES)]
    assert missed == [Missed(left) for left in (4, 3, 2, 1, 0)]
    assert await world.write(outcome, made.code, made.spoken) == ended().detail
    standing = await world.read(enrolment.standing, CLINIC, "ada")
    assert not standing.is_open(NOON)


async def test_the_last_try_may_be_the_right_one(world: Database) -> None:
    made = await world.write(linked, BEN, "ada", None)
    for _ in range(MOST_TRIES - 1):
        await world.write(outcome, made.code, "wrong")
    assert isinstance(await world.write(outcome, made.code, made.spoken), LetIn)


async def test_two_hundred_guesses_at_once_are_five(world: Database) -> None:
    made = await world.write(linked, BEN, "ada", 1984)
    guesses = [world.write(outcome, made.code, str(1900 + number % 84)) for number in range(200)]
    done = await asyncio.gather(*guesses)
    assert sorted(it.tries_left for it in done if isinstance(it, Missed)) == [0, 1, 2, 3, 4]
    assert sum(it == ended().detail for it in done) == 195


async def test_a_new_code_voids_the_one_before(world: Database) -> None:
    first = await world.write(make_code, BEN, "ada", "screen", None, NOON)
    second = await world.write(make_code, BEN, "ada", "screen", None, NOON)
    assert await world.write(outcome, first.code) == ended().detail
    assert isinstance(await world.write(outcome, second.code), LetIn)


async def test_whatever_is_wrong_with_a_code_is_said_in_the_same_words(world: Database) -> None:
    """Never made, used, too late, replaced, voided, of a patient discharged since: nobody learns which."""
    used, late, replaced, voided, gone = [
        (await world.write(linked, who, patient, 1984)).code
        for who, patient in ((BEN, "ada"), (DOV, "eve"), (BEN, "ada"), (BEN, "ada"), (BEN, "ada"))
    ]

    def spoil(db: Connection) -> list[str]:
        said = [outcome(db, used, "1984"), outcome(db, late, "1984", NOON + DAY), outcome(db, replaced, "1984")]
        people.change_patient(db, CLINIC, "ada", 1, {"discharged_at": NOON}, "x", NOON)
        said += [outcome(db, gone, "1984"), outcome(db, "q" + "x" * 32), outcome(db, ""), outcome(db, "\0é" * 50)]
        return [*said, outcome(db, voided, "1984")]

    assert set(await world.write(spoil)) == {ended().detail}


async def test_no_code_is_made_for_whom_there_is_not_or_who_was_discharged(world: Database) -> None:
    for who, id in ((BEN, "eve"), (DOV, "ada"), (BEN, "nobody")):
        with pytest.raises(NoSuchRecord):
            await world.write(make_code, who, id, "screen", None, NOON)
    await world.write(people.change_patient, CLINIC, "ada", 1, {"discharged_at": NOON}, "x", NOON)
    with pytest.raises(Conflict):
        await world.write(make_code, BEN, "ada", "screen", None, NOON)
    for year in (1905, 2027):
        with pytest.raises(Invalid, match="birth_year"):
            await world.write(linked, DOV, "eve", year)


async def test_what_is_kept_opens_nothing_and_tells_no_second_thing(world: Database) -> None:
    def kept(db: Connection) -> str:
        return str(db.execute(select(table)).all()) + str(db.execute(select(audit)).all())

    made = await world.write(linked, BEN, "ada", None)
    born = await world.write(linked, DOV, "eve", 1984)
    rows = await world.read(kept)
    assert len(made.code) > 32, "192 bits and a letter"
    for secret in (made.code, made.spoken, born.code, "1984"):
        assert secret not in rows


async def test_no_table_of_hashes_made_beforehand_helps_whoever_has_a_copy(world: Database) -> None:
    """The same year of birth is another hash with each code; there are only some 120 years to try."""

    def sealed(db: Connection) -> str:
        linked(db, DOV, "eve", 1984)
        return str(db.execute(select(table.c.factor_hash)).scalar_one())

    assert len({await world.write(sealed) for _ in range(5)}) == 5


async def test_a_thousand_races_have_one_winner_each(world: Database, database_url: str) -> None:
    """Ten patients with a code each, a hundred tries a code, all at once; on PostgreSQL from the pools of two."""

    def codes(db: Connection) -> list[str]:
        for number in range(10):
            people.add_patient(db, CLINIC, patient(f"p{number}", "ben"), "x", NOON)
        return [make_code(db, BEN, f"p{number}", "screen", None, NOON).code for number in range(10)]

    made = await world.write(codes)
    doors = [world]
    if database_url.startswith("postgresql"):
        doors.append(await connect(database_url, {}))
    tries = [doors[number % len(doors)].write(outcome, made[number % 10]) for number in range(1000)]
    done = await asyncio.gather(*tries)
    for door in doors[1:]:
        await door.close()
    winners = [it for it in done if isinstance(it, LetIn)]
    assert sorted(it.who.id for it in winners) == [f"p{number}" for number in range(10)]
    assert sum(it == ended().detail for it in done) == 990
    for number in range(10):
        assert len(await world.read(devices_of, CLINIC, f"p{number}", NOON)) == 1


async def test_every_step_is_noted(world: Database) -> None:
    def noted(db: Connection) -> list[tuple[str, str, str]]:
        rows = db.execute(
            select(audit.c.who, audit.c.what, audit.c.patient_id).order_by(audit.c.clinic_id, audit.c.number)
        ).all()
        return [(row.who, row.what, row.patient_id) for row in rows if "enrolment" in row.what or "phone" in row.what]

    made = await world.write(linked, BEN, "ada", None)
    await world.write(outcome, made.code, "wrong")
    await world.write(outcome, made.code, made.spoken, NOON + SECOND)
    assert await world.read(noted) == [
        ("clinician:ben", "make enrolment code", "ada"),
        ("nobody", "miss enrolment code", "ada"),
        ("patient:ada", "let a phone in", "ada"),
    ]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36", LABEL),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) Version/19.1 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        ("curl/8", "A browser"),
        ("", "A browser"),
    ],
)
def test_a_browser_gets_a_name_its_owner_knows_it_by(user_agent: str, name: str) -> None:
    assert name_of(user_agent) == name
