"""API keys: how a machine of the clinic comes in. Each is named, of one clinic, and holds the verbs it was given.

A key reads `hs_<id>_<secret>`: the id is written where it acted and shown in the list, the secret is kept as a hash
only. It ends when an admin ends it, or at the date it was given.
"""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select

from programs.errors import Conflict, Invalid, NoSuchRecord, did_you_mean
from programs.instants import DAY, Instant
from service import audit
from service.access import VERBS
from service.auth.tokens import Grant, end_tokens, make_token
from service.care import Who
from service.tables import token

LONGEST_NAME = 60
LONGEST_LIFE = 3650  # days


class Wanted(NamedTuple):
    """`days` None: until somebody ends it."""

    name: str
    verbs: Sequence[str]
    days: int | None = None


class Key(NamedTuple):
    """One that opens now. `seen_at` is exact to an hour, and None before the first use."""

    id: str
    name: str
    verbs: tuple[str, ...]
    made_at: Instant
    seen_at: Instant | None
    expires_at: Instant | None


class NewKey(NamedTuple):
    """`text` is what the machine sends as its Bearer token; the only time that it is seen."""

    key: Key
    text: str


_OPEN = (
    select(
        *(token.c.person_id, token.c.label, token.c.verbs, token.c.made_at, token.c.seen_at),
        token.c.expires_at,
    )
    .where(token.c.clinic_id == bindparam("clinic"), token.c.kind == "integration", token.c.ended_at.is_(None))
    .where(token.c.expires_at.is_(None) | (token.c.expires_at > bindparam("now")))
    .order_by(token.c.made_at, token.c.person_id)
)
_verbs = msgspec.json.Decoder(tuple[str, ...]).decode


def make_key(db: Connection, who: Who, wanted: Wanted, now: Instant) -> NewKey:
    """Raises Invalid, and Conflict for the name of a key there is: a name says in the record who it was."""
    name, verbs = wanted.name.strip(), _checked(wanted.verbs)
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid("name", f"must be 1 to {LONGEST_NAME} printable characters")
    if wanted.days is not None and not 1 <= wanted.days <= LONGEST_LIFE:
        raise Invalid("days", f"must be from 1 to {LONGEST_LIFE}")
    if any(it.name.casefold() == name.casefold() for it in keys_of(db, who.clinic, now)):
        raise Conflict("a key of this name", "There is a key of this name. End that one first, or choose another name.")
    id = secrets.token_hex(5)
    lasts = None if wanted.days is None else wanted.days * DAY
    grant = Grant("key", lasts=lasts, label=name, verbs=verbs)
    text = make_token(db, Who(who.clinic, "key", id), now, f"hs_{id}_{secrets.token_urlsafe(32)}", grant)
    audit.note(db, who.clinic, str(who), "make key", "", id, now)
    return NewKey(Key(id, name, verbs, now, None, None if lasts is None else now + lasts), text)


def _checked(verbs: Sequence[str]) -> tuple[str, ...]:
    for verb in verbs:
        if verb not in VERBS:
            raise Invalid("verbs", "holds what is no verb", did_you_mean(verb, VERBS) or f"One of: {', '.join(VERBS)}.")
    if not verbs:
        raise Invalid("verbs", "must name at least one", f"Of: {', '.join(VERBS)}.")
    return tuple(sorted(set(verbs)))


def keys_of(db: Connection, clinic: str, now: Instant) -> list[Key]:
    """In the order they were made."""
    found = []
    for row in db.execute(_OPEN, {"clinic": clinic, "now": now}):
        seen_at = row.seen_at if row.seen_at > row.made_at else None
        found.append(Key(row.person_id, row.label, _verbs(row.verbs), row.made_at, seen_at, row.expires_at))
    return found


def end_key(db: Connection, who: Who, id: str, now: Instant) -> None:
    """Raises NoSuchRecord for one of another clinic, or that has ended."""
    if all(it.id != id for it in keys_of(db, who.clinic, now)):
        raise NoSuchRecord("key", id)
    end_tokens(db, Who(who.clinic, "key", id), now)
    audit.note(db, who.clinic, str(who), "end key", "", id, now)
