"""Every statement our engine sends, with its values, to be sent again by nothing but the driver."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Engine, event


class Sent(NamedTuple):
    sql: str
    values: Any
    many: bool


COMMIT = Sent("COMMIT", None, False)


@contextmanager
def recorded() -> Iterator[list[Sent]]:
    """All statements and commits of every engine of this process, in the order in which they were sent."""
    sent: list[Sent] = []

    def executed(_db: Any, _cursor: Any, sql: str, values: Any, _context: Any, many: bool) -> None:
        sent.append(Sent(sql, values, many))

    def committed(_db: Any) -> None:
        sent.append(COMMIT)

    event.listen(Engine, "before_cursor_execute", executed)
    event.listen(Engine, "commit", committed)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
        event.remove(Engine, "commit", committed)


def replay_sqlite(path: str, sent: Sequence[Sent]) -> float:
    """Seconds for sqlite3 alone, as durable as ours."""
    db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"):
        db.execute(f"PRAGMA {pragma}")
    try:
        start = time.perf_counter()
        for sql, values, many in sent:
            if sql == "COMMIT" or not sql.startswith("BEGIN"):
                _run(db, sql, values, many)
            elif not db.in_transaction:
                db.execute("BEGIN IMMEDIATE")
        return time.perf_counter() - start
    finally:
        db.close()


def _run(db: sqlite3.Connection, sql: str, values: Any, many: bool) -> None:
    if sql == "COMMIT":
        if db.in_transaction:
            db.execute("COMMIT")
    elif many:
        db.executemany(sql, values)
    else:
        db.execute(sql, values or ()).fetchall()


def replay_postgresql(url: str, sent: Sequence[Sent]) -> float:
    """Seconds for psycopg alone, one connection, one transaction after the other."""
    with psycopg.connect(url) as db:
        cursor = db.cursor()
        start = time.perf_counter()
        for sql, values, many in sent:
            if sql == "COMMIT":
                db.commit()
            elif many:
                cursor.executemany(sql, values)
            else:
                cursor.execute(sql, values)
                if cursor.description:
                    cursor.fetchall()
        db.commit()
        return time.perf_counter() - start
