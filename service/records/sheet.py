"""A copy of a record that people can read: one HTML file that needs nothing else, made of the very export for machines.

What each part shows is here, how it looks in sheet.html; the words of both are in wording/. Nothing is judged.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import jinja2
import msgspec
from sqlalchemy import Connection

from notifications.timing import zone
from programs import dosage, people, questions
from programs.cards import Cards, cards_of
from programs.consent import asked_in
from programs.dosage import Prescription
from programs.instants import Instant, of
from programs.schedule import day_of, time_of
from service import audit, rights
from service.audit import Asked
from service.records import Words, words
from service.records.readers import Seen, language_of, person, seen_by

MOST_READERS = 2_000  # the latest; all are in the export for machines
Row = Sequence[str]
Record = Mapping[str, Any]
_sheet = jinja2.Environment(
    loader=jinja2.PackageLoader("service.records", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Copy(NamedTuple):
    """One record on its way to paper."""

    its: Words
    language: str
    zone: str
    names: Mapping[str, str]
    records: Mapping[str, Sequence[Record]]
    cards: Cards
    seen: Sequence[Seen]

    def at(self, said: str | None) -> str:
        """ "1 Jun 2026, 11:00" on the patient's clock."""
        return "" if said is None else self.wall(zone(self.zone).minutes(of(datetime.fromisoformat(said))))

    def wall(self, wall: int) -> str:
        day = day_of(wall)
        return f"{day.day}\u00a0{self.its.sheet.months[day.month - 1]}\u00a0{day.year}, {time_of(wall)}"

    def who(self, said: str | None) -> str:
        kind, _, id = (said or "").rpartition(":")
        return self.names.get(id) or person(self.its, kind, "") if said else ""

    def said(self, word: Any) -> str:
        if isinstance(word, bool):
            return self.its.sheet.yes if word else self.its.sheet.no
        return self.its.said.get(str(word), str(word))

    def exercise(self, id: str) -> str:
        return self.cards[id].say(self.language).title if id in self.cards else id

    def sorted(self, table: str, by: str) -> list[Record]:
        return sorted(self.records[table], key=lambda it: str(it[by]))


def readable(db: Connection, clinic: str, id: str, now: Instant, private: bool) -> str:
    """The record as rights.export gives it, with `private` notes or without."""
    export = rights.export(db, clinic, id, now, private)
    language, of_clinic = language_of(db, clinic, id), people.clinic_of(db, clinic)
    seen = seen_by(db, clinic, id, audit.links_of(db, clinic, id, Asked(MOST_READERS)), language)
    patient_zone = export["records"]["patient"][0]["zone"]
    it = Copy(
        words(language), language, patient_zone, export["clinicians"], export["records"], cards_of(db, clinic), seen
    )
    return _sheet.get_template("sheet.html").render(
        its=it.its,
        language=language,
        clinic=of_clinic,
        made=it.at(export["made_at"]),
        zone=patient_zone,
        private=private,
        parts=[(it.its.parts[name], list(rows(it))) for name, rows in PARTS.items()],
        besides=_besides(it),
    )


def _besides(it: Copy) -> str:
    """What else is in the export, by the name it has there."""
    return ", ".join(f"{name} ({len(rows)})" for name, rows in it.records.items() if rows and name not in SHOWN)


def _lines(*lines: str | None) -> str:
    return "\n".join(line for line in lines if line)


def _person(it: Copy) -> Iterator[Row]:
    (patient,), fields = it.records["patient"], it.its.fields
    yield fields["name"], patient["name"]
    yield fields["zone"], patient["zone"]
    yield fields["clinician_id"], it.who(patient["clinician_id"])
    precautions = ", ".join(name.replace("_", " ") for name in patient["precautions"])
    yield fields["precautions"], precautions or it.said("none")
    yield fields["consented"], it.said(patient["consented"])
    yield fields["created_at"], it.at(patient["created_at"])
    if patient["discharged_at"]:
        yield fields["discharged_at"], it.at(patient["discharged_at"])
    for chosen in it.records["preference"]:
        value = chosen["value"]
        yield fields["language"], value["language"]
        yield fields["allowed_hours"], f"{value['allowed_from']} - {value['allowed_until']}"


def _visits(it: Copy) -> Iterator[Row]:
    before = {row["id"] for row in it.records["needling_session_before"]}
    fields = it.its.fields
    for row in it.sorted("needling_session", "ended_at"):
        value = row["value"]
        more = (
            fields[name].format(it.said(value[name]))
            for name in ("insertions", "twitch_responses", "electrical_stimulation", "sore_before", "note")
            if value.get(name) not in (None, "")
        )
        states = (
            fields["cancelled"] if row["cancelled_at"] else "",
            fields["corrected"] if row["id"] in before else "",
        )
        by = it.who(value["clinician_id"])
        yield it.at(row["ended_at"]), ", ".join(value["muscles"]), it.said(value["side"]), _lines(*more, *states), by


def _answers(it: Copy) -> Iterator[Row]:
    last = {row["check_in_id"]: row for row in it.sorted("answer", "version")}
    for row in it.sorted("check_in", "target"):
        given = last.get(row["id"])
        text = _lines(*(_answer(it, *pair) for pair in given["answers"].items())) if given else it.said(row["state"])
        yield it.at(row["target"]), it.said(row["step"]), it.at(given["answered_at"] if given else None), text


def _answer(it: Copy, id: str, answer: Any) -> str:
    question = questions.BY_ID[id]
    said = it.said(answer) if isinstance(answer, bool) else f"{answer} / 10" if isinstance(answer, int) else str(answer)
    if isinstance(answer, str) and question.options:
        said = dict(question.choices(it.language)).get(answer, said)
    return f"{question.say(it.language)} {said}"


def _plans(it: Copy) -> Iterator[Row]:
    plans = {row["id"]: row for row in it.records["plan"]}
    for row in it.sorted("revision", "from_wall"):
        terms, plan = row["terms"], plans[row["plan_id"]]
        asked = msgspec.convert(terms["prescriptions"], tuple[Prescription, ...])
        lines = (f"{it.exercise(one.exercise)}: {dosage.say(one.dosage, it.language)}" for one in asked)
        ended = f"{it.its.fields['ended']}: {it.at(plan['ended_at'])}" if plan["ended_at"] else ""
        yield (
            it.wall(row["from_wall"]),
            _lines(plan["title"], ", ".join(terms["times"]), ended),
            _lines(*lines, terms["note"]),
            it.who(row["revised_by"]),
        )


def _completions(it: Copy) -> Iterator[Row]:
    for row in sorted(it.records["completion"], key=lambda row: int(row["wall"])):
        value = row["value"]
        parts = [it.said(value["outcome"]), it.said(value["reason"]) if value.get("reason") else "", value.get("note")]
        yield it.wall(row["wall"]), it.exercise(row["exercise"]), ", ".join(part for part in parts if part)


def _activities(it: Copy) -> Iterator[Row]:
    said = {row["id"]: row["words"] for row in it.records["activity"]}
    rows = [(row["added_at"], row["words"], "") for row in it.records["activity"]]
    for row in it.records["rating"]:
        value = row["value"]
        rows += [(row["rated_at"], said.get(id, id), f"{mark} / 10") for id, mark in value.get("scores", {}).items()]
        if value.get("change") is not None:
            rows.append((row["rated_at"], it.its.fields["change"], f"{value['change']:+d}"))
    for at, activity, mark in sorted(rows):
        yield it.at(at), activity, mark


def _flags(it: Copy) -> Iterator[Row]:
    for row in it.sorted("flag", "raised_at"):
        inputs = row["finding"].get("inputs", {})
        why = _lines(*(_answer(it, id, answer) for id, answer in inputs.items() if id in questions.BY_ID))
        seen = _lines(it.at(row["acknowledged_at"]), it.who(row["acknowledged_by"]), row["note"])
        yield it.at(row["raised_at"]), it.said(row["tier"]), why or row["finding"].get("rule", ""), seen


def _messages(it: Copy) -> Iterator[Row]:
    due = {row["message_id"]: row["state"] for row in it.records["due"]}
    ended = {row["message_id"]: row for row in it.records["outcome"]}
    for row in it.sorted("message", "planned_for"):
        tries = [one for one in it.records["delivery"] if one["message_id"] == row["id"]]
        told = [one for one in it.records["receipt"] if one["message_id"] == row["id"]]
        end = ended.get(row["id"])
        yield (
            it.at(row["planned_for"]),
            it.said(row["kind"]),
            f"{it.said(end['state'])}, {it.at(end['ended_at'])}" if end else it.said(due.get(row["id"], "")),
            _lines(*dict.fromkeys(it.said(one["channel"]) for one in tries)),
            _lines(*(f"{it.said(one['kind'])}, {it.at(one['happened_at'])}" for one in told)),
        )


def _consents(it: Copy) -> Iterator[Row]:
    for row in it.sorted("consent", "recorded_at"):
        what = it.said("given" if row["given"] else "withdrawn")
        yield it.at(row["recorded_at"]), what, it.who(row["recorded_by"]), asked_in(row["wording"], it.language)


def _phones(it: Copy) -> Iterator[Row]:
    for row in it.sorted("token", "made_at"):
        yield it.at(row["made_at"]), row["label"] or it.said(row["use"]), it.at(row["ended_at"] or row["good_until"])
    for row in it.sorted("address", "added_at"):
        where = row["value"].get("mailbox") or row["value"].get("label") or ""
        yield (
            it.at(row["added_at"]),
            ": ".join(part for part in (it.said(row["channel"]), where) if part),
            it.at(row["gone_at"]),
        )


def _requests(it: Copy) -> Iterator[Row]:
    fields = it.its.fields
    for row in it.sorted("erasure_request", "asked_at"):
        refused = {"at": it.at(row["refused_at"]), "by": it.who(row["refused_by"]), "why": row["refused_why"]}
        answer = fields["refused"].format(**refused) if row["refused_at"] else fields["open"]
        yield it.at(row["asked_at"]), it.who(row["asked_by"]), answer


def _openings(it: Copy) -> Iterator[Row]:
    for row in it.sorted("break_glass", "opened_at"):
        yield it.at(row["opened_at"]), it.who(row["clinician_id"]), row["reason"]


def _readers(it: Copy) -> Iterator[Row]:
    for one in it.seen:
        yield it.wall(zone(it.zone).minutes(one.note.at)), one.person, one.deed


PARTS: Mapping[str, Callable[[Copy], Iterable[Row]]] = {
    "person": _person,
    "visits": _visits,
    "answers": _answers,
    "plans": _plans,
    "completions": _completions,
    "activities": _activities,
    "flags": _flags,
    "messages": _messages,
    "consents": _consents,
    "phones": _phones,
    "requests": _requests,
    "openings": _openings,
    "readers": _readers,
}
# The tables the parts are made of; of the others it is said how many rows there are.
SHOWN = frozenset(
    {
        *("patient", "preference", "needling_session", "check_in", "answer", "plan", "revision", "completion"),
        *("activity", "rating", "flag", "message", "due", "outcome", "delivery", "receipt", "consent", "token"),
        *("address", "erasure_request", "break_glass", "audit"),
    }
)
