"""How clinicians come to sign in: invited, joined with a password and a second factor, disabled. Verbs on rows only.

An e-mail address is one person's in the whole installation. What is typed, shown and checked stands in console/.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from programs import people, walls
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.ids import new_id
from programs.instants import Instant
from programs.people import Role
from programs.tables import clinician
from service import audit, sealing
from service.auth.passkeys import Passkey
from service.auth.second_factor import plain
from service.auth.tickets import State, Use, end_tickets, make_ticket
from service.auth.tokens import SESSION, end_token, end_tokens, find_token, fingerprint, make_token
from service.care import Who
from service.tables import credential, passkey, recovery_code

log = logging.getLogger("homestretch.staff")

LONGEST_EMAIL, LONGEST_LABEL = 254, 60
MOST_PASSKEYS = 10
ON_THE_WAY: tuple[Use, ...] = ("invitation", "password", "passkey", "oidc", "factor")


class Staff(msgspec.Struct, frozen=True):
    """One who was invited. `password` is its hash, `totp` the sealed secret of one-time codes (`secret_of`); None where
    there is none."""

    who: Who
    name: str
    role: Role
    email: str
    password: str | None
    totp: str | None
    totp_step: int
    issuer: str | None
    subject: str | None
    ended_at: Instant | None

    @property
    def joined(self) -> bool:
        return self.password is not None or self.subject is not None


class Kept(msgspec.Struct, frozen=True):
    """A passkey of somebody, with what they call it."""

    who: Who
    key: Passkey
    label: str
    made_at: Instant
    used_at: Instant


class Factors(msgspec.Struct, frozen=True):
    """What somebody who joins will sign in with: a password's hash, and one-time codes or a passkey."""

    password: str
    totp: str | None = None
    totp_step: int = 0
    passkey: Passkey | None = None
    label: str = ""


_KEY = (credential.c.clinic_id == clinician.c.clinic_id) & (credential.c.clinician_id == clinician.c.id)
_STAFF = select(
    *(credential.c.clinic_id, credential.c.clinician_id, clinician.c.name, clinician.c.role, credential.c.email),
    *(credential.c.password, credential.c.totp, credential.c.totp_step, credential.c.issuer, credential.c.subject),
    clinician.c.ended_at,
).join_from(credential, clinician, _KEY)
# The three that are asked before a clinic is known: by what was typed, by what a provider says, by a passkey's id.
_BY_EMAIL = _STAFF.where(credential.c.email == bindparam("email"))
_BY_SUBJECT = _STAFF.where(credential.c.issuer == bindparam("issuer"), credential.c.subject == bindparam("subject"))
_PASSKEY = select(passkey).where(passkey.c.id == bindparam("id"))
_OF = _STAFF.where(credential.c.clinic_id == bindparam("clinic"), credential.c.clinician_id == bindparam("id"))
_ALL = _STAFF.order_by(credential.c.clinic_id, clinician.c.name, credential.c.clinician_id)


# finding


def email_from(text: str) -> str:
    """As it is kept: in small letters. Raises Invalid for what no mail could be sent to."""
    it = text.strip().lower()
    local, _, domain = it.rpartition("@")
    if not local or "." not in domain or len(it) > LONGEST_EMAIL or any(m.isspace() or not m.isprintable() for m in it):
        raise Invalid("email", "is not an e-mail address", "For example ben@clinic.example.")
    return it


def by_email(db: Connection, email: str) -> Staff | None:
    return _staff(db.execute(_BY_EMAIL, {"email": email.strip().lower()}).first())


def by_subject(db: Connection, issuer: str, subject: str) -> Staff | None:
    return _staff(db.execute(_BY_SUBJECT, {"issuer": issuer, "subject": subject}).first())


def find(db: Connection, who: Who) -> Staff | None:
    """None for a clinician who was never invited."""
    return _staff(db.execute(_OF, {"clinic": who.clinic, "id": who.id}).first())


def staff_of(db: Connection, who: Who) -> Staff:
    found = find(db, who)
    if found is None:
        raise NoSuchRecord("staff", who.id)
    return found


def all_staff(db: Connection, clinic: str = "") -> list[Staff]:
    """Of one clinic, or of all for the operator."""
    asked = _ALL.where(credential.c.clinic_id == clinic) if clinic else _ALL
    return [it for row in db.execute(asked) if (it := _staff(row))]


def is_anybody(db: Connection) -> bool:
    return db.execute(select(credential.c.email).limit(1)).first() is not None


def _staff(row: Any) -> Staff | None:
    return Staff(Who(row[0], row[3], row[1]), *row[2:]) if row is not None else None


# coming and going


def invite(db: Connection, clinic: str, email: str, name: str, role: Role, by: str, now: Instant) -> str:
    """The code of an invitation to a new colleague. The e-mail must be nobody's yet."""
    walls.enter(db, people.clinic_of(db, clinic).id)
    who = add(db, clinic, email, name, role, now)
    audit.note(db, clinic, by, "invite staff", "", who.id, now)
    return make_ticket(db, "invitation", who, State(), now)


def add(db: Connection, clinic: str, email: str, name: str, role: Role, now: Instant) -> Who:
    """Somebody who cannot sign in yet. A clinician of that name whom an import brought, and who has no e-mail yet, is
    taken for the same person."""
    address = email_from(email)
    if by_email(db, address) is not None:
        raise Conflict("e-mail is taken", "Somebody has this e-mail address already. To let them in again, use reset.")
    who = _known(db, clinic, name_from(name)) or Who(clinic, "clinician", new_id(now))
    if who.id in people.clinicians_of(db, clinic):
        people.change_clinician(db, clinic, who.id, {"role": role})
    else:
        people.add_clinician(db, clinic, who.id, name_from(name), role)
    row = {"clinic_id": clinic, "clinician_id": who.id, "email": address, "totp_step": 0, "invited_at": now}
    db.execute(insert(credential), row)
    return who


def _known(db: Connection, clinic: str, name: str) -> Who | None:
    taken = {it.who.id for it in all_staff(db, clinic)}
    found = [id for id, said in people.clinicians_of(db, clinic).items() if said == name and id not in taken]
    return Who(clinic, "clinician", found[0]) if len(found) == 1 else None


def name_from(name: str) -> str:
    it = " ".join(name.split())
    if not it or len(it) > 100 or not it.isprintable():
        raise Invalid("name", "must be 1 to 100 characters that can be printed")
    return it


def join(db: Connection, who: Who, it: Factors, recovery: Sequence[str], now: Instant) -> None:
    """They have a password and a second factor from now on, and nothing they may have had before."""
    _forget_factors(db, who, now)
    totp = None if it.totp is None else _sealed(db, who, it.totp)
    _change(db, who, password=it.password, totp=totp, totp_step=it.totp_step)
    if it.passkey is not None:
        add_passkey(db, who, it.passkey, it.label, now)
    keep_recovery_codes(db, who, recovery, now)
    audit.note(db, who.clinic, str(who), "join staff", "", who.id, now)


def reset(db: Connection, who: Who, by: str, now: Instant) -> str:
    """A new invitation to somebody who lost a factor, or was disabled; what they had opens nothing any more."""
    walls.enter(db, who.clinic)
    people.change_clinician(db, who.clinic, who.id, {"ended_at": None})
    _forget_factors(db, who, now)
    _change(db, who, password=None, totp=None, issuer=None, subject=None)
    audit.note(db, who.clinic, by, "reset staff", "", who.id, now)
    return make_ticket(db, "invitation", who, State(), now)


def disable(db: Connection, who: Who, by: str, now: Instant) -> None:
    """At once: every session, and every step on the way to one, ends in this transaction."""
    walls.enter(db, who.clinic)
    people.change_clinician(db, who.clinic, who.id, {"ended_at": now})
    end_tokens(db, who, now)
    end_tickets(db, who, now, ON_THE_WAY)
    audit.note(db, who.clinic, by, "disable staff", "", who.id, now)


def _forget_factors(db: Connection, who: Who, now: Instant) -> None:
    for table in (passkey, recovery_code):
        db.execute(delete(table).where(table.c.clinic_id == who.clinic, table.c.clinician_id == who.id))
    end_tokens(db, who, now)
    end_tickets(db, who, now, ON_THE_WAY)


# signing in


def open_session(db: Connection, who: Who, replaced: str, label: str, now: Instant) -> str:
    """A new token, whatever the browser held before, and the session it held before ends: nobody can prepare one."""
    end_session(db, replaced, now)
    walls.enter(db, who.clinic)
    audit.note(db, who.clinic, str(who), "sign in", "", who.id, now)
    return make_token(db, who, now, grant=msgspec.structs.replace(SESSION, label=label[:LONGEST_LABEL]))


def end_session(db: Connection, presented: str, now: Instant) -> Who | None:
    """Whose session ended, None where it was none. The device of a patient stays: their app may live by it."""
    held = find_token(db, presented, now) if presented else None
    if held is None or held.use != "session":
        return None
    walls.enter(db, held.who.clinic)
    end_token(db, held.who.clinic, held.id, now)
    audit.note(db, held.who.clinic, str(held.who), "sign out", "", held.who.id, now)
    return held.who


def bind(db: Connection, who: Who, issuer: str, subject: str) -> bool:
    """To a provider's person, at their first sign-in there. False where they are somebody else's already."""
    unbound = _mine(who) & credential.c.subject.is_(None)
    done = db.execute(update(credential).where(unbound).values(issuer=issuer, subject=subject))
    return done.rowcount == 1


def use_step(db: Connection, who: Who, step: int) -> bool:
    """False where a one-time code of this step or a later one was used before."""
    fresh = _mine(who) & (credential.c.totp_step < step)
    return db.execute(update(credential).where(fresh).values(totp_step=step)).rowcount == 1


def use_recovery_code(db: Connection, who: Who, code: str) -> bool:
    theirs = (recovery_code.c.clinic_id == who.clinic) & (recovery_code.c.clinician_id == who.id)
    found = theirs & (recovery_code.c.hash == fingerprint(plain(code)))
    return db.execute(delete(recovery_code).where(found)).rowcount == 1


# factors


def keep_password(db: Connection, who: Who, hash: str, now: Instant) -> None:
    """A new one: every session ends with the old one, and every step on the way to one."""
    _change(db, who, password=hash)
    end_tokens(db, who, now)
    end_tickets(db, who, now, ON_THE_WAY)
    audit.note(db, who.clinic, str(who), "change password", "", who.id, now)


def refresh_password(db: Connection, who: Who, before: str, hash: str) -> None:
    """The same password, hashed with more work."""
    db.execute(update(credential).where(_mine(who), credential.c.password == before).values(password=hash))


def keep_totp(db: Connection, who: Who, secret: str, step: int, now: Instant) -> None:
    _change(db, who, totp=_sealed(db, who, secret), totp_step=step)
    audit.note(db, who.clinic, str(who), "change one-time codes", "", who.id, now)


def secret_of(db: Connection, it: Staff) -> str | None:
    """Of their one-time codes; None where there is none, or none that this server's vault opens."""
    secret = None if it.totp is None else sealing.unseal(db, it.totp, *_about(it.who))
    if secret is None and it.totp is not None:
        log.error("the one-time codes of %s cannot be read: is this the vault they were sealed with?", it.who)
    return secret


def unsealed(db: Connection) -> list[str]:
    """The clinics with secrets that are readable, or sealed with a key that was renewed."""
    found = {it.who.clinic for it in all_staff(db) if it.totp is not None and not sealing.is_newest(db, it.totp)}
    return sorted(found)


def seal_secrets(db: Connection, clinic: str) -> None:
    """With the newest key: those of a time before secrets were sealed, and before that key."""
    for it in all_staff(db, clinic):
        if it.totp is None or sealing.is_newest(db, it.totp):
            continue
        secret = secret_of(db, it) if sealing.key_of(it.totp) else it.totp
        if secret is not None:  # and nobody set up another meanwhile
            same = _mine(it.who) & (credential.c.totp == it.totp)
            db.execute(update(credential).where(same).values(totp=_sealed(db, it.who, secret)))


def _sealed(db: Connection, who: Who, secret: str) -> str:
    return sealing.seal(db, secret, *_about(who))


def _about(who: Who) -> tuple[str, ...]:
    return ("credential", who.clinic, who.id)


def keep_recovery_codes(db: Connection, who: Who, codes: Sequence[str], now: Instant) -> None:
    """In place of all there were."""
    of = {"clinic_id": who.clinic, "clinician_id": who.id}
    mine = (recovery_code.c.clinic_id == who.clinic) & (recovery_code.c.clinician_id == who.id)
    db.execute(delete(recovery_code).where(mine))
    db.execute(insert(recovery_code), [{**of, "hash": fingerprint(plain(code))} for code in codes])
    audit.note(db, who.clinic, str(who), "make recovery codes", "", who.id, now)


def recovery_codes_left(db: Connection, who: Who) -> int:
    mine = (recovery_code.c.clinic_id == who.clinic) & (recovery_code.c.clinician_id == who.id)
    return db.execute(select(func.count()).select_from(recovery_code).where(mine)).scalar_one()


def add_passkey(db: Connection, who: Who, it: Passkey, label: str, now: Instant) -> None:
    if len(passkeys_of(db, who)) >= MOST_PASSKEYS:
        raise Conflict("too many passkeys", f"There are {MOST_PASSKEYS} passkeys already. Remove one first.")
    if passkey_of(db, it.id) is not None:
        raise Conflict("passkey is known", "This passkey is in use already.")
    row = {"clinic_id": who.clinic, "id": it.id, "clinician_id": who.id, **msgspec.structs.asdict(it)}
    said = " ".join(label.split())[:LONGEST_LABEL] or "Passkey"
    db.execute(insert(passkey), {**row, "label": said, "made_at": now, "used_at": now})
    audit.note(db, who.clinic, str(who), "add passkey", "", it.id, now)


def passkeys_of(db: Connection, who: Who) -> list[Kept]:
    mine = (passkey.c.clinic_id == who.clinic) & (passkey.c.clinician_id == who.id)
    return [_kept(row) for row in db.execute(select(passkey).where(mine).order_by(passkey.c.made_at, passkey.c.id))]


def passkey_of(db: Connection, id: str) -> Kept | None:
    row = db.execute(_PASSKEY, {"id": id}).first()
    return _kept(row) if row is not None else None


def note_signed(db: Connection, it: Kept, sign_count: int, now: Instant) -> None:
    mine = (passkey.c.clinic_id == it.who.clinic) & (passkey.c.id == it.key.id)
    db.execute(update(passkey).where(mine).values(sign_count=sign_count, used_at=now))


def remove_passkey(db: Connection, who: Who, id: str, now: Instant) -> None:
    """Raises Conflict for the last second factor: nobody may be left with a password alone."""
    it = staff_of(db, who)
    if it.totp is None and len(passkeys_of(db, who)) == 1:
        raise Conflict("last second factor", "This is your only second factor. Set up another one first.")
    mine = (passkey.c.clinic_id == who.clinic) & (passkey.c.clinician_id == who.id) & (passkey.c.id == id)
    if db.execute(delete(passkey).where(mine)).rowcount != 1:
        raise NoSuchRecord("passkey", id)
    audit.note(db, who.clinic, str(who), "remove passkey", "", id, now)


def _kept(row: Any) -> Kept:
    who = Who(row.clinic_id, "clinician", row.clinician_id)
    return Kept(who, Passkey(row.raw_id, row.public_key, row.sign_count), row.label, row.made_at, row.used_at)


def _mine(who: Who) -> Any:
    return (credential.c.clinic_id == who.clinic) & (credential.c.clinician_id == who.id)


def _change(db: Connection, who: Who, **values: object) -> None:
    if db.execute(update(credential).where(_mine(who)).values(**values)).rowcount != 1:
        raise NoSuchRecord("staff", who.id)
