"""Opaque tokens: 256 random bits, of which only the hash is kept. A token opens one clinic, for one person."""

import secrets
from hashlib import sha256

from sqlalchemy import Connection, bindparam, insert, select, update

from programs.instants import Instant
from service.care import Who
from service.tables import token

_WHO = select(token.c.clinic_id, token.c.kind, token.c.person_id).where(
    token.c.hash == bindparam("hash"), token.c.ended_at.is_(None)
)


def make_token(db: Connection, who: Who, now: Instant, given: str | None = None) -> str:
    """A new token for this person; `given` is for a demo, whose tokens must be the same at each start."""
    made = given or secrets.token_urlsafe(32)
    row = {"hash": fingerprint(made), "clinic_id": who.clinic, "kind": who.kind, "person_id": who.id, "made_at": now}
    db.execute(insert(token), row)
    return made


def who_has(db: Connection, presented: str) -> Who | None:
    row = db.execute(_WHO, {"hash": fingerprint(presented)}).first()
    return Who(*row) if row is not None else None


def end_token(db: Connection, presented: str, now: Instant) -> None:
    db.execute(update(token).where(token.c.hash == fingerprint(presented)).values(ended_at=now))


def fingerprint(presented: str) -> str:
    return sha256(presented.encode()).hexdigest()
