"""A word of its own in every field of a patient's record where somebody may write, and which fields those are.

Whoever adds a column or a field of text to a table of patients is told here to sow it, or why nobody writes in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fnmatch import fnmatch
from typing import Any

import msgspec
from msgspec import inspect
from sqlalchemy import Column, Connection, String, Table, Text, insert, select

from programs.completions import Completion
from programs.dosage import Dosage, Prescription
from programs.instants import DAY, HOUR, Instant
from programs.monitoring import Spent
from programs.needling import NeedlingSession
from programs.plans import Assignment
from programs.schedule import Hold, Terms, wall_at
from programs.tables import Value
from programs.treating import OPEN_FOR, Opening, open_record
from service import care, counting, monitoring, rights, tables
from service.auth.tokens import DEVICE, make_token
from service.care import Who
from service.subject import METADATA, OF_PATIENT
from tests.world import NOON, terms

EVENING: Instant = NOON + 3 * HOUR
PUSH_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"


def canary(person: str, field: str = "") -> str:
    """What this person may read, and who treats them."""
    return f"canary-{person}-{field}" if field else f"canary-{person}"


def private(person: str, field: str = "") -> str:
    """What clinicians write for each other: never the patient's to read."""
    return f"private-{person}-{field}" if field else f"private-{person}"


def sow(db: Connection, doctor: Who, person: str) -> None:
    """Beside the records that requests are about, whose versions and states stay as they are."""
    _sow_care(db, doctor, person)
    _sow_rights(db, doctor, person)
    _sow_addresses(db, Who(doctor.clinic, "patient", person))
    counting.roll_up(db, doctor.clinic, [person], EVENING + 7 * DAY)


def _sow_care(db: Connection, doctor: Who, person: str) -> None:
    patient, note = Who(doctor.clinic, "patient", person), private(person, "visit before")
    visit = NeedlingSession(person, doctor.id, NOON - 49 * HOUR, ("gluteus medius",), "left", note=note)
    care.correct_session(db, doctor, f"o-{person}", 1, visit, NOON)
    bridge = Prescription("hip_bridge", Dosage(reps=10), note=canary(person, "prescription"))
    asked = terms(prescriptions=(bridge,), note=canary(person, "plan"))
    care.assign_plan(db, doctor, f"q-{person}", Assignment(person, doctor.id, canary(person, "title"), asked), NOON)
    noon = wall_at(date(2026, 6, 2), "12:00")
    held = Hold(f"h-{person}", noon, noon + 60, (), canary(person, "hold"))
    care.hold_plan(db, doctor, person, f"q-{person}", 1, held, NOON)
    done = Completion(f"d-{person}", f"q-{person}", "hip_bridge", date(2026, 6, 1), "09:00", "done", NOON)
    done = msgspec.structs.replace(done, note=canary(person, "completion"))
    care.complete(db, patient, [done], NOON)
    said = {"rf_infect": True, "q_free": canary(person, "answer")}
    reply = care.answer(db, patient, f"o-{person}-day2", said, NOON, NOON)
    care.acknowledge(db, doctor, reply.answered.flags[0], EVENING, private(person, "flag"))
    care.follow_up(db, doctor, f"o-{person}-day1", private(person, "follow-up"), EVENING)
    spent = Spent(
        f"t-{person}",
        person,
        date(2026, 6, 1).toordinal(),
        5,
        True,
        private(person, "time"),
        None,
        str(doctor),
        EVENING,
    )
    monitoring.spend(db, doctor, person, spent, EVENING)


def _sow_rights(db: Connection, doctor: Who, person: str) -> None:
    open_record(db, doctor.clinic, _opened(person, doctor))
    rights.hold(db, doctor, person, canary(person, "hold by law"), NOON)
    rights.release(db, doctor, person, canary(person, "release"), EVENING)
    rights.ask_to_erase(db, Who(doctor.clinic, "patient", person), person, NOON)
    rights.refuse_to_erase(db, doctor, person, canary(person, "refusal"), EVENING)


def _sow_addresses(db: Connection, who: Who) -> None:
    make_token(db, who, NOON, f"{who.id}-tablet", msgspec.structs.replace(DEVICE, label=canary(who.id, "tablet")))
    push = {"endpoint": f"https://fcm.googleapis.com/{canary(who.id)}", "p256dh": PUSH_KEY, "auth": "x" * 22}
    care.put_address(db, who, who.id, f"{who.id}-push", "web_push", push, NOON)
    care.put_address(db, who, who.id, f"{who.id}-box", "email", {"mailbox": f"{canary(who.id)}@example.org"}, NOON)
    body = msgspec.json.encode({"words": canary(who.id, "reply")}).decode()
    row = {"clinic_id": who.clinic, "person_id": who.id, "key": "k", "request": "", "status": 200, "made_at": NOON}
    db.execute(insert(tables.reply), {**row, "body": body})


def _opened(person: str, by: Who) -> Opening:
    """Long over: it opens nothing any more."""
    return Opening(f"g-{person}", person, "", by.id, canary(person, "opened"), NOON - OPEN_FOR, NOON)


# Fields of text in which nobody writes, by what stands there instead; "*_by" for every field of such a name.
CODED: Mapping[str, str] = {
    "an id, made by us or by an app": "*.id *.person_id *.patient_id *.clinician_id *.record_id *.device_id "
    "delivery.address_id staff_time.replaces message.key due.key reply.key completion.value.plan_id",
    "a digest": "*.hash *.factor_hash *.mac address.endpoint reply.request",
    "a kind and an id": "*_by audit.who",
    "one of our own words": "address.channel address.gone_reason audit.what audit.outcome message.kind "
    "message.subjects "
    "message.reasons token.use token.kind token.verbs delivery.channel delivery.result delivery.detail due.state "
    "outcome.state outcome.reason receipt.kind enrolment.way enrolment.factor consent.wording check_in.step "
    "check_in.state check_in.late due.trouble phase_release.phase answer.questions_version flag.tier flag.finding "
    "preference.value",
    "a network address": "audit.origin",
    "of the list of time zones": "*.zone",
    "of the clinic's exercises, of muscles or of precautions": "patient.precautions completion.exercise hold.exercises "
    "completion.value.exercise *.value.muscles revision.terms.prescriptions.exercise "
    "revision.terms.prescriptions.works",
    "a number, a date or a time of day": "rating.value completion.value.date completion.value.time "
    "revision.terms.times revision.terms.starts_on revision.terms.ends_on revision.terms.prescriptions.times",
}
# What a column of JSON is made of, where somebody writes in a part of it.
MADE_OF: Mapping[str, Any] = {
    "needling_session.value": NeedlingSession,
    "needling_session_before.value": NeedlingSession,
    "completion.value": Completion,
    "revision.terms": Terms,
}


def unsown(db: Connection, clinic: str, person: str) -> list[str]:
    """The fields in which none of this person's words stands, and which no line of CODED speaks of."""
    values, found = {"of_clinic": clinic, "of_patient": person}, []
    patterns = [pattern for line in CODED.values() for pattern in line.split()]
    for name, mine in OF_PATIENT.items():
        for column in _texts(METADATA.tables[name]):
            said = [str(it) for it in db.execute(select(column).where(mine), values).scalars()]
            for field, words in _parts(f"{name}.{column.name}", said):
                sown = any(f"{kind}-{person}" in word for kind in ("canary", "private") for word in words)
                if not sown and not any(fnmatch(field, pattern) for pattern in patterns):
                    found.append(field)
    return found


def _texts(table: Table) -> Iterator[Column[Any]]:
    """Where text may stand: but for what names another row."""
    of_another = {column.name for key in table.foreign_key_constraints for column in key.columns}
    for column in table.c:
        if isinstance(column.type, String | Text | Value) and column.name not in of_another | {"clinic_id"}:
            yield column


def _parts(field: str, said: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The field with what stands in it; one of JSON by its parts, also those in which nothing stands."""
    made_of = MADE_OF.get(field)
    if made_of is None:
        yield field, list(said)
        return
    leaves = [leaf for value in said for leaf in _leaves(field, msgspec.json.decode(value))]
    for part in dict.fromkeys(_strings(field, inspect.type_info(made_of))):
        yield part, [word for place, word in leaves if place == part]


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(f"{place}.{name}", part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(place, part)
    elif isinstance(value, str):
        yield place, value


def _strings(place: str, it: Any) -> Iterator[str]:
    if isinstance(it, inspect.StrType | inspect.DateType):
        yield place
    elif isinstance(it, inspect.StructType):
        for field in it.fields:
            yield from _strings(f"{place}.{field.encode_name}", field.type)
    elif isinstance(it, inspect.UnionType):
        for part in it.types:
            yield from _strings(place, part)
    elif isinstance(it, inspect.VarTupleType | inspect.ListType):
        yield from _strings(place, it.item_type)
    elif isinstance(it, inspect.DictType):
        yield from _strings(place, it.value_type)
