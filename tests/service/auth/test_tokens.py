"""A token opens what it was made for until its end, and no minute longer; only its hash is kept."""

import msgspec
import pytest
from sqlalchemy import Connection, select

from programs import people
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant
from service.auth import guards, tokens
from service.auth.guards import REMEMBERED, Gate
from service.auth.limits import Allowance
from service.auth.tokens import DEVICE, KEY, SESSION, Grant, Held, find_token, make_token
from service.care import Who
from service.clock import SetClock
from service.database import Database
from service.errors import NOT_SIGNED_IN, Refused
from service.tables import token
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, populate

MACHINE = Who(CLINIC, "key", "scheduler", sees_all=True)


@pytest.fixture
async def database(database: Database) -> Database:
    await database.write(populate)
    return database


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def gate(database: Database, clock: SetClock) -> Gate:
    return Gate(database, clock, Allowance(database, 600))


async def test_only_its_hash_is_kept(database: Database) -> None:
    made = [await database.write(make_token, who, NOON) for who in (ADA, ADA, BEN)]
    assert len(set(made)) == 3
    assert min(len(it) for it in made) >= 43, "256 bits"
    rows = await database.read(lambda db: [tuple(row) for row in db.execute(select(token))])
    assert not [value for row in rows for value in row if value in made]


async def test_it_says_whose_it_is_and_what_for(database: Database) -> None:
    grant = Grant("key", lasts=DAY, label="Calendar", verbs=("read sessions", "write sessions"))
    made = await database.write(make_token, MACHINE, NOON, None, grant)
    held: Held = await database.read(find_token, made, NOON)
    may = msgspec.structs.replace(MACHINE, verbs=frozenset(grant.verbs))
    assert (held.who, held.use, held.label, held.verbs) == (may, "key", "Calendar", grant.verbs)
    assert (held.made_at, held.good_until, held.expires_at) == (NOON, NOON + DAY, NOON + DAY)
    assert {who.kind: tokens.USUAL[who.kind] for who in (ADA, BEN, MACHINE)} == {
        "patient": DEVICE,
        "clinician": SESSION,
        "key": KEY,
    }


@pytest.mark.parametrize(
    ("who", "unused", "opens"),
    [
        (BEN, 14 * MINUTE + 59 * SECOND, True),
        (BEN, 15 * MINUTE - 1, True),
        (BEN, 15 * MINUTE, False),
        (BEN, 15 * MINUTE + SECOND, False),
        (ADA, 90 * DAY - 1, True),
        (ADA, 90 * DAY, False),
        (MACHINE, 3_650 * DAY, True),
    ],
)
async def test_left_alone_it_ends_after_its_idle_time(
    database: Database, gate: Gate, clock: SetClock, who: Who, unused: int, opens: bool
) -> None:
    made = await database.write(make_token, who, NOON)
    clock.move_to(NOON + unused)
    assert (await gate.held(made) is not None) is opens


@pytest.mark.parametrize(("who", "step", "last"), [(BEN, 14 * MINUTE, 12 * HOUR), (ADA, 80 * DAY, None)])
async def test_in_use_it_stays_until_its_absolute_end(
    database: Database, gate: Gate, clock: SetClock, who: Who, step: int, last: int | None
) -> None:
    made = await database.write(make_token, who, NOON)
    for number in range(1, 60):
        clock.move_to(NOON + number * step)
        held = await gate.held(made)
        assert (held is not None) == (last is None or number * step < last)


async def test_twelve_hours_are_twelve_hours(database: Database, gate: Gate, clock: SetClock) -> None:
    made = await database.write(make_token, BEN, NOON)
    while clock.now() < NOON + 12 * HOUR - 10 * MINUTE:
        clock.move_to(clock.now() + 10 * MINUTE)
        assert await gate.held(made)
    clock.move_to(NOON + 12 * HOUR - 1)
    assert await gate.held(made)
    clock.move_to(NOON + 12 * HOUR)
    assert await gate.held(made) is None


async def test_being_read_often_is_written_down_seldom(database: Database, gate: Gate, clock: SetClock) -> None:
    made = await database.write(make_token, BEN, NOON)
    seen: list[Instant] = []
    for second in range(0, 121, 5):
        clock.move_to(NOON + second * SECOND)
        assert await gate.held(made)
        seen.append((await database.read(find_token, made, clock.now())).seen_at)
    assert sorted(set(seen)) == [NOON, NOON + 30 * SECOND, NOON + MINUTE, NOON + 90 * SECOND, NOON + 2 * MINUTE]


async def test_a_session_ended_anywhere_opens_nothing_at_once(database: Database, gate: Gate) -> None:
    """As another process would end it: this one is told nothing."""
    made = await database.write(make_token, BEN, NOON)
    held = await gate.held(made)
    assert held
    assert await database.write(tokens.end_token, CLINIC, held.id, NOON)
    assert await gate.held(made) is None
    assert not await database.write(tokens.end_token, CLINIC, held.id, NOON), "it had ended"


@pytest.mark.parametrize("way", ["read", "write"])
async def test_a_device_ended_anywhere_opens_nothing_at_once_though_it_was_remembered(
    database: Database, gate: Gate, clock: SetClock, way: str
) -> None:
    """Nobody tells the gate; and what the transaction was to do is not begun."""
    made = await database.write(make_token, ADA, NOON)
    held = await gate.held(made)
    assert held
    for _ in range(2):
        assert await getattr(gate.part(held), way)(lambda db: "opened") == "opened"
    await database.write(tokens.end_tokens, ADA, NOON)
    remembered = await gate.held(made)
    assert remembered
    with pytest.raises(Refused) as refused:
        await getattr(gate.part(remembered), way)(pytest.fail)
    assert refused.value.kind is NOT_SIGNED_IN
    clock.move_to(NOON + REMEMBERED)
    assert await gate.held(made) is None


async def test_a_token_that_stands_is_asked_for_again_only_where_something_was_written(
    database: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await gate.held(await database.write(make_token, ADA, NOON))
    assert held
    asked: list[str] = []

    def noting(db: Connection, it: Held) -> bool:
        asked.append(it.id)
        return tokens.stands(db, it)

    monkeypatch.setattr(guards, "stands", noting)
    part = gate.part(held)
    for _ in range(3):
        await part.read(lambda db: None)
    assert len(asked) == (1 if database.commits is not None else 3)
    await database.write(lambda db: None)
    await part.read(lambda db: None)
    assert len(asked) == (2 if database.commits is not None else 4)


async def test_only_those_of_one_person_end_and_one_may_be_spared(database: Database) -> None:
    await database.write(people.add_clinician, "harbour", "ben", "Another Ben")
    everybody = (ADA, BEN, BEN, BEN, CLEO, DOV, Who("harbour", "clinician", "ben"), Who(CLINIC, "patient", "ben"))
    made = [await database.write(make_token, who, NOON) for who in everybody]
    spared: Held = await database.read(find_token, made[1], NOON)
    assert await database.write(tokens.end_tokens, BEN, NOON, [spared.id]) == 2

    def open_now(db: Connection) -> list[bool]:
        return [find_token(db, it, NOON) is not None for it in made]

    assert await database.read(open_now) == [True, True, False, False, True, True, True, True]
    assert [it.id for it in await database.read(tokens.tokens_of, BEN, NOON)] == [spared.id]
    assert not await database.write(tokens.end_token, "harbour", spared.id, NOON), "another clinic's"
