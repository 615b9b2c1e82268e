"""How a patient's phone is let in: a code the clinic makes, shown or sent, good once and for a short while.

It knows no door and no page. A code is 192 random bits; only its hash is kept, and a patient has one at a time, so that
a new one voids the old. One that is sent by link travels through mailboxes, so it needs a second thing that does not
travel with it: six digits said at the desk or the year of birth, as the clinic chose. Both are hashed together with the
code, so what is kept tells nobody either. Neither can be guessed in five tries; then the code is void.
"""

import hmac
import secrets
from typing import Literal, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from programs import people, walls
from programs.errors import Conflict, Invalid
from programs.instants import DAY, MINUTE, Instant, moment
from programs.tables import patient
from service import audit
from service.auth.tokens import DEVICE, Grant, find_token, fingerprint, make_token
from service.care import Who
from service.errors import NOT_FOUND, Refused
from service.tables import enrolment

Way = Literal["screen", "link"]
Factor = Literal["none", "birth_year", "spoken"]

GOOD_FOR: dict[Way, Instant] = {"screen": 10 * MINUTE, "link": DAY}
MOST_TRIES = 5
DIGITS = 6
OLDEST = 120  # years
# The first letter says what the page must ask for beside the code, so that nobody needs to be asked whether it is good.
FIRST: dict[Factor, str] = {"none": "q", "birth_year": "y", "spoken": "d"}
LONGEST = 200


class Made(NamedTuple):
    """A new code: the only time it is seen. `spoken` is what is said at the desk, or ""."""

    code: str
    spoken: str
    way: Way
    factor: Factor
    expires_at: Instant


class Standing(NamedTuple):
    """What is known of a patient's latest code: never the code."""

    way: Way
    factor: Factor
    made_by: str
    made_at: Instant
    expires_at: Instant
    used_at: Instant | None
    tries: int

    def is_open(self, now: Instant) -> bool:
        return self.used_at is None and now < self.expires_at and self.tries < MOST_TRIES


class LetIn(NamedTuple):
    """A phone that was let in, and the token it lives by; the only time that is seen."""

    who: Who
    token: str
    device: str


class Missed(NamedTuple):
    """The code is good, the second thing was not."""

    tries_left: int


_FRESH = enrolment.c.used_at.is_(None) & (enrolment.c.expires_at > bindparam("now")) & (enrolment.c.tries < MOST_TRIES)
_STANDS = select(patient.c.id).where(
    patient.c.clinic_id == enrolment.c.clinic_id,
    patient.c.id == enrolment.c.patient_id,
    patient.c.discharged_at.is_(None),
)
_WHOSE = select(enrolment.c.clinic_id).where(enrolment.c.hash == bindparam("presented"))
# Whoever tries the same code waits here for the row, and then finds it counted or used: so many tries at once are so
# many tries.
_TRY = (
    update(enrolment)
    .where(enrolment.c.clinic_id == bindparam("clinic"), enrolment.c.hash == bindparam("presented"))
    .where(_FRESH, _STANDS.exists())
    .values(tries=enrolment.c.tries + 1)
    .returning(enrolment.c.patient_id, enrolment.c.factor_hash, enrolment.c.tries)
)


def make_code(db: Connection, who: Who, patient: str, way: Way, birth_year: int | None, now: Instant) -> Made:
    """A new code, which voids any before. By link it asks for what the clinic chose: the year of birth, which is given
    here and not kept, or six digits we make.

    Raises NoSuchRecord, Conflict for a discharged patient, Invalid for a year nobody alive was born in, or for none.
    """
    if people.patient_of(db, who.clinic, patient).discharged_at is not None:
        raise Conflict("the patient is discharged", "This patient is discharged. Take them up again first.")
    factor: Factor = "none" if way == "screen" else people.clinic_of(db, who.clinic).settings.link_factor
    spoken = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}" if factor == "spoken" else ""
    second = _year(birth_year, now) if factor == "birth_year" else spoken
    if birth_year is not None and factor != "birth_year":
        raise Invalid("birth_year", "is not what is asked for here", "Leave it out; the clinic’s settings decide.")
    it = Made(FIRST[factor] + secrets.token_urlsafe(24), spoken, way, factor, now + GOOD_FOR[way])
    _keep(db, who, patient, it, second, now)
    audit.note(db, who.clinic, str(who), "make enrolment code", patient, patient, now)
    return it


def _keep(db: Connection, who: Who, patient: str, it: Made, second: str, now: Instant) -> None:
    people.lock(db, who.clinic, [patient])
    theirs = (enrolment.c.clinic_id == who.clinic) & (enrolment.c.patient_id == patient)
    db.execute(delete(enrolment).where(theirs))
    row = {
        "clinic_id": who.clinic,
        "patient_id": patient,
        "hash": fingerprint(it.code),
        "way": it.way,
        "factor": it.factor,
        "factor_hash": _sealed(it.code, second) if second else None,
        "tries": 0,
        "made_by": str(who),
        "made_at": now,
        "expires_at": it.expires_at,
    }
    db.execute(insert(enrolment), row)


def _year(year: int | None, now: Instant) -> str:
    this = moment(now).year
    if year is None:
        raise Invalid("birth_year", "must be given", "Links of this clinic ask for it; the clinic’s settings decide.")
    if not this - OLDEST <= year <= this:
        raise Invalid("birth_year", f"must be from {this - OLDEST} to {this}")
    return str(year)


def standing(db: Connection, clinic: str, patient: str) -> Standing | None:
    """The patient's latest code; None where none was ever made."""
    asked = select(*(enrolment.c[name] for name in Standing._fields))
    row = db.execute(asked.where(enrolment.c.clinic_id == clinic, enrolment.c.patient_id == patient)).first()
    return Standing(*row) if row is not None else None


def redeem(db: Connection, presented: str, second: str, label: str, now: Instant) -> LetIn | Missed:
    """Let a phone in. It counts the try, so commit what it gives, a Missed too.

    Raises Refused in the same words for a code that never was, is used, has ended or was replaced.
    """
    hash = fingerprint(presented)
    clinic = _clinic_of(db, hash)
    row = db.execute(_TRY, {"clinic": clinic, "presented": hash, "now": now}).first()
    if row is None:
        raise ended()
    who = Who(clinic, "patient", row.patient_id)
    if row.factor_hash is not None and not hmac.compare_digest(row.factor_hash, _sealed(presented, _plain(second))):
        audit.refuse(db, who.clinic, "miss enrolment code", who.id, who.id, now)
        return Missed(MOST_TRIES - row.tries)
    used = update(enrolment).where(enrolment.c.clinic_id == who.clinic, enrolment.c.patient_id == who.id)
    db.execute(used.values(used_at=now))
    return _let_in(db, who, label, now)


def _clinic_of(db: Connection, hash: str) -> str:
    """Whoever redeems a code is nobody yet: the code itself says of which clinic the transaction is from here on."""
    walls.follow(db, hash)
    clinic = db.execute(_WHOSE, {"presented": hash}).scalar()
    if clinic is None:
        raise ended()
    walls.enter(db, clinic)
    return str(clinic)


def _let_in(db: Connection, who: Who, label: str, now: Instant) -> LetIn:
    token = make_token(db, who, now, grant=Grant("device", idle=DEVICE.idle, label=label))
    held = find_token(db, token, now)
    assert held is not None
    audit.note(db, who.clinic, str(who), "let a phone in", who.id, held.id, now)
    return LetIn(who, token, held.id)


def ended() -> Refused:
    return Refused(
        NOT_FOUND,
        "This code does not open anything, or no longer does. Each code works once and for a short while; your clinic "
        "can make you a new one.",
    )


def _sealed(code: str, second: str) -> str:
    """Whoever reads it in the database cannot try all years and digits: the code is not there."""
    return fingerprint(f"{code}\0{second}")


def _plain(second: str) -> str:
    """As people type it: "123 456", "123-456"."""
    return "".join(mark for mark in second if mark.isascii() and mark.isdigit())
