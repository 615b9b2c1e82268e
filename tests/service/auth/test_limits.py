"""How often something may be tried: the same for all processes, exact, and no way to lock a colleague out."""

import asyncio
import random

import pytest
from sqlalchemy import Connection, func, select

from programs.instants import HOUR, MINUTE, SECOND, Instant
from service.auth import limits
from service.auth.limits import LIMITS, Allowance, Limit, SignIn, Take, TooMany, signed_in, take, try_sign_in
from service.database import Database, connect
from service.tables import rate
from tests.world import NOON

FIVE = Limit("five", 5, 10 * SECOND)
HOME, ABROAD = "203.0.113.9", "198.51.100.{}"
AT_HOME = SignIn("ben@riverside.example", "riverside", HOME)


def passes(db: Connection, takes: list[Take], now: Instant) -> bool:
    try:
        take(db, takes, now)
    except TooMany:
        return False
    return True


def wait_told(db: Connection, takes: list[Take], now: Instant) -> int:
    with pytest.raises(TooMany) as refused:
        take(db, takes, now)
    assert refused.value.headers == {"Retry-After": str(refused.value.wait)}
    return refused.value.wait


async def test_as_many_as_the_limit_at_once_then_one_at_a_time(database: Database) -> None:
    def tries(db: Connection) -> None:
        one = [Take(FIVE, ("ada",))]
        assert [passes(db, one, NOON) for _ in range(7)] == [True] * 5 + [False] * 2
        assert wait_told(db, one, NOON) == 2
        assert not passes(db, one, NOON + 2 * SECOND - 1)
        assert passes(db, one, NOON + 2 * SECOND)
        assert not passes(db, one, NOON + 2 * SECOND)
        assert passes(db, [Take(FIVE, ("eve",))], NOON)
        assert passes(db, [Take(Limit("other", 5, 10 * SECOND), ("ada",))], NOON)
        assert [passes(db, one, NOON + HOUR) for _ in range(6)] == [True] * 5 + [False]

    await database.write(tries)


async def test_however_one_times_it_no_window_holds_more(database: Database) -> None:
    """And whoever waits as long as they were told gets through, where a second less would not do."""

    def tries(db: Connection) -> None:
        chance, now, passed = random.Random(3), NOON, []
        for _ in range(300):
            it = Limit("drawn", 7, 10_001)
            cost = chance.choice((1, 1, 2, 7))
            now += chance.choice((0, 1, 300, 1_428, 5_000, 20_000))
            one = [Take(it, ("ada",), cost)]
            if not passes(db, one, now):
                wait = wait_told(db, one, now)
                assert not passes(db, one, now + (wait - 1) * SECOND)
                now += wait * SECOND
                take(db, one, now)
            passed.append((now, cost))
        for start, _ in passed:
            within = sum(cost for at, cost in passed if start <= at < start + it.per)
            assert within <= 2 * it.tries, "the burst, and what was let through one at a time in the same period"
        assert sum(cost for _, cost in passed) <= it.tries + (now - NOON) // it.step

    await database.write(tries)


async def test_what_one_limit_refuses_uses_up_nothing_of_another(database: Database) -> None:
    takes = [Take(Limit("wide", 3, HOUR), ("ada",)), Take(Limit("narrow", 1, HOUR), ("ada",))]
    await database.write(take, takes, NOON)
    for _ in range(5):
        with pytest.raises(TooMany):
            await database.write(take, takes, NOON)
    assert [await database.write(passes, takes[:1], NOON) for _ in range(3)] == [True, True, False]


async def test_a_hundred_tries_at_once_pass_as_often_as_the_limit_says(database: Database, database_url: str) -> None:
    """On PostgreSQL from two processes' pools; a SQLite file has one process."""
    doors = [database]
    if database_url.startswith("postgresql"):
        doors.append(await connect(database_url, {}))
    tries = [door.write(take, [Take(FIVE, ("ada",))], NOON) for door in doors for _ in range(100 // len(doors))]
    done = await asyncio.gather(*tries, return_exceptions=True)
    for door in doors[1:]:
        await door.close()
    assert sum(it is None for it in done) == FIVE.tries
    assert all(it is None or isinstance(it, TooMany) for it in done)


async def test_rows_that_limit_nobody_are_forgotten(database: Database) -> None:
    def rows(db: Connection) -> int:
        return db.execute(select(func.count()).select_from(rate)).scalar_one()

    await database.write(take, [Take(FIVE, ("ada",)), Take(Limit("other", 1, HOUR), ("ada",))], NOON)
    await database.write(limits.forget, NOON + 2 * SECOND)
    assert await database.read(rows) == 1
    assert not await database.write(passes, [Take(Limit("other", 1, HOUR), ("ada",))], NOON + 2 * SECOND)
    await database.write(limits.forget, NOON + HOUR)
    assert await database.read(rows) == 0


async def test_a_row_tells_nobody_whose_it_is(database: Database) -> None:
    def rows(db: Connection) -> str:
        return str(db.execute(select(rate)).all())

    await database.write(try_sign_in, AT_HOME, NOON)
    kept = await database.read(rows)
    assert "ben" not in kept
    assert HOME not in kept


# signing in


def trying(db: Connection, it: SignIn, now: Instant) -> bool:
    try:
        try_sign_in(db, it, now)
    except TooMany:
        return False
    return True


async def test_guessing_one_account_from_a_thousand_addresses_is_stopped(database: Database) -> None:
    def tries(db: Connection) -> int:
        return sum(
            trying(db, AT_HOME._replace(address=f"198.51.{number // 250}.{number % 250}"), NOON)
            for number in range(1000)
        )

    assert await database.write(tries) == limits.LOGIN_BY_ACCOUNT.tries


async def test_guessing_many_accounts_from_one_address_is_stopped(database: Database) -> None:
    def tries(db: Connection, clinic: str) -> int:
        return sum(trying(db, SignIn(f"{number}@x.example", clinic, HOME), NOON) for number in range(300))

    assert await database.write(tries, "") == limits.LOGIN_BY_ADDRESS.tries


async def test_guessing_many_accounts_of_a_clinic_from_many_addresses_is_stopped(database: Database) -> None:
    def tries(db: Connection) -> int:
        return sum(
            trying(db, SignIn(f"{number % 40}@x.example", "riverside", ABROAD.format(number % 250)), NOON)
            for number in range(1000)
        )

    assert await database.write(tries) == limits.LOGIN_BY_CLINIC.tries


async def test_nobody_is_locked_out_by_the_failures_of_others(database: Database) -> None:
    """Ben has come in from his clinic's address; a stranger then tries for hours, and he still comes in each time."""

    def attacked(db: Connection) -> None:
        try_sign_in(db, AT_HOME, NOON)
        signed_in(db, AT_HOME, NOON)
        for hour in range(1, 3):
            now = NOON + hour * HOUR
            for number in range(200):
                trying(db, AT_HOME._replace(address=ABROAD.format(number % 250)), now)
                trying(db, AT_HOME._replace(account=f"{number}@x.example", address=ABROAD.format(number % 250)), now)
            assert not trying(db, AT_HOME._replace(address="192.0.2.1"), now)
            for _ in range(3):
                try_sign_in(db, AT_HOME, now)
                signed_in(db, AT_HOME, now)
            # Cleo never signed in, but the address is one of her clinic's: that one's limit does not hold there.
            try_sign_in(db, AT_HOME._replace(account="cleo@riverside.example"), now)

    await database.write(attacked)


async def test_nor_by_somebody_who_sits_at_the_same_address(database: Database) -> None:
    """A patient in the waiting room shares it; the browser that Ben uses every day has a limit of its own."""
    browser = AT_HOME._replace(browser="a cookie of 128 bits")

    def attacked(db: Connection) -> None:
        signed_in(db, browser, NOON)
        while trying(db, AT_HOME, NOON):
            pass
        assert not trying(db, AT_HOME._replace(browser="a cookie of their own"), NOON)
        try_sign_in(db, browser, NOON)

    await database.write(attacked)


async def test_at_home_too_a_password_cannot_be_guessed(database: Database) -> None:
    def tries(db: Connection) -> int:
        signed_in(db, AT_HOME, NOON)
        return sum(trying(db, AT_HOME, NOON) for _ in range(200))

    assert await database.write(tries) == limits.LOGIN_AT_HOME.tries


async def test_who_comes_in_uses_nothing_up(database: Database) -> None:
    def day(db: Connection) -> None:
        for number in range(150):
            one = SignIn(f"{number}@riverside.example", "riverside", HOME)
            try_sign_in(db, one, NOON)
            signed_in(db, one, NOON)

    await database.write(day)


def test_limits_are_each_their_own() -> None:
    assert len({it.name for it in LIMITS}) == len(LIMITS)
    assert all(it.step > 0 and len(it.name) <= 32 for it in LIMITS)


# the overall limit


async def test_a_phone_in_ordinary_use_costs_no_write(database: Database) -> None:
    allowance = Allowance(database, 600)
    before = database.commits
    for number in range(60 * 5):
        await allowance.spend("ada", NOON + number * SECOND)
    assert database.commits == before
    assert await database.read(lambda db: db.execute(select(rate)).all()) == []


async def test_two_processes_let_little_more_pass_than_one(database: Database) -> None:
    doors = [Allowance(database, 600), Allowance(database, 600)]
    passed = 0
    for number in range(2000):
        try:
            await doors[number % 2].spend("ada", NOON)
            passed += 1
        except TooMany:
            pass
    assert passed == 600 + 2 * 60
    await doors[0].spend("eve", NOON)
    await doors[0].spend("ada", NOON + MINUTE)
