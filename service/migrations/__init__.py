"""The schema, step by step: `migrate(url)` brings a database of either kind to the newest."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine

from service.database import postgresql_engine, sqlite_path


def migrate(url: str) -> None:
    """Make or bring up to date, in one transaction; a database that is newer than this program is refused."""
    engine = migration_engine(url)
    try:
        with engine.begin() as db:
            command.upgrade(config(db), "head")
    finally:
        engine.dispose()


def migration_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return postgresql_engine(url)
    path = sqlite_path(url)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return create_engine(f"sqlite:///{path}")


def config(db: Connection) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["connection"] = db
    return settings
