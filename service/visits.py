"""What a row of a practice-management export says: a visit, or what is wrong with it, column by column. Pure.

A visit that did not take place needs only the columns that find it; the rest of its row is not looked at.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from notifications.channels.addresses import EmailAddress, new_address
from notifications.timing import Zone, zone, zone_names
from programs import muscles, needling
from programs.errors import Invalid, did_you_mean
from programs.ids import derived_id
from programs.instants import SECOND, Instant, of
from programs.needling import NeedlingSession
from service.spreadsheet import Problem, Row

LONGEST_NAME = 200
LONGEST_PRECAUTION = 500
Status = Literal["attended", "cancelled", "did not arrive"]
STATUSES: dict[str, Status] = {
    "attended": "attended",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "did not arrive": "did not arrive",
    "no show": "did not arrive",
}
FORM_OF_TIME = "For example 2026-10-31T13:30:00-04:00, or without the offset in the clinic's time zone."
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


class Details(msgspec.Struct, frozen=True):
    """What the export says of a patient."""

    name: str
    zone: str
    email: str
    precautions: tuple[str, ...]


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One appointment; `session` and `details` are None unless it was attended. Names are the export's, ids ours.

    Ids are derived, so that a file read again finds its rows and two clinics may number alike. `remarks` are what was
    made of times that can be read in two ways.
    """

    line: int
    clinic: str
    appointment: str
    patient: str
    status: Status
    clinic_zone: str = ""
    practitioner: str = ""
    details: Details | None = None
    session: NeedlingSession | None = None
    remarks: tuple[str, ...] = ()

    @property
    def clinic_id(self) -> str:
        return derived_id("clinic", self.clinic)

    @property
    def patient_id(self) -> str:
        return derived_id("patient", self.clinic, self.patient)

    @property
    def clinician_id(self) -> str:
        return derived_id("clinician", self.clinic, self.practitioner)

    def session_id(self, number: int = 1) -> str:
        """Of a visit that was cancelled and took place after all, `number` counts the needling sessions."""
        return derived_id("needling session", self.clinic, self.appointment, *([number] if number > 1 else []))


def visits(rows: Iterable[Row]) -> tuple[list[Visit], list[Problem]]:
    """In the order of the file. A clinic's appointment counts once; a second row of it is a problem."""
    found: dict[tuple[str, str], Visit] = {}
    problems: list[Problem] = []
    for row in rows:
        visit = _visit(row)
        if not isinstance(visit, Visit):
            problems += visit
            continue
        before = found.setdefault((visit.clinic, visit.appointment), visit)
        if before is not visit:
            hint = "Export each appointment once, with all its muscles in one cell."
            problems.append(Problem(row.line, "appointment_id", f"is on line {before.line} already", hint))
    return list(found.values()), problems


def details_of(found: Iterable[Visit]) -> dict[str, Details]:
    """Patient id -> what the file as a whole says of them: the row of the latest visit, and every precaution named."""
    latest: dict[str, tuple[Instant, Details]] = {}
    precautions: dict[str, dict[str, None]] = {}
    for visit in found:
        if visit.details is None or visit.session is None:
            continue
        known = latest.get(visit.patient_id)
        if known is None or visit.session.ended_at >= known[0]:
            latest[visit.patient_id] = visit.session.ended_at, visit.details
        precautions.setdefault(visit.patient_id, {}).update(dict.fromkeys(visit.details.precautions))
    return {
        id: msgspec.structs.replace(details, precautions=tuple(precautions[id])) for id, (_, details) in latest.items()
    }


# columns


def _name(cell: str) -> str:
    name = " ".join(cell.split())
    if not name:
        raise Invalid("", "is empty")
    if len(name) > LONGEST_NAME:
        raise Invalid("", f"is longer than {LONGEST_NAME} characters")
    if any(unicodedata.category(mark) == "Cc" for mark in name):
        raise Invalid("", "holds a control character")
    return name


def _zone(cell: str) -> str:
    if cell not in zone_names():
        hint = did_you_mean(cell, zone_names()) or "For example “Europe/Madrid”."
        raise Invalid("", "is not the name of a time zone", hint)
    return cell


def _time(cell: str) -> datetime:
    try:
        moment = datetime.fromisoformat(cell) if _TIME.match(cell) else None
    except ValueError:
        moment = None
    if moment is None:
        raise Invalid("", "is not a date and time" if cell else "is empty", FORM_OF_TIME)
    if not 2000 <= moment.year < 2100:
        raise Invalid("", "is not in this century")
    return moment


def _time_or_none(cell: str) -> datetime | None:
    return _time(cell) if cell else None


def _one_of(choices: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(cell: str) -> Any:
        word = " ".join(cell.casefold().split())
        if word not in choices:
            hint = did_you_mean(word, choices) or f"One of: {', '.join(it or '(empty)' for it in choices)}."
            raise Invalid("", "is not one of the words known here" if word else "is empty", hint)
        return choices[word]

    return read


def _muscles(cell: str) -> tuple[str, ...]:
    names = [name for name in re.split("[;,]", cell) if name.strip()]
    if not names:
        raise Invalid("", "is empty", "Name the needled muscles, with semicolons between them.")
    return tuple(dict.fromkeys(_muscle(number, name) for number, name in enumerate(names, 1)))


def _muscle(number: int, name: str) -> str:
    try:
        return muscles.find(name).id
    except Invalid as error:
        raise Invalid("", f"number {number} {error.problem}", error.hint) from None


def _insertions(cell: str) -> int | str | None:
    if cell.casefold() in ("", "few", "many"):
        return cell.casefold() or None
    if not (cell.isascii() and cell.isdecimal() and 1 <= int(cell[:9]) <= 500):
        raise Invalid("", "must be a number from 1 to 500, “few”, “many” or empty")
    return int(cell)


def _email(cell: str) -> str:
    try:
        return new_address(EmailAddress.kind, {"mailbox": cell}).mailbox if cell else ""  # type: ignore[union-attr]
    except ValueError:
        raise Invalid("", "is not an e-mail address", "For example ada@mail.example, or empty.") from None


def _precautions(cell: str) -> tuple[str, ...]:
    """One cell is one precaution: “joint replacement; right hip” is not two."""
    if len(cell) > LONGEST_PRECAUTION:
        raise Invalid("", f"is longer than {LONGEST_PRECAUTION} characters")
    return (" ".join(cell.split()),) if cell else ()


def _note(cell: str) -> str:
    if len(cell) > needling.LONGEST_NOTE:
        raise Invalid("", f"is longer than {needling.LONGEST_NOTE} characters")
    return cell


class Column(NamedTuple):
    """`read` makes a cell's value or raises Invalid; `finds` is one that a visit which never was needs as well."""

    read: Callable[[str], Any]
    required: bool
    finds: bool = False


_YES_NO = {"": None, "yes": True, "no": False, "true": True, "false": False}
COLUMNS = {
    "appointment_id": Column(_name, True, finds=True),
    "clinic": Column(_name, True, finds=True),
    "clinic_time_zone": Column(_zone, True),
    "practitioner": Column(_name, True),
    "appointment_type": Column(str, False),
    "starts_at": Column(_time_or_none, False),
    "ends_at": Column(_time, True),
    "status": Column(_one_of(STATUSES), True, finds=True),
    "patient_id": Column(_name, True, finds=True),
    "patient_name": Column(_name, True),
    "patient_email": Column(_email, False),
    "patient_time_zone": Column(_zone, True),
    "muscles": Column(_muscles, True),
    "side": Column(_one_of({"left": "left", "right": "right", "both": "both"}), True),
    "insertions": Column(_insertions, False),
    "twitch_responses": Column(_one_of({"": None, "none": "none", "some": "some", "many": "many"}), False),
    "electrical_stimulation": Column(_one_of(_YES_NO), False),
    "precautions": Column(_precautions, False),
    "note": Column(_note, False),
}
REQUIRED = {name: column.required for name, column in COLUMNS.items()}


# rows


def _visit(row: Row) -> Visit | list[Problem]:
    values, problems = _values(row, finding=True)
    if not problems and values["status"] == "attended":
        values, problems = _values(row, finding=False)
    if problems:
        return problems
    found = Visit(
        line=row.line,
        clinic=values["clinic"],
        appointment=values["appointment_id"],
        patient=values["patient_id"],
        status=values["status"],
    )
    try:
        return found if found.status != "attended" else _attended(found, values)
    except Invalid as error:
        return [Problem(row.line, _as_column(error.field), _as_column(error.problem), error.hint)]


def _as_column(words: str) -> str:
    return words.replace("ended_at", "ends_at").replace("started_at", "starts_at")


def _values(row: Row, finding: bool) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems = []
    for name, column in COLUMNS.items():
        if finding and not column.finds:
            continue
        try:
            values[name] = column.read(row.cells[name])
        except Invalid as error:
            problems.append(Problem(row.line, name, error.problem, error.hint))
    return values, problems


def _attended(found: Visit, values: Mapping[str, Any]) -> Visit:
    here = zone(values["clinic_time_zone"])
    start, ended_at = values["starts_at"], _instant(values["ends_at"], here)
    found = msgspec.structs.replace(
        found,
        clinic_zone=here.name,
        practitioner=values["practitioner"],
        details=Details(
            values["patient_name"], values["patient_time_zone"], values["patient_email"], values["precautions"]
        ),
        remarks=tuple(
            f"{name} {remark}"
            for name in ("starts_at", "ends_at")
            if values[name] is not None and (remark := _remark(values[name], here))
        ),
    )
    session = NeedlingSession(
        patient_id=found.patient_id,
        clinician_id=found.clinician_id,
        ended_at=ended_at,
        muscles=values["muscles"],
        side=values["side"],
        started_at=None if start is None else _instant(start, here),
        insertions=values["insertions"],
        twitch_responses=values["twitch_responses"],
        electrical_stimulation=values["electrical_stimulation"],
        note=values["note"],
    )
    # Checked as of its own end: whether it is too old or yet to come is not a fault of the row.
    return msgspec.structs.replace(found, session=needling.checked(session, ended_at))


def _instant(moment: datetime, here: Zone) -> Instant:
    """An offset is believed; a time without one is the clinic's clock, with the rules of timing for clock changes."""
    if moment.tzinfo is not None:
        return of(moment)
    seconds = moment.second * SECOND + moment.microsecond // 1000
    return here.instant(moment.toordinal(), moment.hour * 60 + moment.minute) + seconds


def _remark(moment: datetime, here: Zone) -> str:
    if moment.tzinfo is not None:
        usual = moment.astimezone(here.rules).utcoffset()
        differs = moment.utcoffset() not in (timedelta(0), usual)
        return f"has an offset that {here.name} does not have then; the offset was believed" if differs else ""
    first, second = (moment.replace(tzinfo=here.rules, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    if first == second:
        return ""
    if first < second:
        return f"does not exist in {here.name}, clocks went forward: the first instant after was taken"
    return f"happens twice in {here.name}, clocks went back: the first of the two was taken"
