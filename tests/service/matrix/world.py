"""Two clinics with everything in them that a path or a body can name, and who comes to ask.

At Riverside each clinician sees whom they treat: Ben Ada, Cleo Fay. Old was erased. At Harbour Dov treats Eve and Dee
runs it. Every patient's name and notes hold a word that nobody else may ever be shown.
"""

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from notifications.tables import message
from programs import people
from programs.cards import Entry
from programs.instants import HOUR, Instant
from programs.needling import NeedlingSession
from programs.people import Patient, Role
from programs.plans import Assignment
from programs.templates import Template
from service import care, rights, tables
from service.access import VERBS
from service.auth import staff
from service.auth.devices import devices_of
from service.auth.tokens import DEVICE, Grant, fingerprint, make_token
from service.care import Who
from tests.service.matrix.canaries import canary, private, sow
from tests.service.matrix.expected import CALF
from tests.world import BEN, CLEO, CLINIC, DOV, NOON, OTHER, populate, replayed, terms

EVENING: Instant = NOON + 3 * HOUR
TREATED_BY = {"ada": BEN, "fay": CLEO, "old": BEN, "eve": DOV}


class Target(NamedTuple):
    """Whose records a request names, and under which clinic."""

    name: str
    clinic: str
    ids: dict[str, str]
    person: str


class Caller(NamedTuple):
    """`kind` is "" for whoever is not let in; `sees` are the patients whose records are theirs to see."""

    name: str
    token: str
    clinic: str = ""
    kind: str = ""
    sees: frozenset[str] = frozenset()
    verbs: bool = False


CALLERS = (
    Caller("anonymous", ""),
    Caller("ended session", "ended"),
    Caller("staff who left", "gus"),
    Caller("patient", "ada", CLINIC, "patient", frozenset({"ada"})),
    Caller("other patient", "fay", CLINIC, "patient", frozenset({"fay"})),
    Caller("clinician", "ben", CLINIC, "clinician", frozenset({"ada"})),
    Caller("clinician not treating", "cleo", CLINIC, "clinician", frozenset({"fay"})),
    Caller("admin", "ana", CLINIC, "admin", frozenset({"ada", "fay"})),
    Caller("admin of another clinic", "dee", OTHER, "admin", frozenset({"eve"})),
    Caller("operator", "operator", CLINIC, "operator"),
    Caller("key", "key", CLINIC, "key", frozenset({"ada", "fay"}), True),
    Caller("key without verbs", "bare", CLINIC, "key", frozenset({"ada", "fay"})),
)
STAFF: tuple[tuple[str, str, str, Role], ...] = (
    (CLINIC, "ben@riverside.example", "Ben", "clinician"),
    (CLINIC, "cleo@riverside.example", "Cleo", "clinician"),
    (CLINIC, "ana@riverside.example", "Ana", "admin"),
    (OTHER, "dee@harbour.example", "Dee", "admin"),
)
OPERATOR = Who(CLINIC, "operator", "operator", sees_all=True)


def furnish(db: Connection) -> dict[str, dict[str, str]]:
    """Person -> what each of their records is called; "zed" is nobody, "old" nobody any more."""
    ids = _furnished(db)
    rights.erase(db, Who(CLINIC, "admin", "ana"), "old", EVENING)  # each time anew: the vault is told too
    missing = {kind: f"zed-{kind}" for kind in ids["ada"]} | {"clinician": "ben"}
    return ids | {"zed": missing}


@replayed
def _furnished(db: Connection) -> dict[str, dict[str, str]]:
    populate(db)
    people.add_clinician(db, CLINIC, "ana", "Ana", "admin")
    people.add_clinician(db, CLINIC, "gus", "Gus")
    people.add_clinician(db, OTHER, "dee", "Dee", "admin")
    for person in ("fay", "old"):
        who = TREATED_BY[person]
        new = Patient(person, person, "America/New_York", who.id, (), True, None, NOON, 1, NOON)
        care.enrol(db, who, new, None, NOON)
    calf = msgspec.convert({"own": CALF["exercise"], "words": CALF["words"]}, Entry)
    for doctor in (BEN, DOV):
        care.put_exercise(db, doctor, "own_one", 0, calf, NOON)
        care.save_program(db, doctor, Template("kept", "Hips", terms().prescriptions), NOON)
    ids = {person: _records(db, person, doctor) for person, doctor in TREATED_BY.items()}
    _let_everybody_in(db)
    for clinic in (CLINIC, OTHER):
        people.change_settings(db, clinic, {"clinicians_see_all": False})
    people.change_clinician(db, CLINIC, "gus", {"ended_at": NOON})
    return ids


def _records(db: Connection, person: str, doctor: Who) -> dict[str, str]:
    patient = Who(doctor.clinic, "patient", person)
    people.change_patient(db, doctor.clinic, person, 1, {"name": canary(person)}, str(doctor), NOON)
    care.put_address(db, patient, person, f"{person}-mail", "console", {"label": person}, NOON)
    for session, ended_at in ((f"o-{person}", NOON - 49 * HOUR), (f"s-{person}", NOON - HOUR)):
        visit = NeedlingSession(person, doctor.id, ended_at, ("gluteus medius",), "left", note=private(person))
        care.record_session(db, doctor, session, visit, ended_at + HOUR)
    plan = Assignment(person, doctor.id, f"Program {canary(person)}", terms())
    care.assign_plan(db, doctor, f"p-{person}", plan, NOON)
    reply = care.answer(db, patient, f"s-{person}-evening", {"rf_bleed": True}, EVENING, EVENING)
    make_token(db, patient, NOON, f"{person}-spare", DEVICE)
    sow(db, doctor, person)
    care.add_activity(db, patient, person, f"shoes-{person}", canary(person), NOON)
    told = select(message.c.id).where(message.c.clinic_id == doctor.clinic, message.c.person_id == person)
    return {
        "patient": person,
        "session": f"s-{person}",
        "plan": f"p-{person}",
        "check_in": f"s-{person}-evening",
        "unanswered": f"o-{person}-evening",
        "flag": reply.answered.flags[0],
        "device": devices_of(db, doctor.clinic, person, NOON)[0].id,
        "message": db.execute(told.order_by(message.c.id).limit(1)).scalar_one(),
        "activity": f"shoes-{person}",
        "clinician": doctor.id,
    }


def _let_everybody_in(db: Connection) -> None:
    session = Grant("session")
    for clinic, email, name, role in STAFF:
        staff.add(db, clinic, email, name, role, NOON)
    for who in (BEN, CLEO, Who(CLINIC, "admin", "ana"), Who(CLINIC, "clinician", "gus"), Who(OTHER, "admin", "dee")):
        make_token(db, who, EVENING, who.id, session)
    for person in ("ada", "fay"):
        make_token(db, Who(CLINIC, "patient", person), NOON, person, DEVICE)
    make_token(db, Who(CLINIC, "key", "practice"), NOON, "key", Grant("key", verbs=VERBS))
    make_token(db, Who(CLINIC, "key", "bare"), NOON, "bare", Grant("key"))
    make_token(db, BEN, NOON, "ended", session)
    db.execute(tables.token.update().where(tables.token.c.hash == fingerprint("ended")).values(ended_at=NOON))


def targets(ids: dict[str, dict[str, str]]) -> tuple[Target, ...]:
    return (
        Target("own", CLINIC, ids["ada"], "ada"),
        Target("same clinic", CLINIC, ids["fay"], "fay"),
        Target("foreign", CLINIC, ids["eve"], "eve"),
        Target("erased", CLINIC, ids["old"], "old"),
        Target("missing", CLINIC, ids["zed"], "zed"),
        Target("foreign clinic", OTHER, ids["eve"], "eve"),
        Target("missing clinic", "nowhere", ids["eve"], "eve"),
    )
