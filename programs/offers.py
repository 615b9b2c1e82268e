"""What a clinic's plans are made of: exercises, programs (ours and its own), and how long a day may be; and the verbs
that keep a clinic's own programs. A plan copies what its program says: a program that changes later changes no plan.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from programs import dosage, needling, people, templates
from programs.cards import Cards, card_of, cards_of
from programs.dosage import Phase, Prescription
from programs.errors import Conflict, Invalid, NoSuchRecord, Stale
from programs.instants import Instant
from programs.tables import template, template_version
from programs.templates import Template

LONGEST_TITLE = 200
MOST_EXERCISES = 30


class Offer(NamedTuple):
    """`templates` are those that can be chosen, by id: the clinic's own first."""

    cards: Cards
    templates: Mapping[str, Template]
    minutes_a_day: int

    def warnings(self, prescriptions: Sequence[Prescription], times: int) -> list[str]:
        return templates.warnings(prescriptions, times or 1, self.minutes_a_day, self.cards)


class Suggestion(NamedTuple):
    """What the table of clinical.md 4.5 lists for one needled muscle. Nobody has prescribed it."""

    muscle: str
    by_phase: Mapping[Phase, Sequence[Prescription]]


_OWN = (
    select(template.c.id, template_version.c.title, template_version.c.prescriptions, template.c.version)
    .join(
        template_version,
        (template_version.c.clinic_id == template.c.clinic_id)
        & (template_version.c.template_id == template.c.id)
        & (template_version.c.version == template.c.version),
    )
    .where(template.c.clinic_id == bindparam("clinic"), template.c.retired_at.is_(None))
    .order_by(template_version.c.title, template.c.id)
)
_STANDING = select(template.c.version, template.c.retired_at).where(
    template.c.clinic_id == bindparam("clinic"), template.c.id == bindparam("id")
)
_VERSIONS = (
    select(
        template_version.c.template_id,
        template_version.c.title,
        template_version.c.prescriptions,
        template_version.c.version,
    )
    .where(template_version.c.clinic_id == bindparam("clinic"), template_version.c.template_id == bindparam("id"))
    .order_by(template_version.c.version)
)
_decode = msgspec.json.Decoder(tuple[Prescription, ...]).decode


def offer_of(db: Connection, clinic: str) -> Offer:
    own = {row[0]: _template(row) for row in db.execute(_OWN, {"clinic": clinic})}
    budget = people.clinic_of(db, clinic).settings.minutes_a_day
    return Offer(cards_of(db, clinic), {**own, **templates.templates()}, budget)


def _template(row: Any) -> Template:
    return Template(row[0], row[1], _decode(row[2]), row[3])


def suggestions_of(db: Connection, clinic: str, patient: str) -> list[Suggestion]:
    """For the muscles of the patient's latest needling session that stands; nothing before the first one."""
    standing = (it for it in needling.sessions_of(db, clinic, patient) if it.cancelled_at is None)
    latest = next(standing, None)
    muscles = () if latest is None else latest.session.muscles
    return [Suggestion(it, templates.suggestions(it)) for it in muscles]


# a clinic's own programs


def checked(title: str, prescriptions: Sequence[Prescription], known: Cards) -> str:
    """The title without the blanks around it. Raises Invalid, which names the field."""
    title = " ".join(title.split())
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise Invalid("title", f"must be 1 to {LONGEST_TITLE} characters")
    if not 1 <= len(prescriptions) <= MOST_EXERCISES:
        raise Invalid("prescriptions", f"must be 1 to {MOST_EXERCISES} exercises")
    names = [card_of(known, it.exercise).exercise.id for it in prescriptions]
    if len(set(names)) < len(names):
        raise Invalid("prescriptions", "name an exercise twice", "Give one exercise several times of day instead.")
    for it in prescriptions:
        dosage.check_prescription(it)
    return title


def save(db: Connection, clinic: str, it: Template, by: str, now: Instant) -> Template:
    """A new program at version 0, else a new version of the one that stands at `it.version`. Old versions are kept."""
    if it.id in templates.templates():
        raise Conflict(f"program {it.id} is ours", "This program comes with Homestretch. Save a copy under a new name.")
    title = checked(it.title, it.prescriptions, cards_of(db, clinic))
    if it.version == 0:
        row = {"clinic_id": clinic, "id": it.id, "version": 1, "made_at": now, "retired_at": None}
        db.execute(insert(template), row)
    else:
        _advance(db, clinic, it.id, it.version, {"version": it.version + 1})
    saved = Template(it.id, title, it.prescriptions, it.version + 1)
    row = {"clinic_id": clinic, "template_id": it.id, "version": saved.version, "title": title}
    db.execute(insert(template_version), {**row, "prescriptions": it.prescriptions, "made_by": by, "made_at": now})
    return saved


def retire(db: Connection, clinic: str, id: str, version: int, now: Instant) -> Template:
    """It can no longer be chosen; plans made from it go on."""
    _advance(db, clinic, id, version, {"retired_at": now})
    return versions_of(db, clinic, id)[-1]


def versions_of(db: Connection, clinic: str, id: str) -> list[Template]:
    """All that it ever said, latest last."""
    found = [_template(row) for row in db.execute(_VERSIONS, {"clinic": clinic, "id": id})]
    if not found:
        raise NoSuchRecord("program", id)
    return found


def _advance(db: Connection, clinic: str, id: str, version: int, changed: Mapping[str, int]) -> None:
    standing = db.execute(_STANDING, {"clinic": clinic, "id": id}).first()
    if standing is None:
        raise NoSuchRecord("program", id)
    done = db.execute(
        update(template)
        .where(
            template.c.clinic_id == clinic,
            template.c.id == id,
            template.c.version == version,
            template.c.retired_at.is_(None),
        )
        .values(**changed)
    )
    if done.rowcount == 1:
        return
    if standing.retired_at is not None:
        raise Conflict(f"program {id} is retired", "This program is no longer offered. Save a new one.")
    raise Stale(f"program {id} is at version {standing.version}, not {version}")
