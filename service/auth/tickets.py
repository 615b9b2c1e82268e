"""Single-use steps on somebody's way in: 256 random bits, of which only the hash is kept, with what must be remembered.

A ticket opens nothing. An invitation leads to a password and a second factor; a password that was right, or a
provider's word, to the second factor ("password"); a passkey's challenge and a sign-in elsewhere (OIDC) to their
answer; a factor that is being set up to its use.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from programs.instants import DAY, HOUR, MINUTE, Instant
from service import sealing
from service.auth.tokens import fingerprint
from service.care import Who
from service.tables import ticket

Use = Literal["first", "invitation", "password", "passkey", "oidc", "factor"]
LASTS: Mapping[Use, int] = {
    "first": 24 * HOUR,
    "invitation": 72 * HOUR,
    "password": 10 * MINUTE,
    "passkey": 5 * MINUTE,
    "oidc": 10 * MINUTE,
    "factor": 15 * MINUTE,
}
NOBODY = Who("", "clinician", "")


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a step must find again; each use needs some of it."""

    challenge: str = ""  # a passkey's, base64url
    secret: str = ""  # of the one-time codes that are being set up; sealed where it is kept
    nonce: str = ""
    verifier: str = ""
    state: str = ""
    then: str = ""  # the page that was asked for
    since: Instant = 0  # a provider must have asked who is there no longer ago


class Ticket(msgspec.Struct, frozen=True):
    hash: str
    use: Use
    who: Who
    state: State
    expires_at: Instant


# The one statement that asks for a ticket; the clinic is not known before.
_STANDING = select(
    ticket.c.hash, ticket.c.use, ticket.c.clinic_id, ticket.c.person_id, ticket.c.state, ticket.c.expires_at
).where(ticket.c.hash == bindparam("hash"), ticket.c.used_at.is_(None), ticket.c.expires_at > bindparam("now"))


def make_ticket(db: Connection, use: Use, who: Who, state: State, now: Instant) -> str:
    made = secrets.token_urlsafe(32)
    row = {"hash": fingerprint(made), "use": use, "clinic_id": who.clinic, "person_id": who.id}
    db.execute(
        insert(ticket),
        {**row, "state": _sealed(db, row["hash"], state), "made_at": now, "expires_at": now + LASTS[use]},
    )
    return made


def find_ticket(db: Connection, presented: str, now: Instant, uses: Sequence[Use]) -> Ticket | None:
    """None for one that never was, is used, has run out, or is for something else."""
    row = db.execute(_STANDING, {"hash": fingerprint(presented), "now": now}).first()
    if row is None or row.use not in uses:
        return None
    who = Who(row.clinic_id, "clinician", row.person_id)
    state = msgspec.json.decode(row.state, type=State)
    if state.secret:
        state = msgspec.structs.replace(state, secret=sealing.unseal(db, state.secret, "ticket", row.hash) or "")
    return Ticket(row.hash, row.use, who, state, row.expires_at)


def lock(db: Connection, presented: str) -> None:
    """Whoever would change what a ticket remembers waits here for whoever already does; SQLite needs none of it."""
    db.execute(select(ticket.c.hash).where(ticket.c.hash == fingerprint(presented)).with_for_update()).all()


def remember(db: Connection, it: Ticket, state: State) -> None:
    db.execute(update(ticket).where(ticket.c.hash == it.hash).values(state=_sealed(db, it.hash, state)))


def _sealed(db: Connection, hash: str, state: State) -> State:
    return (
        msgspec.structs.replace(state, secret=sealing.seal(db, state.secret, "ticket", hash)) if state.secret else state
    )


def use_ticket(db: Connection, it: Ticket, now: Instant) -> bool:
    """True for one caller only, however many try at once."""
    unused = (ticket.c.hash == it.hash) & ticket.c.used_at.is_(None) & (ticket.c.expires_at > now)
    return db.execute(update(ticket).where(unused).values(used_at=now)).rowcount == 1


def end_tickets(db: Connection, who: Who, now: Instant, uses: Sequence[Use]) -> None:
    """Those of this person and use are void; with NOBODY those that are nobody's yet."""
    theirs = (ticket.c.clinic_id == who.clinic) & (ticket.c.person_id == who.id) & ticket.c.use.in_(uses)
    db.execute(update(ticket).where(theirs, ticket.c.used_at.is_(None)).values(used_at=now))


def forget_tickets(db: Connection, now: Instant) -> None:
    """Nothing leads from them any more."""
    db.execute(delete(ticket).where(ticket.c.expires_at <= now - DAY))
