"""Visits of a practice-management export become needling sessions, through the same use cases as by every other door.

What is imported twice changes nothing: ids are derived, and a row counts as changed only where the export says
something else than it last said, so that what a clinician or a patient changed here since is not put back. A dry run
does the same in the same transactions and rolls them back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Literal

import msgspec
from sqlalchemy import Connection, func, select

from notifications import outbox
from notifications.agenda import Agenda
from notifications.channels.addresses import EmailAddress
from notifications.timing import zone
from programs import checkins, needling, people, walls
from programs.aftercare import PROTOCOL, CheckIn
from programs.errors import NoSuchRecord, ProgramsError
from programs.ids import derived_id
from programs.instants import DAY, Instant, moment
from programs.needling import CLOCK_SKEW, OLDEST, NeedlingSession, Recorded
from programs.people import Clinic, Patient
from programs.tables import consent, needling_session_before
from service import audit, care
from service.care import Who
from service.clock import Clock
from service.database import Database
from service.tables import audit as audit_log
from service.vault import CARRIED, Keys
from service.visits import Details, Visit, details_of

CHUNK = 100  # rows a transaction: the server next to it waits for the database no longer than that takes
KIND, NAME = "system", "import"
ME = f"{KIND}:{NAME}"
# An audit entry whose record is a fingerprint of what the export said of a patient: name, zone, precautions.
SAID = "import patient"

What = Literal["recorded", "corrected", "cancelled", "unchanged", "not yet ended", "too old", "no visit", "refused"]
WHATS: tuple[What, ...] = (
    "recorded",
    "corrected",
    "cancelled",
    "unchanged",
    "not yet ended",
    "too old",
    "no visit",
    "refused",
)


class Verdict(msgspec.Struct, frozen=True):
    """What became, or would become, of one row.

    `asked` holds each step of its aftercare and when it is asked, "" for what is over; dry runs only.
    """

    line: int
    clinic: str
    appointment: str
    what: What
    detail: str = ""
    remarks: tuple[str, ...] = ()
    session_id: str = ""
    asked: tuple[tuple[str, str], ...] = ()


class Made(msgspec.Struct, frozen=True):
    """Somebody the file names who was not here yet. `country` is a clinic's, by its zone."""

    kind: Literal["clinic", "clinician", "patient"]
    id: str
    name: str
    country: str = ""


class Outcome(msgspec.Struct):
    """`silent` are the patients with a needling session of this import and no consent: nothing is sent to them."""

    verdicts: list[Verdict] = []
    made: dict[str, Made] = {}
    silent: set[str] = set()

    def add(self, other: "Outcome") -> None:
        self.verdicts += other.verdicts
        self.made.update(other.made)
        self.silent |= other.silent


class Order(msgspec.Struct, frozen=True):
    """How to import. `consented`: the operator says that every patient of the file agreed to be sent messages."""

    consented: bool = False
    dry: bool = False


class _Rehearsed(Exception):
    """Takes the outcome of a dry run out of the transaction, which is thereby rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


async def run(
    db: Database, found: Sequence[Visit], order: Order, clock: Clock, progress: Callable[[int], object]
) -> Outcome:
    """All visits of a file, some patients a transaction; `progress` hears how many rows are done."""
    total, details = Outcome(), details_of(found)
    for chunk in _chunks(found):
        total.add(await _one(db, chunk, details, order, clock.now()))
        progress(len(total.verdicts))
    total.verdicts.sort(key=lambda it: it.line)
    return total


async def _one(
    db: Database, chunk: Sequence[Visit], details: Mapping[str, Details], order: Order, now: Instant
) -> Outcome:
    if not order.dry:
        outcome: Outcome = await db.write(take, chunk, details, order, now)
        return outcome
    try:
        await db.write(_rehearse, chunk, details, order, now)
    except _Rehearsed as rehearsed:
        return rehearsed.outcome
    raise AssertionError("a rehearsal always raises")


def _chunks(found: Iterable[Visit]) -> Iterable[list[Visit]]:
    """All rows of a patient are in one chunk, in the order of the file: a dry run sees them together, too."""
    patients: dict[str, list[Visit]] = {}
    for visit in found:
        patients.setdefault(visit.patient_id, []).append(visit)
    chunk: list[Visit] = []
    for rows in patients.values():
        chunk += rows
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _rehearse(
    db: Connection, chunk: Sequence[Visit], details: Mapping[str, Details], order: Order, now: Instant
) -> None:
    outcome = take(db, chunk, details, order, now)
    patients = {it.line: it.patient_id for it in chunk}
    outcome.verdicts = [
        msgspec.structs.replace(it, asked=_asked(db, it, patients[it.line], now)) if it.session_id else it
        for it in outcome.verdicts
    ]
    raise _Rehearsed(outcome)


def take(db: Connection, chunk: Sequence[Visit], details: Mapping[str, Details], order: Order, now: Instant) -> Outcome:
    """Each row in a savepoint of its own: one that is refused writes nothing, and the others stand."""
    outcome = Outcome()
    for visit in chunk:
        walls.enter(db, visit.clinic_id)
        desk = _Desk(db, visit, details.get(visit.patient_id), order.consented, now)
        try:
            with db.begin_nested():
                verdict = desk.attended() if visit.status == "attended" else desk.not_attended()
        except ProgramsError as error:
            desk.remarks = list(visit.remarks)
            verdict = desk.verdict("refused", error.person)
        else:
            outcome.made.update((it.id, it) for it in desk.made)
            if verdict.session_id and not people.patient_of(db, visit.clinic_id, visit.patient_id).consented:
                outcome.silent.add(visit.patient_id)
        outcome.verdicts.append(verdict)
    return outcome


class _Desk:
    """One row, and what its verdict needs to know."""

    def __init__(self, db: Connection, visit: Visit, details: Details | None, consented: bool, now: Instant) -> None:
        self.db = db
        self.visit = visit
        self.details = details
        self.consented = consented
        self.now = now
        self.who = Who(visit.clinic_id, KIND, NAME)
        self.made: list[Made] = []
        self.remarks = list(visit.remarks)

    def verdict(self, what: What, detail: str = "", session_id: str = "") -> Verdict:
        visit = self.visit
        return Verdict(visit.line, visit.clinic, visit.appointment, what, detail, tuple(self.remarks), session_id)

    def not_attended(self) -> Verdict:
        id, before = _standing(self.db, self.visit)
        if before is None or before.cancelled_at is not None:
            return self.verdict("no visit", self.visit.status)
        care.cancel_session(self.db, self.who, id, before.version, self.now)
        return self.verdict("cancelled", f"{self.visit.status}; nothing more is asked about it")

    def attended(self) -> Verdict:
        session, details = self.visit.session, self.details
        assert session is not None
        assert details is not None
        changed = self._refresh(details)
        id, before = _standing(self.db, self.visit)
        if before is not None and (stays := self._stays(before, session)) is not None:
            return stays if not changed else self.verdict("corrected", f"patient: {changed}")
        if changed:
            self.remarks.append(f"changed of the patient: {changed}")
        if session.ended_at < self.now - OLDEST:
            return self.verdict("too old", f"{(self.now - session.ended_at) // DAY} days")
        if before is not None:
            self._enlist_clinician()
            care.correct_session(self.db, self.who, id, before.version, session, self.now)
            return self.verdict("corrected", _differences(before.session, session), id)
        if session.ended_at > self.now + CLOCK_SKEW:
            return self.verdict("not yet ended", _local(session.ended_at, self.visit.clinic_zone, "%d %b %Y %H:%M"))
        self._enlist(details)
        care.record_session(self.db, self.who, id, session, self.now)
        return self.verdict("recorded", session_id=id)

    def _stays(self, before: Recorded, session: NeedlingSession) -> Verdict | None:
        """The verdict when the export says what it last said, whatever was made of it here since."""
        if before.cancelled_at is not None:
            return self.verdict("unchanged", "cancelled here")
        if session == before.session:
            return self.verdict("unchanged")
        return self.verdict("unchanged", "corrected here") if session == _said(self.db, self.who, before) else None

    # people

    def _enlist(self, details: Details) -> None:
        """The clinic, the clinician and the patient of a visit, as far as they are not here yet."""
        clinic_id, visit = self.who.clinic, self.visit
        try:
            people.clinic_of(self.db, clinic_id)
        except NoSuchRecord:
            country = country_of(visit.clinic_zone)
            people.add_clinic(self.db, Clinic(clinic_id, visit.clinic, visit.clinic_zone, country, ""), self.now)
            self.made.append(Made("clinic", clinic_id, visit.clinic, country))
        self._enlist_clinician()
        if not people.some_patients(self.db, clinic_id, [visit.patient_id]):
            self._enrol(details)

    def _enlist_clinician(self) -> None:
        id, name = self.visit.clinician_id, self.visit.practitioner
        if id not in people.clinicians_of(self.db, self.who.clinic):
            people.add_clinician(self.db, self.who.clinic, id, name)
            self.made.append(Made("clinician", id, name))

    def _enrol(self, details: Details) -> None:
        id, now = self.visit.patient_id, self.now
        named = (id, details.name, details.zone, self.visit.clinician_id, details.precautions)
        care.enrol(self.db, self.who, Patient(*named, self.consented, None, now, 1, now), None, now)
        audit.note(self.db, self.who.clinic, ME, SAID, id, _fingerprint(self.db, id, details), now)
        if details.email:
            address = derived_id("address", id, EmailAddress.kind)
            value = {"mailbox": details.email}
            care.put_address(self.db, self.who, id, address, EmailAddress.kind, value, now)
        self.made.append(Made("patient", id, details.name))

    def _refresh(self, details: Details) -> str:
        """Bring a patient who is here already to what the export newly says of them; the names of what changed."""
        id = self.visit.patient_id
        known = people.some_patients(self.db, self.who.clinic, [id])
        if not known:
            return ""
        changed = _news(self.db, self.who, known[0], details)
        if self.consented and not known[0].consented and _never_asked(self.db, self.who, id):
            changed["consented"] = True
        if changed:
            care.change_patient(self.db, self.who, id, known[0].version, changed, self.now)
        said = _fingerprint(self.db, id, details)
        if said != _last_said(self.db, self.who, id):
            audit.note(self.db, self.who.clinic, ME, SAID, id, said, self.now)
        return ", ".join("consent" if name == "consented" else name for name in changed)


def _standing(db: Connection, visit: Visit) -> tuple[str, Recorded | None]:
    """The needling session of this appointment, or the id for it.

    One that an export cancelled stays so. Should the export say later that the visit took place after all, that is
    another needling session; one cancelled here by a clinician is not brought back by any file.
    """
    for number in count(1):
        id = visit.session_id(number)
        try:
            recorded = needling.session_of(db, visit.clinic_id, id)
        except NoSuchRecord:
            return id, None
        if recorded.cancelled_at is None or _history(db, visit.clinic_id, id)[-1][1] != ME:
            return id, recorded
    raise AssertionError("numbers do not end")


def _history(db: Connection, clinic: str, session_id: str) -> list[tuple[NeedlingSession, str]]:
    """What it said before each change, and who made the change; oldest first."""
    kept = needling_session_before
    statement = select(kept.c.value, kept.c.replaced_by).where(kept.c.clinic_id == clinic, kept.c.id == session_id)
    rows = db.execute(statement.order_by(kept.c.version))
    return [(msgspec.json.decode(row.value, type=NeedlingSession), row.replaced_by) for row in rows]


def _said(db: Connection, who: Who, before: Recorded) -> NeedlingSession | None:
    """What an import last wrote there; the first version is always an import's."""
    said, writer = None, ME
    for value, replaced_by in _history(db, who.clinic, before.id):
        said, writer = (value if writer == ME else said), replaced_by
    return before.session if writer == ME else said


def _differences(before: NeedlingSession, after: NeedlingSession) -> str:
    names = [name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    return ", ".join(name.removesuffix("_id").replace("_", " ") for name in names)


def _fingerprint(db: Connection, patient: str, details: Details) -> str:
    """Keyed, as the audit outlives an erased record: who reads it there cannot try out names."""
    return _fingerprints(db, patient, details)[-1]


def _fingerprints(db: Connection, patient: str, details: Details) -> list[str]:
    """Under each key of the vault: what an import said before the key was renewed is still known again."""
    keys: Keys = db.info.get(CARRIED, audit.UNKEPT)
    parts = (details.name, details.zone, "\0".join(sorted(details.precautions)))
    return [
        "-".join(audit.digest(key, SAID, patient, number, part).hex()[:16] for number, part in enumerate(parts))
        for key in keys.known
    ]


def _last_said(db: Connection, who: Who, patient: str) -> str:
    mine = (audit_log.c.clinic_id == who.clinic) & (audit_log.c.patient_id == patient) & (audit_log.c.what == SAID)
    return (
        db.execute(select(audit_log.c.record_id).where(mine).order_by(audit_log.c.number.desc()).limit(1)).scalar()
        or "--"
    )


def _news(db: Connection, who: Who, patient: Patient, details: Details) -> dict[str, object]:
    """The columns to change: where the export says something new, and it is not so here yet. Precautions only add."""
    precautions = tuple(dict.fromkeys((*patient.precautions, *details.precautions)))
    wanted = {"name": details.name, "zone": details.zone, "precautions": precautions}
    before = _last_said(db, who, patient.id).split("-")
    said = zip(*(it.split("-") for it in _fingerprints(db, patient.id, details)), strict=True)
    new = [name for name, some, last in zip(wanted, said, before, strict=True) if last not in some]
    return {name: wanted[name] for name in new if wanted[name] != getattr(patient, name)}


def _never_asked(db: Connection, who: Who, patient: str) -> bool:
    """Nobody but an import wrote down anything about consent: then there is none withdrawn to be overruled."""
    others = (consent.c.clinic_id == who.clinic) & (consent.c.patient_id == patient) & (consent.c.recorded_by != ME)
    return db.execute(select(func.count()).select_from(consent).where(others)).scalar_one() == 0


@cache
def _countries() -> dict[str, str]:
    lines = files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8").splitlines()
    return {fields[2]: fields[0] for line in lines if len(fields := line.split("\t")) > 2 and not line.startswith("#")}


def country_of(zone_name: str) -> str:
    """The country a zone lies in, which chooses the emergency number; "" (112) for zones of none, such as UTC."""
    return _countries().get(zone_name, "")


# what a dry run shows


def _asked(db: Connection, verdict: Verdict, patient: str, now: Instant) -> tuple[tuple[str, str], ...]:
    """When each check-in of the protocol would be asked, by the function that plans; in the patient's own time."""
    clinic = derived_id("clinic", verdict.clinic)
    walls.enter(db, clinic)
    agenda = outbox.preview(db, clinic, patient, now, now + 9 * DAY)
    standing = {it.step: it for it in checkins.session_check_ins(db, clinic, verdict.session_id)}
    zone_name = people.patient_of(db, clinic, patient).zone
    return tuple((step.name, _when(agenda, standing.get(step.name), zone_name)) for step in PROTOCOL)


def _when(agenda: Agenda, it: CheckIn | None, zone_name: str) -> str:
    if it is None or it.state == "cancelled":
        return ""
    if it.state == "conditional":
        return "if still sore"
    if it.asked_at is not None or it.answered_at is not None:
        return "asked already"
    subject = f"check_in:{it.id}"
    at = next((message.at for message in agenda.messages if subject in message.subjects), None)
    omitted = next((other for other in agenda.omitted if other.subject == subject), None)
    if at is None and omitted is not None:
        at = omitted.at if omitted.reason.code == "no_consent" else None
    if at is None:
        return f"not asked ({omitted.reason.code.replace('_', ' ')})" if omitted else "not asked"
    return _local(at, zone_name)


def _local(at: Instant, zone_name: str, form: str = "%d %b %H:%M") -> str:
    """31 Oct 20:00, by the wall clock there."""
    return moment(at).astimezone(zone(zone_name).rules).strftime(form).lstrip("0")
