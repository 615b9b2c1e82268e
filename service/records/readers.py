"""Who saw or changed a patient's record, said to the patient: by name, in what role, and what kind of thing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from notifications.preferences import DEFAULT, preferences_of
from programs import people
from programs.instants import Instant
from programs.tables import break_glass
from service.audit import Link, Note
from service.records import Words, words
from service.tables import token


class Opening(NamedTuple):
    """By break-glass: whoever it was had this record open meanwhile."""

    clinician_id: str
    reason: str
    opened_at: Instant
    closes_at: Instant


class Seen(NamedTuple):
    """`name` is "" where nobody has one; `person` is the name with the role, `deed` what they did."""

    number: int
    note: Note
    name: str
    person: str
    deed: str
    emergency: bool

    @property
    def text(self) -> str:
        return f"{self.person}{',' if self.name else ''} {self.deed}."


def language_of(db: Connection, clinic: str, patient: str) -> str:
    return preferences_of(db, clinic, [patient]).get(patient, DEFAULT).language


def openings_of(db: Connection, clinic: str, patient: str) -> list[Opening]:
    asked = select(*(break_glass.c[name] for name in Opening._fields))
    mine = (break_glass.c.clinic_id == clinic) & (break_glass.c.patient_id == patient)
    return [Opening(*row) for row in db.execute(asked.where(mine).order_by(break_glass.c.opened_at))]


def names_of(db: Connection, clinic: str) -> dict[str, str]:
    """By id: of staff, and of keys, those that have ended too."""
    keys = select(token.c.person_id, token.c.label).where(token.c.clinic_id == clinic, token.c.kind == "integration")
    return {row.person_id: row.label for row in db.execute(keys)} | people.clinicians_of(db, clinic)


def seen_by(db: Connection, clinic: str, patient: str, links: Sequence[Link], language: str) -> list[Seen]:
    its, names, openings = words(language), names_of(db, clinic), openings_of(db, clinic, patient)
    return [_seen(it, patient, its, names, openings) for it in links]


def _seen(it: Link, patient: str, its: Words, names: Mapping[str, str], openings: Sequence[Opening]) -> Seen:
    note = it.note
    kind, _, id = note.who.partition(":")
    emergency = kind == "clinician" and any(
        one.clinician_id == id and one.opened_at <= note.at < one.closes_at for one in openings
    )
    name = names.get(id, "") if kind in ("clinician", "admin", "key") else ""
    return Seen(it.number, note, name, person(its, kind, name), _deed(note, its, emergency), emergency)


def person(its: Words, kind: str, name: str) -> str:
    role = its.people.get(kind, its.people["unknown"])
    return f"{name}, {role}" if name else role[:1].upper() + role[1:]


def _deed(it: Note, its: Words, emergency: bool) -> str:
    if it.outcome == "refused":
        return its.deeds.get(it.what, its.readers.refused)
    if it.what in its.deeds:
        return its.deeds[it.what]
    method, _, path = it.what.partition(" ")
    if method == "GET" and it.patient == "":
        return its.readers.list
    said = (its.readers.looked if method == "GET" else its.readers.changed).format(what=_thing(path, its))
    return f"{said}, {its.readers.glass}" if emergency else said


def _thing(path: str, its: Words) -> str:
    """What a path is about is said by the last of its words that we know."""
    known = (its.seen[part] for part in reversed(path.split("/")) if part in its.seen)
    return next(known, its.seen["record"])
