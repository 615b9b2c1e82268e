"""The bridge: a unit of work is all or nothing, is last once it is answered, and one file has one owner."""

import asyncio
import sqlite3
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from programs import people
from programs.people import Clinic
from programs.tables import clinic
from service.database import READERS, Database, InUse, SQLite, connect, own, postgresql_engine
from tests.world import NOON

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def add(db: Connection, id: str) -> str:
    people.add_clinic(db, Clinic(id, id.title(), "America/New_York", "US", ""), NOON)
    return id


def names(db: Connection) -> set[str]:
    return set(db.execute(select(clinic.c.clinic_id)).scalars())


def add_and_fail(db: Connection, id: str) -> None:
    add(db, id)
    raise LookupError(id)


def seen_by_another(url: str) -> set[str]:
    """What somebody sees who comes with a connection of their own."""
    engine = create_engine(url) if url.startswith("sqlite") else postgresql_engine(url)
    with engine.connect() as db:
        found = names(db)
    engine.dispose()
    return found


class Gate:
    """Holds a verb in its thread until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(20)

    async def is_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 20)


def gated(db: Connection, verb: Callable[..., object], gate: Gate, *args: object) -> object:
    """The verb, with a stop between its work and its end."""
    result = verb(db, *args)
    gate()
    return result


# writing


async def test_fifty_that_write_at_once_all_commit(database: Database) -> None:
    ids = [f"c{number}" for number in range(50)]
    assert await asyncio.gather(*(database.write(add, id) for id in ids)) == ids
    assert await database.read(names) == set(ids)


@only_sqlite
async def test_writes_that_wait_for_each_other_share_a_commit(database: Database) -> None:
    await asyncio.gather(*(database.write(add, f"c{number}") for number in range(50)))
    assert database.commits == 1


async def test_one_that_fails_undoes_itself_and_its_neighbours_stand(database: Database) -> None:
    await database.write(add, "there")
    results = await asyncio.gather(
        database.write(add, "before"),
        database.write(add_and_fail, "failed"),
        database.write(add, "between"),
        database.write(add, "there"),
        database.write(add, "after"),
        return_exceptions=True,
    )
    assert [it if isinstance(it, str) else type(it) for it in results] == [
        "before",
        LookupError,
        "between",
        IntegrityError,
        "after",
    ]
    assert await database.read(names) == {"there", "before", "between", "after"}


async def test_one_that_fails_alone_leaves_nothing(database: Database) -> None:
    with pytest.raises(LookupError):
        await database.write(add_and_fail, "failed")
    await database.write(add, "next")
    assert await database.read(names) == {"next"}


async def test_whoever_has_the_answer_can_show_it_to_others(database: Database, database_url: str) -> None:
    async def write_and_look(id: str) -> bool:
        await database.write(add, id)
        return id in seen_by_another(database_url)

    assert all(await asyncio.gather(*(write_and_look(f"c{number}") for number in range(10))))


async def test_the_worker_hears_of_a_commit_when_it_can_see_it(database: Database, database_url: str) -> None:
    heard: list[set[str]] = []
    database.committed = lambda: heard.append(seen_by_another(database_url))
    await database.write(add, "first")
    await database.write(add, "second")
    assert heard == [{"first"}, {"first", "second"}]


@only_sqlite
async def test_a_commit_is_on_disk_before_it_is_answered(database: Database) -> None:
    """Killing the process cannot show it, as the kernel keeps what was written: only a power cut could."""
    assert isinstance(database, SQLite)
    mode = await database.write(lambda db: db.execute(text("PRAGMA synchronous")).scalar())
    assert mode == 2  # FULL


@only_sqlite
async def test_nobody_is_told_of_success_when_the_commit_itself_fails(database: Database) -> None:
    def leave_it_broken(db: Connection) -> str:
        """A row of a clinic that is not there, which is looked at when the transaction ends."""
        db.execute(text("PRAGMA defer_foreign_keys = ON"))
        people.add_clinician(db, "none", "nobody", "Nobody")
        return "written"

    results = await asyncio.gather(
        database.write(add, "first"), database.write(leave_it_broken), return_exceptions=True
    )
    assert [type(it) for it in results] == [IntegrityError, IntegrityError]
    assert await database.write(add, "next") == "next"
    assert await database.read(names) == {"next"}


async def test_a_caller_that_goes_away_leaves_no_transaction_open(database_url: str) -> None:
    database, gate = await connect(database_url, {}), Gate()
    gone = asyncio.create_task(database.write(gated, add, gate, "gone"))
    await gate.is_reached()
    waiting = asyncio.create_task(database.write(add, "waiting"))
    gone.cancel()
    await asyncio.wait([gone])
    assert gone.cancelled()
    gate.opened.set()
    assert await waiting == "waiting"
    assert await database.write(add, "next") == "next"
    await database.close()
    # It had begun, so it is all there; it could as well be all undone, but not half.
    assert seen_by_another(database_url) == {"gone", "waiting", "next"}


async def test_readers_that_go_away_are_replaced(database: Database) -> None:
    await database.write(add, "there")
    gate = Gate()
    gone = [asyncio.create_task(database.read(gated, names, gate)) for _ in range(READERS)]
    await gate.is_reached()
    for it in gone:
        it.cancel()
    await asyncio.wait(gone)
    gate.opened.set()
    found = await asyncio.gather(*(database.read(names) for _ in range(3 * READERS)))
    assert found == [{"there"}] * (3 * READERS)


@only_postgresql
async def test_two_that_lock_each_other_out_both_come_through(database: Database) -> None:
    """PostgreSQL ends one of them with an error that means: try again."""
    for id in ("one", "two"):
        await database.write(add, id)
    both_hold_one = threading.Barrier(2, timeout=20)
    tries: list[str] = []

    def rename(db: Connection, first: str, second: str) -> None:
        tries.append(first)
        db.execute(update(clinic).where(clinic.c.clinic_id == first).values(name=first))
        if len(tries) <= 2:
            both_hold_one.wait()
        db.execute(update(clinic).where(clinic.c.clinic_id == second).values(phone=first))

    await asyncio.gather(database.write(rename, "one", "two"), database.write(rename, "two", "one"))
    assert len(tries) == 3
    kept = await database.read(lambda db: [tuple(row) for row in db.execute(select(clinic.c.name, clinic.c.phone))])
    assert sorted(kept) == [("one", "two"), ("two", "one")]


# reading


async def test_who_reads_cannot_write(database: Database) -> None:
    with pytest.raises(SQLAlchemyError):
        await database.read(add, "sly")
    assert await database.read(names) == set()


async def test_who_reads_sees_one_state_from_beginning_to_end(database: Database) -> None:
    gate = Gate()

    def twice(db: Connection) -> tuple[set[str], set[str]]:
        before = names(db)
        gate()
        return before, names(db)

    await database.write(add, "before")
    reading = asyncio.create_task(database.read(twice))
    await gate.is_reached()
    await database.write(add, "meanwhile")
    gate.opened.set()
    assert await reading == ({"before"}, {"before"})
    assert await database.read(names) == {"before", "meanwhile"}


# closing, being killed, and who owns the file


async def test_closing_waits_for_what_is_being_written(database_url: str) -> None:
    db = await connect(database_url, {})
    gate = Gate()
    writes = [asyncio.create_task(db.write(gated, add, gate, "slow"))]
    await gate.is_reached()
    writes += [asyncio.create_task(db.write(add, f"c{number}")) for number in range(5)]
    await asyncio.sleep(0)
    threading.Timer(0.05, gate.opened.set).start()
    await db.close()
    assert await asyncio.gather(*writes) == ["slow", "c0", "c1", "c2", "c3", "c4"]
    assert len(seen_by_another(database_url)) == 6


async def acknowledge(url: str) -> None:
    """The other process: four that write for ever, each saying what was written once it has the answer."""
    async with await connect(url, {}) as db:

        async def write(name: str) -> None:
            number = 0
            while True:
                print(await db.write(add, f"{name}{number}"), flush=True)
                number += 1

        await asyncio.gather(*(write(name) for name in "abcd"))


@asynccontextmanager
async def another_process(url: str) -> AsyncIterator[Process]:
    code = f"import asyncio; from tests.service.test_database import acknowledge; asyncio.run(acknowledge({url!r}))"
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=root, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_what_was_acknowledged_is_there_after_kill_9(database_url: str) -> None:
    async with another_process(database_url) as process:
        assert process.stdout is not None
        said = [await process.stdout.readline() for _ in range(200)]
        process.kill()
        said += (await process.stdout.read()).splitlines(keepends=True)
    acknowledged = {line.decode().strip() for line in said if line.endswith(b"\n")}
    assert len(acknowledged) >= 200
    async with await connect(database_url, {}) as db:
        assert acknowledged <= await db.read(names)
        await db.write(add, "next")


@only_sqlite
async def test_a_file_has_one_owner_until_that_closes_it(database_url: str) -> None:
    async with await connect(database_url, {}):
        with pytest.raises(InUse, match="is open in another process"):
            async with await connect(database_url, {}):
                pass  # closed again, should it open, or its threads keep the tests from ending
    async with await connect(database_url, {}) as db:
        assert await db.read(names) == set()


@only_sqlite
async def test_a_file_is_free_again_when_its_owner_was_killed(database_url: str) -> None:
    async with another_process(database_url) as process:
        assert process.stdout is not None
        await process.stdout.readline()
        with pytest.raises(InUse):
            await connect(database_url, {})
        process.kill()
        await process.wait()
        async with await connect(database_url, {}) as db:
            assert await db.read(names)


@pytest.fixture
def no_database(tmp_path: Path) -> str:
    path = tmp_path / "notes.db"
    path.write_bytes(b"not a database" * 1000)
    return str(path)


async def test_a_file_that_is_no_database_leaves_nothing_open(no_database: str) -> None:
    """Neither the lock nor a thread, which would keep the process from ending."""
    before = set(threading.enumerate())
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await connect(f"sqlite:///{no_database}", {})
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
    own(no_database).close()


async def test_what_is_only_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a file"):
        await connect("sqlite://", {})
