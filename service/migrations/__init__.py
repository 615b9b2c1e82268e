"""The schema, step by step: `migrate(url)` brings a database of either kind to the newest."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text

from service.database import own, postgresql_engine, sqlite_path

# Any number will do that nothing else in the database locks.
MIGRATING = 20_260_601


class Newer(RuntimeError):
    """The database was brought up to date by a newer version of this program."""


def migrate(url: str) -> None:
    """Make or bring up to date, in one transaction. Raises Newer, and InUse for a SQLite file that another has open."""
    with migrating(url) as db:
        settings = config(db)
        _refuse_newer(db, ScriptDirectory.from_config(settings))
        command.upgrade(settings, "head")


@contextlib.contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """One transaction on a database that nobody else migrates meanwhile, or, where it is a SQLite file, uses at all."""
    engine = migration_engine(url)
    try:
        with _alone(url), engine.begin() as db:
            if db.dialect.name == "postgresql":
                # Several processes may start at once on an empty database: one makes it, the others find it made.
                db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
            yield db
    finally:
        engine.dispose()


@contextlib.contextmanager
def _alone(url: str) -> Iterator[None]:
    if not url.startswith("sqlite"):
        yield
        return
    with own(sqlite_path(url)):
        yield


def migration_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return postgresql_engine(url)
    path = sqlite_path(url)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None})

    @event.listens_for(engine, "begin")
    def begin(db: Connection) -> None:
        # Python's own sqlite3 begins no transaction for CREATE TABLE: a migration that stops halfway would stay so.
        db.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _refuse_newer(db: Connection, scripts: ScriptDirectory) -> None:
    known = {it.revision for it in scripts.walk_revisions()}
    unknown = sorted(set(MigrationContext.configure(db).get_current_heads()) - known)
    if unknown:
        raise Newer(
            f"the database is newer than this program: its schema is {', '.join(unknown)}, "
            f"this program knows those up to {scripts.get_current_head()}. Start the newer program."
        )


def config(db: Connection) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["connection"] = db
    return settings
