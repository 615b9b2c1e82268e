"""Idempotency-Key: a request that is sent again gets the reply it got, also after a crash; nothing is done twice.

The reply is kept in the transaction that does the work: there is never one without the other. What was refused left
nothing behind and is not kept.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from programs.instants import Instant
from service.care import Who
from service.database import Bridge
from service.errors import Wrong, invalid
from service.tables import reply

LONGEST_KEY = 100  # the column holds the kind of person as well
_FIND = select(reply.c.request, reply.c.status, reply.c.body).where(
    reply.c.clinic_id == bindparam("clinic"), reply.c.person_id == bindparam("person"), reply.c.key == bindparam("name")
)
_KEEP = insert(reply)


class Kept(NamedTuple):
    status: int
    body: bytes
    replayed: bool


class Ask(NamedTuple):
    """What was asked for, by whom: the same key may not stand for another request."""

    who: Who
    name: str
    request: str
    status: int
    now: Instant

    @classmethod
    def of(cls, who: Who, key: str, where: str, body: bytes, status: int, now: Instant) -> "Ask":
        if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
            raise invalid(Wrong(f"must be 1 to {LONGEST_KEY} printable ASCII characters", parameter="Idempotency-Key"))
        return cls(who, f"{who.kind}:{key}", sha256(where.encode() + b"\0" + body).hexdigest(), status, now)


class _Raced(Exception):
    """The same key arrived at another process at the same time, and that one was first."""


async def once(db: Bridge, ask: Ask, verb: Callable[..., Any], *args: Any) -> Kept:
    """What `verb(db, *args)` gives, encoded; or what it gave the first time."""
    try:
        return await db.write(_once, ask, verb, *args)  # type: ignore[no-any-return]
    except _Raced:
        return await db.write(_once, ask, verb, *args)  # type: ignore[no-any-return]


def _once(db: Connection, ask: Ask, verb: Callable[..., Any], *args: Any) -> Kept:
    kept = db.execute(_FIND, {"clinic": ask.who.clinic, "person": ask.who.id, "name": ask.name}).first()
    if kept is not None:
        if kept.request != ask.request:
            raise invalid(
                Wrong(
                    "was used for another request", parameter="Idempotency-Key", hint="Use a new key for a new request."
                )
            )
        return Kept(kept.status, kept.body.encode(), True)
    body = msgspec.json.encode(verb(db, *args))
    _keep(db, ask, body)
    return Kept(ask.status, body, False)


def _keep(db: Connection, ask: Ask, body: bytes) -> None:
    row = {"clinic_id": ask.who.clinic, "person_id": ask.who.id, "key": ask.name, "request": ask.request}
    try:
        db.execute(_KEEP, {**row, "status": ask.status, "body": body.decode(), "made_at": ask.now})
    except IntegrityError:
        raise _Raced from None
