"""Opaque tokens: 256 random bits, of which only the hash is kept. A token opens one clinic, for one person or machine.

A token is of one use: a "session" of staff in a browser, a "device" of a patient, a "key" of an integration. It ends
when it is ended, when nobody has used it for its idle time, or at its absolute end. That it was used is written down
coarsely, or each reading would be a writing; so the idle time is up to a thirtieth shorter than it says, never longer.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.people import ClinicSettings
from programs.tables import clinic, clinician
from service.care import Who
from service.tables import token

Use = Literal["session", "device", "key"]


class Grant(msgspec.Struct, frozen=True):
    """What a token is made for. `idle` and `lasts` are milliseconds, None for no such end; `verbs` are a key's only."""

    use: Use
    idle: int | None = None
    lasts: int | None = None
    label: str = ""
    verbs: tuple[str, ...] = ()


SESSION = Grant("session", idle=15 * MINUTE, lasts=12 * HOUR)
DEVICE = Grant("device", idle=90 * DAY)
KEY = Grant("key")
# Whether a clinician is an admin now is asked of the clinician, each time, and not kept with the token.
STORED = {"admin": "clinician", "key": "integration"}
USUAL = {"patient": DEVICE, "clinician": SESSION, "admin": SESSION, "key": KEY}


class Held(msgspec.Struct, frozen=True):
    """A token that opens now. `id` names it without opening anything; `good_until` is None where nothing ends it."""

    who: Who
    id: str
    use: Use
    label: str
    verbs: tuple[str, ...]
    idle: int | None
    made_at: Instant
    seen_at: Instant
    good_until: Instant | None
    expires_at: Instant | None

    @property
    def noted_every(self) -> int:
        """How long after it was last written down a use is written down again: a thirtieth of the idle time."""
        if self.use == "key" and self.seen_at == self.made_at:
            return 0  # its first use: the list shows that it works
        return HOUR if self.idle is None else min(self.idle // 30, DAY)


_COLUMNS = (
    *(token.c.clinic_id, token.c.kind, token.c.person_id, token.c.id, token.c.use, token.c.label, token.c.verbs),
    *(token.c.idle, token.c.made_at, token.c.seen_at, token.c.good_until, token.c.expires_at),
)
_OPENS = token.c.ended_at.is_(None) & (token.c.good_until.is_(None) | (token.c.good_until > bindparam("now")))
_HELD = (
    select(*_COLUMNS, clinician.c.role, clinic.c.settings)
    .join(clinic, clinic.c.clinic_id == token.c.clinic_id)
    .outerjoin(
        clinician,
        (clinician.c.clinic_id == token.c.clinic_id)
        & (clinician.c.id == token.c.person_id)
        & clinician.c.ended_at.is_(None)
        & (token.c.kind == "clinician"),
    )
    .where(_OPENS, (token.c.kind != "clinician") | clinician.c.id.is_not(None))
)
# The one statement that asks for a token before any clinic is known.
_PRESENTED = _HELD.where(token.c.hash == bindparam("hash"))
_STANDS = select(token.c.id).where(
    token.c.clinic_id == bindparam("clinic"), token.c.id == bindparam("id"), token.c.ended_at.is_(None)
)
_HELD_BY = _HELD.where(
    token.c.clinic_id == bindparam("clinic"), token.c.kind == bindparam("of"), token.c.person_id == bindparam("by")
).order_by(token.c.seen_at.desc(), token.c.id)


def make_token(db: Connection, who: Who, now: Instant, given: str | None = None, grant: Grant | None = None) -> str:
    """A new token for whom it names; `given` is for a demo and for tests, whose tokens must be known."""
    made = given or secrets.token_urlsafe(32)
    it = grant or USUAL[who.kind]
    expires_at = None if it.lasts is None else now + it.lasts
    row = {
        "hash": fingerprint(made),
        "clinic_id": who.clinic,
        "id": secrets.token_hex(8),
        "use": it.use,
        "kind": STORED.get(who.kind, who.kind),
        "person_id": who.id,
        "label": it.label,
        "verbs": it.verbs,
        "idle": it.idle,
        "made_at": now,
        "seen_at": now,
        "good_until": _good_until(it.idle, expires_at, now),
        "expires_at": expires_at,
    }
    db.execute(insert(token), row)
    return made


def find_token(db: Connection, presented: str, now: Instant) -> Held | None:
    row = db.execute(_PRESENTED, {"hash": fingerprint(presented), "now": now}).first()
    return _held(row) if row is not None else None


def stands(db: Connection, it: Held) -> bool:
    """Whether nobody has ended it since it was found."""
    return db.execute(_STANDS, {"clinic": it.who.clinic, "id": it.id}).first() is not None


def tokens_of(db: Connection, who: Who, now: Instant) -> list[Held]:
    """All that open for them, the one used last first."""
    values = {"clinic": who.clinic, "of": STORED.get(who.kind, who.kind), "by": who.id, "now": now}
    return [_held(row) for row in db.execute(_HELD_BY, values)]


def note_use(db: Connection, it: Held, now: Instant) -> None:
    """It was used just now: its idle time begins anew."""
    found = (token.c.clinic_id == it.who.clinic) & (token.c.id == it.id) & (token.c.seen_at < now)
    values = {"seen_at": now, "good_until": _good_until(it.idle, it.expires_at, now)}
    db.execute(update(token).where(found, token.c.ended_at.is_(None)).values(values))


def end_token(db: Connection, clinic: str, id: str, now: Instant) -> bool:
    """False where it had ended or never was."""
    found = (token.c.clinic_id == clinic) & (token.c.id == id) & token.c.ended_at.is_(None)
    return db.execute(update(token).where(found).values(ended_at=now)).rowcount == 1


def end_tokens(db: Connection, who: Who, now: Instant, but: Sequence[str] = ()) -> int:
    """Ends all of theirs but those with these ids; how many those were."""
    theirs = (token.c.clinic_id == who.clinic) & (token.c.person_id == who.id)
    theirs &= token.c.kind == STORED.get(who.kind, who.kind)
    ended = update(token).where(theirs, token.c.ended_at.is_(None), token.c.id.not_in(but)).values(ended_at=now)
    return db.execute(ended).rowcount


def fingerprint(presented: str) -> str:
    return sha256(presented.encode()).hexdigest()


def _good_until(idle: int | None, expires_at: Instant | None, now: Instant) -> Instant | None:
    ends = [at for at in (None if idle is None else now + idle, expires_at) if at is not None]
    return min(ends, default=None)


def _held(row: Any) -> Held:
    verbs = msgspec.json.decode(row.verbs, type=tuple[str, ...])
    return Held(_who(row, verbs), row.id, row.use, row.label, verbs, *row[7:12])


def _who(row: Any, verbs: Sequence[str]) -> Who:
    if row.kind == "integration":
        return Who(row.clinic_id, "key", row.person_id, True, frozenset(verbs))
    if row.kind == "clinician":
        return staff_member(row.clinic_id, row.role, row.person_id, row.settings)
    return Who(row.clinic_id, row.kind, row.person_id)


def staff_member(clinic_id: str, role: str, id: str, settings: str) -> Who:
    """An admin sees the clinic; a clinician those they treat, or the clinic where it decided so."""
    sees_all = role == "admin" or msgspec.json.decode(settings, type=ClinicSettings).clinicians_see_all
    return Who(clinic_id, role, id, sees_all)
