"""The schema, step by step: `migrate(url)` brings a database of either kind to the newest."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from service import walls
from service.database import own, postgresql_engine, sqlite_path
from service.settings import Settings

# Any number will do that nothing else in the database locks.
MIGRATING = 20_260_601


class Newer(RuntimeError):
    """The database was brought up to date by a newer version of this program."""


class NotOwner(RuntimeError):
    """The schema is older than this program, and this role may not change it."""


def prepare(settings: Settings) -> None:
    """Bring the database of the settings up to date, by the role that owns it, and let the application's role in."""
    if settings.migrating_url:
        migrate(settings.migrating_url, make_url(settings.database_url).username or "")
    else:
        migrate(settings.database_url)


def migrate(url: str, application: str = "") -> None:
    """Make or bring up to date, in one transaction, with the walls between clinics; `application` is the role let in.

    Raises Newer, NotOwner, and InUse for a SQLite file that another has open.
    """
    with migrating(url) as db:
        settings = config(db)
        scripts = ScriptDirectory.from_config(settings)
        _refuse_newer(db, scripts)
        if set(MigrationContext.configure(db).get_current_heads()) != set(scripts.get_heads()):
            _check_owner(db)
            walls.open_for_migration(db)
            command.upgrade(settings, "head")
        if _owns(db):
            walls.build(db)
            if application:
                walls.admit(db, application)


def _check_owner(db: Connection) -> None:
    if not _owns(db):
        raise NotOwner(
            "the schema is older than this program, and the role of HOMESTRETCH_DATABASE_URL may not change it: "
            "set HOMESTRETCH_MIGRATING_URL to the owner's address and run `homestretch migrate`."
        )


def _owns(db: Connection) -> bool:
    """Whether this role may change the schema; of an empty database, whether it may make tables."""
    if db.dialect.name != "postgresql":
        return True
    mine = text(
        "SELECT coalesce(bool_and(pg_has_role(current_user, relowner, 'USAGE')), "
        "has_schema_privilege(current_schema(), 'CREATE')) "
        "FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
    )
    return bool(db.execute(mine).scalar_one())


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
