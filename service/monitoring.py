"""The evidence of remote monitoring, put together: a patient's windows and month, a clinic's month as a CSV file."""

import csv
import io
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, select

from notifications.timing import zone
from programs import monitoring, people, staff_time
from programs.clocks import Moves
from programs.errors import Invalid
from programs.ids import new_id
from programs.instants import Instant, say
from programs.monitoring import TIERS, Kind, Month, Sent, Spent, Window
from programs.people import Patient
from programs.schedule import DAY_MINUTES
from programs.tables import among, answer, check_in, completion
from service import audit
from service.care import Who

MOST_GRACE = 7
LONGEST_LABEL = 80
NOTICE = "Monitoring-day report. What is billed is the clinic's decision."

_COMPLETIONS = select(completion.c.patient_id, completion.c.id, completion.c.done_at, completion.c.received_at).where(
    completion.c.clinic_id == bindparam("clinic"), among(completion.c.patient_id, "patients")
)
_ANSWERS = (
    select(check_in.c.patient_id, answer.c.check_in_id, answer.c.answered_at, answer.c.received_at)
    .join(answer, (answer.c.clinic_id == check_in.c.clinic_id) & (answer.c.check_in_id == check_in.c.id))
    .where(check_in.c.clinic_id == bindparam("clinic"), among(check_in.c.patient_id, "patients"))
)


class Evidence(msgspec.Struct, frozen=True):
    """One patient: all windows so far and the month asked for, with everything behind each count."""

    patient: Patient
    today: int
    sent: list[Sent]
    windows: list[Window]
    month: Month


class Period(msgspec.Struct, frozen=True):
    """A calendar month, and how many days late data may come in."""

    first: int
    last: int
    grace: int = 0


def period(year: int, month: int, grace: int = 0) -> Period:
    if not 0 <= grace <= MOST_GRACE:
        raise Invalid("grace", f"must be from 0 to {MOST_GRACE} days")
    return Period(date(year, month, 1).toordinal(), date(year, month, monthrange(year, month)[1]).toordinal(), grace)


def evidence_of(db: Connection, clinic: str, patients: Sequence[Patient], it: Period, now: Instant) -> list[Evidence]:
    ids = [one.id for one in patients]
    moves = people.moves_of(db, clinic, ids)
    sent = _sent(db, clinic, ids, moves)
    spent = staff_time.spent_on(db, clinic, ids)
    return [_evidence(one, moves[one.id], sent[one.id], spent.get(one.id, ()), it, now) for one in patients]


def _evidence(
    patient: Patient, moves: Moves, sent: list[Sent], spent: Sequence[Spent], it: Period, now: Instant
) -> Evidence:
    today = moves.wall(now) // DAY_MINUTES
    found = monitoring.windows(sent, today, it.grace)
    return Evidence(patient, today, sent, found, monitoring.month(spent, it.first, it.last))


def _sent(db: Connection, clinic: str, ids: Sequence[str], moves: Mapping[str, Moves]) -> dict[str, list[Sent]]:
    """What patients sent themselves, each on the date their own clock showed, in whatever zone it stood then."""
    found: dict[str, list[Sent]] = defaultdict(list)
    kinds: tuple[tuple[Kind, Select[Any]], ...] = (("exercise", _COMPLETIONS), ("answer", _ANSWERS))
    for kind, statement in kinds:
        for patient, id, at, received_at in db.execute(statement, {"clinic": clinic, "patients": list(ids)}):
            day, received_day = (moves[patient].wall(one) // DAY_MINUTES for one in (at, received_at))
            found[patient].append(Sent(day, received_day, kind, id, at))
    for some in found.values():
        some.sort(key=lambda it: (it.at, it.id))
    return found


# what a clinic does


def spend(db: Connection, who: Who, patient: str, it: Spent, now: Instant) -> Spent:
    """`it` without its id, author and time, which are given here."""
    people.patient_of(db, who.clinic, patient)
    today = zone(people.clinic_of(db, who.clinic).zone).wall(now).day
    made = msgspec.structs.replace(it, id=new_id(now), patient_id=patient, by=str(who), at=now)
    staff_time.spend(db, who.clinic, made, today)
    audit.note(db, who.clinic, str(who), "log staff time", patient, made.id, now)
    return made


def set_labels(db: Connection, who: Who, labels: Mapping[str, str], now: Instant) -> Mapping[str, str]:
    """What the clinic calls each tier in its own papers; an empty text takes one away."""
    for tier, text in labels.items():
        if tier not in TIERS:
            raise Invalid("labels", f"name a tier that is not one of: {', '.join(TIERS)}")
        if len(text) > LONGEST_LABEL or any(ord(mark) < 32 for mark in text):
            raise Invalid("labels", f"must be one line of at most {LONGEST_LABEL} characters each")
    known = people.clinic_of(db, who.clinic).settings.monitoring_labels
    merged = {tier: text.strip() for tier, text in {**known, **labels}.items() if text.strip()}
    people.change_settings(db, who.clinic, {"monitoring_labels": merged})
    audit.note(db, who.clinic, str(who), "set monitoring labels", "", who.clinic, now)
    return merged


# the file

COLUMNS = ("patient", "name", "record", "from", "to", "count", "tier", "label", "live", "at", "id", "counts", "note")


def sheet_of(db: Connection, clinic: str, ids: Sequence[str], it: Period, now: Instant) -> list[list[str]]:
    """Windows that touch the month, with each thing sent in them; the month's minutes, with each entry."""
    labels = people.clinic_of(db, clinic).settings.monitoring_labels
    found = []
    for one in evidence_of(db, clinic, people.some_patients(db, clinic, ids), it, now):
        head = {"patient": one.patient.id, "name": one.patient.name}
        rows = ({**head, **row} for row in _rows(one, it, labels))
        found += [[str(row.get(name, "")) for name in COLUMNS] for row in rows]
    return found


def csv_of(rows: Iterable[Sequence[str]]) -> str:
    file = io.StringIO()
    sheet = csv.writer(file)
    sheet.writerow(COLUMNS)
    sheet.writerows([safe(cell) for cell in row] for row in rows)
    sheet.writerow([NOTICE])
    return file.getvalue()


def safe(cell: str) -> str:
    """A spreadsheet reads =, +, - and @ at the start of a cell as a formula, also after blanks."""
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@") or cell[:1] in ("\t", "\r", "\n") else cell


def _rows(it: Evidence, asked: Period, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for window in it.windows:
        if window.first <= asked.last and window.last >= asked.first:
            count = {
                "count": len(window.days),
                "tier": window.tier or "none",
                "label": labels.get(window.tier or "", ""),
            }
            note = "" if window.over else "still running"
            yield {"record": "window", **_span(window.first, window.last), **count, "note": note}
            yield from (_sent_row(one, asked.grace) for one in it.sent if window.first <= one.day <= window.last)
    month = it.month
    tier = {"tier": month.tier or "none", "label": labels.get(month.tier or "", ""), "live": _yes(month.live)}
    yield {"record": "month", **_span(asked.first, asked.last), "count": month.minutes, **tier}
    for entry in month.entries:
        said = {"count": entry.minutes, "live": _yes(entry.live), "at": say(entry.at), "id": entry.id}
        yield {"record": "staff time", **_span(entry.day, entry.day), **said, "counts": "yes", "note": entry.note}


def _sent_row(it: Sent, grace: int) -> dict[str, Any]:
    counts = monitoring.counted(it, grace)
    note = "" if counts else f"came in {it.received_day - it.day} days later"
    return {
        "record": it.kind,
        **_span(it.day, it.day),
        "at": say(it.at),
        "id": it.id,
        "counts": _yes(counts),
        "note": note,
    }


def _span(first: int, last: int) -> dict[str, str]:
    return {"from": date.fromordinal(first).isoformat(), "to": date.fromordinal(last).isoformat()}


def _yes(it: bool) -> str:
    return "yes" if it else "no"
