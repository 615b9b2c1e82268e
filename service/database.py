"""The bridge between the loop and the database: a whole unit of work in one hop.

A verb is a plain function over an open SQLAlchemy connection. `read` and `write` run it on a connection's own thread,
in one transaction, and give its result. SQLite: one writer, which alone checkpoints (which also avoids the WAL-reset
bug of SQLite before 3.51.3), and readers that cannot write; writes that wait for each other share one commit, each in
its own savepoint. PostgreSQL: a pool, one transaction a verb; it groups commits itself.

A transaction is of one clinic (`at`), which PostgreSQL is told as it begins and holds it to (walls.py), or of the
service itself, for which most tables are empty.
"""

import asyncio
import contextlib
import fcntl
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, Self
from urllib.parse import quote

import aiosqlite
import msgspec
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from programs import walls

# More in one commit would hold up the first of them for the sake of the last.
SHARING = 64
READERS = 2
POOL = 8
RETRIES = 3
# PostgreSQL's words for "two transactions were in each other's way, nothing was changed": try again.
SERIALIZATION_FAILURES = ("40001", "40P01")

Verb = Callable[..., Any]


class Bridge(Protocol):
    """How verbs reach the database: all of it, or one clinic's part."""

    async def read(self, verb: Verb, *args: Any) -> Any: ...

    async def write(self, verb: Verb, *args: Any) -> Any: ...


class Database(ABC):
    """`committed` is called on the loop after each commit: the worker looks whether it must wake earlier.

    `read` and `write` are of the service itself: what it looks up before it knows a clinic, or for all of them. On
    PostgreSQL such a transaction sees the few tables of walls.OPEN_TO_SERVICE; all others look empty to it.


    `carried` is what verbs find in the `info` of their connection: keys that must not lie in the database.
    """

    def __init__(self, carried: Mapping[str, Any] | None = None) -> None:
        self.carried = carried or {}
        self.committed: Callable[[], None] = nothing
        self.closing: list[Callable[[], Awaitable[None]]] = []
        # How often anything was written; None where other processes write unseen.
        self.commits: int | None = None

    @abstractmethod
    async def read(self, verb: Verb, *args: Any) -> Any:
        """The verb's result. It sees one state of the database and cannot change it."""

    @abstractmethod
    async def write(self, verb: Verb, *args: Any) -> Any:
        """The verb's result, after the commit that makes it last. If it raises, nothing of it was written."""

    def at(self, clinic: str) -> Bridge:
        """What one clinic may see and write; on SQLite the clinic_id in each statement is all that says so."""
        return self

    async def append(self, clinic: str, verb: Verb, *args: Any) -> Any:
        """As `at(clinic).write`, for what nobody is shown and no message follows from: what was read stands."""
        return await self.at(clinic).write(verb, *args)

    async def scrub(self) -> None:
        """After this nothing that was deleted is left in the files of the database, where that is ours to do."""
        return

    async def close(self) -> None:
        """Whoever holds something back for a moment writes it now (`closing`)."""
        for last_words in self.closing:
            await last_words()
        await self._close()

    @abstractmethod
    async def _close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def nothing() -> None:
    return None


async def connect(url: str, carried: Mapping[str, Any]) -> Database:
    """`sqlite:///path` or `postgresql://...`; the schema must be there already (see migrations).

    `carried` is vault.carried_by(...) of the settings; {} where nobody will verify the audit, as in tests.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return await SQLite.open(sqlite_path(url), carried)
    return PostgreSQL(url, carried)


def sqlite_path(url: str) -> str:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise ValueError("a SQLite database must be a file: what is only in memory is lost at the first restart")
    return path


def encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class InUse(OSError):
    """Another process has the SQLite file open."""


def own(path: str) -> BinaryIO:
    """The lock of a SQLite file, held until it is closed or the process ends, however it ends. Raises InUse.

    One process owns the file: two that write and checkpoint at the same instant can corrupt it (SQLite before 3.51.3),
    and what this process keeps between commits would not know of the other's.
    """
    lock = Path(f"{path}.lock").open("wb")  # noqa: SIM115 (open for as long as the database is)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise InUse(f"{path} is open in another process (the server?): stop that one first") from None
    return lock


@contextlib.contextmanager
def looking(url: str) -> Iterator[Connection]:
    """One state of a database, to look at and nothing else, also while a server has it open. Raises OSError."""
    if make_url(url).get_backend_name() == "sqlite":
        path = sqlite_path(url)
        if not Path(path).exists():
            raise OSError(f"there is no database at {path}")
        engine = create_engine(f"sqlite:///file:{quote(path)}?mode=ro&uri=true")
    else:
        engine = postgresql_engine(url).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with engine.connect() as db:
            yield db
    finally:
        engine.dispose()


class _Waiting(NamedTuple):
    verb: Verb
    args: Sequence[Any]
    answer: "asyncio.Future[Any]"
    quiet: bool  # see Database.append


class _Thread(threading.local):
    file: sqlite3.Connection


_THREAD = _Thread()
# One for all hands: what SQLAlchemy has compiled for one of them (a millisecond a statement), it has for the others.
_ENGINE = create_engine(
    "sqlite://", hide_parameters=True, creator=lambda: _THREAD.file, poolclass=NullPool, query_cache_size=1000
)


class _Hand:
    """One SQLite connection in its own thread, with SQLAlchemy on top of it in that thread."""

    def __init__(self, file: aiosqlite.Connection) -> None:
        self.file = file
        self.db: Connection

    @classmethod
    async def open(cls, path: str, *pragmas: str) -> Self:
        file = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
        hand = cls(file)
        try:
            await hand.run(hand._dress, pragmas)
        except BaseException:
            await file.close()  # or its thread keeps the process from ending
            raise
        return hand

    def _dress(self, pragmas: Sequence[str]) -> None:
        raw: sqlite3.Connection = self.file._conn
        for pragma in ("busy_timeout = 5000", "foreign_keys = ON", *pragmas):
            raw.execute(f"PRAGMA {pragma}")
        _THREAD.file = raw
        self.db = _ENGINE.connect()

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        # aiosqlite has no public way to run a function in its thread; one hop a unit of work is the whole point
        # (0.4 ms instead of 2.4 ms, see performance.md), and its version is pinned for this line.
        return await self.file._execute(work, *args)  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        await self.run(self.db.close)
        await self.file.close()


class SQLite(Database):
    def __init__(
        self, lock: BinaryIO, writer: _Hand, readers: Sequence[_Hand], carried: Mapping[str, Any] | None
    ) -> None:
        super().__init__(carried)
        self._lock = lock
        self.commits = 0
        self._writer = writer
        self._readers = readers
        self._free: asyncio.Queue[_Hand] = asyncio.Queue()
        for reader in readers:
            self._free.put_nowait(reader)
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: str, carried: Mapping[str, Any] | None = None) -> Self:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as undoing:
            lock = undoing.enter_context(own(path))
            # FULL: a commit that was answered survives the loss of power, not only of the process.
            writer = await _Hand.open(path, "journal_mode = WAL", "synchronous = FULL", "cache_size = -8192")
            undoing.push_async_callback(writer.close)
            readers: list[_Hand] = []
            for _ in range(READERS):
                reader = await _Hand.open(path, "query_only = ON", "wal_autocheckpoint = 0", "cache_size = -8192")
                undoing.push_async_callback(reader.close)
                readers.append(reader)
            undoing.pop_all()  # it is all there: from now on `close` does that
        for hand in (writer, *readers):
            hand.db.info.update(carried or {})
        return cls(lock, writer, readers, carried)

    async def read(self, verb: Verb, *args: Any) -> Any:
        hand = await self._free.get()
        try:
            return await asyncio.shield(hand.run(_read_once, hand.db, verb, args))
        finally:
            self._free.put_nowait(hand)

    async def write(self, verb: Verb, *args: Any) -> Any:
        return await self._queue(verb, args, False)

    async def append(self, clinic: str, verb: Verb, *args: Any) -> Any:
        return await self._queue(verb, args, True)

    async def _queue(self, verb: Verb, args: Sequence[Any], quiet: bool) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(verb, args, answer, quiet))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        # A caller that is cancelled leaves its write to finish: a transaction is never cut in two.
        return await answer

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:SHARING], self._waiting[SHARING:]
                try:
                    results = await self._writer.run(_write_together, self._writer.db, batch)
                except Exception as error:  # the commit itself failed: none of them was written
                    results = [error] * len(batch)
                quiet = all(one.quiet for one in batch)
                if not quiet:
                    self.commits = (self.commits or 0) + 1  # before anybody is told
                for one, result in zip(batch, results, strict=True):
                    _answer(one.answer, result)
                if not quiet:
                    self.committed()
        finally:
            self._writing = None

    async def scrub(self) -> None:
        """Writes the whole file anew: SQLite's own secure_delete leaves copies of rows that a page once held."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        self._writing = asyncio.create_task(self._rewrite())
        await asyncio.shield(self._writing)

    async def _rewrite(self) -> None:
        try:
            await self._writer.run(_rewrite, self._writer.file._conn)
        finally:
            self._writing = None
            if self._waiting:
                self._writing = asyncio.create_task(self._write_all())

    async def _close(self) -> None:
        while self._writing is not None:
            await asyncio.wait([self._writing])
        for hand in (*self._readers, self._writer):
            await hand.close()
        self._lock.close()


def _rewrite(raw: sqlite3.Connection) -> None:
    """A few seconds a gigabyte, in which nobody else writes. Raises where a reader would not let go of the old file."""
    raw.execute("VACUUM")
    busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("the write-ahead log is still being read")


def _read_once(db: Connection, verb: Verb, args: Sequence[Any]) -> Any:
    db.exec_driver_sql("BEGIN")
    try:
        return verb(db, *args)
    finally:
        db.rollback()


def _write_together(db: Connection, batch: Sequence[_Waiting]) -> list[Any]:
    """Each verb's result or its exception. Raises when the commit fails, and then nothing was written."""
    db.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        alone = len(batch) == 1
        results = [_attempt(db, one) if alone else _attempt_inside(db, one) for one in batch]
        if alone and isinstance(results[0], Exception):
            db.rollback()
        else:
            db.commit()
    except BaseException:
        db.rollback()
        # SQLAlchemy takes a commit that failed (the disk is full) for the end of the transaction; for SQLite it is not,
        # and no later one could begin.
        db.connection.rollback()
        raise
    return results


def _attempt(db: Connection, one: _Waiting) -> Any:
    try:
        return one.verb(db, *one.args)
    except Exception as error:
        return error


def _attempt_inside(db: Connection, one: _Waiting) -> Any:
    db.exec_driver_sql("SAVEPOINT one")
    result = _attempt(db, one)
    if isinstance(result, Exception):
        db.exec_driver_sql("ROLLBACK TO one")
    db.exec_driver_sql("RELEASE one")
    return result


def _answer(answer: "asyncio.Future[Any]", result: Any) -> None:
    if answer.cancelled():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


class PostgreSQL(Database):
    def __init__(self, url: str, carried: Mapping[str, Any] | None = None) -> None:
        super().__init__(carried)
        # We begin transactions ourselves, as the clinic is said in the same breath: it costs no way there and back.
        self._engine = postgresql_engine(
            url, pool_size=POOL, max_overflow=0, pool_pre_ping=True, isolation_level="AUTOCOMMIT"
        )
        self._threads = ThreadPoolExecutor(POOL, thread_name_prefix="database")

    async def read(self, verb: Verb, *args: Any) -> Any:
        return await self.read_as("", verb, args)

    async def write(self, verb: Verb, *args: Any) -> Any:
        return await self.write_as("", verb, args)

    def at(self, clinic: str) -> Bridge:
        return _Part(self, clinic)

    async def read_as(self, clinic: str, verb: Verb, args: Sequence[Any]) -> Any:
        return await self._hop(self._once, _begin(READING, clinic), verb, args)

    async def write_as(self, clinic: str, verb: Verb, args: Sequence[Any]) -> Any:
        result = await self._hop(self._until_done, _begin("BEGIN", clinic), verb, args)
        self.committed()
        return result

    async def _hop(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def _until_done(self, begin: str, verb: Verb, args: Sequence[Any]) -> Any:
        for _ in range(RETRIES):
            try:
                return self._once(begin, verb, args)
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) not in SERIALIZATION_FAILURES:
                    raise
        return self._once(begin, verb, args)

    def _once(self, begin: str, verb: Verb, args: Sequence[Any]) -> Any:
        # A read ends with a commit too: a rollback would make psycopg forget the statements it has prepared.
        with self._engine.begin() as db:
            driver: Any = db.connection.driver_connection
            driver.execute(begin)
            db.info.update(self.carried)
            return verb(db, *args)

    async def _close(self) -> None:
        self._threads.shutdown(wait=True)
        self._engine.dispose()


class _Part(NamedTuple):
    """One clinic's part of a PostgreSQL database."""

    whole: PostgreSQL
    clinic: str

    async def read(self, verb: Verb, *args: Any) -> Any:
        return await self.whole.read_as(self.clinic, verb, args)

    async def write(self, verb: Verb, *args: Any) -> Any:
        return await self.whole.write_as(self.clinic, verb, args)


READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@lru_cache(maxsize=4096)
def _begin(how: str, clinic: str) -> str:
    """Begins, and says for whom: what SET LOCAL says is forgotten with the transaction, in whatever way it ends."""
    if "\0" in clinic:
        raise ValueError("the id of a clinic with a zero byte in it")
    quoted = clinic.replace("'", "''")
    whose = f"{walls.CLINIC} = '{quoted}'" if clinic else f"{walls.SERVICE} = 'on'"
    return f"{how}; SET LOCAL {whose}"


def postgresql_engine(url: str, **options: Any) -> Engine:
    """With limits on every wait: a forgotten transaction or a lock held too long must not stop the clinic."""
    # jit: planning short statements with it takes longer than running them. random_page_cost: at its 4, which is for
    # disks that turn, a few hundred rows of a long queue are looked for by reading all of it. enable_material: a table
    # that filled up since its statistics were taken is held for a single row, kept, and gone through for every row of
    # another.
    planner = "-c jit=off -c random_page_cost=1.1 -c enable_material=off"
    limits = f"{planner} -c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={"options": limits, "connect_timeout": 10},
        hide_parameters=True,  # the words of an error are shown to nobody; should they be, they quote no row
        **options,
    )
