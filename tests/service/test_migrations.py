"""The migrated schema is the one the tables describe, on both databases, however often and however interrupted."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command, op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner, Result
from sqlalchemy import Connection, inspect, text

from programs import people
from service import migrations, tables
from service.cli import main
from service.database import InUse, connect, own
from service.migrations import Newer, config, migrate, migrating, migration_engine
from tests.conftest import address_of, run
from tests.service.test_imports import export
from tests.world import CLINIC, populate

METADATA = tables.token.metadata
NEWEST = max(it.stem for it in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")).split("_")[0]
COMMANDS = ["migrate", "serve", "token patient Riverside Ada", "import needling-sessions visits.csv"]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A database without a schema, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgresql_server")
    run(server, "CREATE DATABASE empty")
    yield address_of(server, "empty")
    run(server, "DROP DATABASE empty WITH (FORCE)")


def schema(db: Connection) -> dict[str, Any]:
    """All that the database itself says of its tables, less the order of what has none."""
    eye = inspect(db)
    found: dict[str, Any] = {}
    for name in sorted(set(eye.get_table_names()) - {"alembic_version"}):
        found[name] = {
            "columns": [(it["name"], repr(it["type"]), it["nullable"], it["default"]) for it in eye.get_columns(name)],
            "key": (eye.get_pk_constraint(name)["name"], eye.get_pk_constraint(name)["constrained_columns"]),
            "checks": sorted((str(it["name"]), it["sqltext"]) for it in eye.get_check_constraints(name)),
            "unique": sorted((str(it["name"]), it["column_names"]) for it in eye.get_unique_constraints(name)),
            "indexes": sorted((str(it["name"]), it["column_names"], it["unique"]) for it in eye.get_indexes(name)),
            "foreign": sorted(
                (str(it["name"]), it["constrained_columns"], it["referred_table"], it["referred_columns"])
                for it in eye.get_foreign_keys(name)
            ),
            "options": eye.get_table_options(name),
        }
    return found


def schema_at(url: str) -> dict[str, Any]:
    engine = migration_engine(url)
    with engine.connect() as db:
        found = schema(db)
    engine.dispose()
    return found


def test_the_migrated_schema_is_the_one_the_tables_describe(database_url: str) -> None:
    with migrating(database_url) as db:
        assert compare_metadata(MigrationContext.configure(db), METADATA) == []


def test_it_is_so_down_to_the_names_of_checks(empty_url: str) -> None:
    """Alembic compares no checks; one that is only in the tables would guard nothing."""
    with migrating(empty_url) as db:
        METADATA.create_all(db)
        described = schema(db)
        METADATA.drop_all(db)
    assert len(described) == len(METADATA.tables)
    migrate(empty_url)
    assert schema_at(empty_url) == described


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    async with await connect(database_url, {}) as db:
        await db.write(populate)
    before = schema_at(database_url)
    migrate(database_url)
    assert schema_at(database_url) == before
    async with await connect(database_url, {}) as db:
        assert (await db.read(people.clinic_of, CLINIC)).name == "Riverside"


def test_down_to_nothing_and_up_again_is_the_same_schema(database_url: str) -> None:
    before = schema_at(database_url)
    with migrating(database_url) as db:
        command.downgrade(config(db), "base")
        assert schema(db) == {}
    migrate(database_url)
    assert schema_at(database_url) == before


def test_a_migration_that_stops_halfway_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next try would find tables it wants to make, and never come through."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", stop)
        with pytest.raises(KeyboardInterrupt):
            migrate(empty_url)
    assert schema_at(empty_url) == {}
    migrate(empty_url)
    assert len(schema_at(empty_url)) == len(METADATA.tables)


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_processes_that_start_together_make_one_schema(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(migrate, [empty_url] * 4)) == [None] * 4
    assert len(schema_at(empty_url)) == len(METADATA.tables)


# a newer database, and one in use


@pytest.fixture
def newer_url(database_url: str) -> str:
    """What a program of next year leaves behind."""
    with migrating(database_url) as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    return database_url


def test_a_database_newer_than_this_program_is_refused_and_left_as_it_is(newer_url: str) -> None:
    before = schema_at(newer_url)
    with pytest.raises(Newer) as refused:
        migrate(newer_url)
    assert str(refused.value) == (
        "the database is newer than this program: its schema is 0999, this program knows those up to "
        f"{NEWEST}. Start the newer program."
    )
    assert schema_at(newer_url) == before
    with migrating(newer_url) as db:
        assert db.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0999"]


def test_a_running_server_keeps_migrations_away_from_its_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'homestretch.db'}"
    migrate(url)
    with own(str(tmp_path / "homestretch.db")), pytest.raises(InUse):
        migrate(url)
    migrate(url)


def test_nobody_opens_a_file_while_it_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'homestretch.db'}"
    with migrating(url), pytest.raises(InUse):
        own(str(tmp_path / "homestretch.db"))


def said_by(words: str, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A command on this database, in this process."""
    monkeypatch.chdir(folder)
    (folder / "visits.csv").write_bytes(export({}))
    settings = {"HOMESTRETCH_DATABASE_URL": url, "HOMESTRETCH_PORT": "0"}
    return CliRunner().invoke(main, words.split(), env=settings)


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_says_in_one_line_that_the_database_is_newer(
    words: str, newer_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_by(words, newer_url, tmp_path, monkeypatch)
    assert said.exit_code in (1, 2)
    assert said.stderr.splitlines()[-1].startswith("Error: the database is newer than this program: ")
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_says_in_one_line_that_the_file_is_in_use(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "homestretch.db"
    with own(str(file)):
        said = said_by(words, f"sqlite:///{file}", tmp_path, monkeypatch)
    assert said.exit_code in (1, 2)
    assert said.stderr == f"Error: {file} is open in another process (the server?): stop that one first\n"
