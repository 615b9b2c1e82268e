"""Store and read check-ins and their answers; flags too, since an answer raises them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update

from programs import people, questions, rules, treating, triage
from programs.aftercare import ANSWERABLE, CheckIn, check_ins, in_time, shifted
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.ids import derived_id
from programs.instants import HOUR, Instant
from programs.needling import Recorded
from programs.questions import STEPS, Question, Step
from programs.tables import among, answer, check_in, flag, patient
from programs.treating import Sight
from programs.triage import Finding

LONGEST_NOTE = 500


class Answered(msgspec.Struct, frozen=True):
    """What an answer led to. `version` counts the answers to one check-in; the latest is the one that counts."""

    check_in: CheckIn
    version: int
    findings: tuple[Finding, ...]
    flags: tuple[str, ...]  # the ids raised by this answer and by no earlier one


class Flag(msgspec.Struct, frozen=True):
    """`acknowledge_by` and `nobody_at` are its clock: until when its own clinician, and then the fallback, has time."""

    id: str
    patient_id: str
    patient_name: str
    clinician_id: str
    check_in_id: str
    tier: str
    finding: Finding
    raised_at: Instant
    acknowledge_by: Instant | None
    nobody_at: Instant | None
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    note: str | None

    def nobody(self, now: Instant) -> bool:
        """Everybody who was to be told had their time, and nobody has acknowledged it."""
        return self.acknowledged_at is None and self.nobody_at is not None and self.nobody_at <= now


_COLUMNS = (
    check_in.c.id,
    check_in.c.patient_id,
    check_in.c.session_id,
    check_in.c.step,
    check_in.c.state,
    check_in.c.opens,
    check_in.c.target,
    check_in.c.closes,
    check_in.c.asked_at,
    check_in.c.answered_at,
    check_in.c.late,
    check_in.c.shifted_from,
)
_INSERT = insert(check_in)
_OF_SESSION = select(*_COLUMNS).where(
    check_in.c.clinic_id == bindparam("clinic"), check_in.c.session_id == bindparam("session")
)
_OF_PATIENTS = (
    select(*_COLUMNS)
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        among(check_in.c.patient_id, "patients"),
        check_in.c.target >= bindparam("since"),
    )
    .order_by(check_in.c.target, check_in.c.id)
)
_ONE = select(*_COLUMNS).where(
    check_in.c.clinic_id == bindparam("clinic"),
    check_in.c.patient_id == bindparam("patient"),
    check_in.c.id == bindparam("id"),
)
_MOVE = (
    update(check_in)
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        check_in.c.id == bindparam("check_in"),
        check_in.c.asked_at.is_(None),
        check_in.c.answered_at.is_(None),
    )
    .values(
        state=bindparam("state_"),
        opens=bindparam("opens_"),
        target=bindparam("target_"),
        closes=bindparam("closes_"),
        late=bindparam("late_"),
        shifted_from=bindparam("shifted"),
    )
)
_STATE = (
    update(check_in)
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        check_in.c.id == bindparam("check_in"),
        check_in.c.state == bindparam("before"),
    )
    .values(state=bindparam("after"))
)
_CANCEL = (
    update(check_in)
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        check_in.c.session_id == bindparam("session"),
        check_in.c.answered_at.is_(None),
    )
    .values(state="cancelled")
)
_ASKED = (
    update(check_in)
    .where(
        check_in.c.clinic_id == bindparam("clinic"),
        among(check_in.c.id, "asked"),
        check_in.c.asked_at.is_(None),
    )
    .values(asked_at=bindparam("at"))
)
# An outer join, as SQLite would begin an inner one with every answer of the clinic.
_ANSWERS = (
    select(check_in.c.step, answer.c.answers, answer.c.answered_at, check_in.c.id)
    .outerjoin(answer, (answer.c.clinic_id == check_in.c.clinic_id) & (answer.c.check_in_id == check_in.c.id))
    .where(check_in.c.clinic_id == bindparam("clinic"), check_in.c.session_id == bindparam("session"))
    .order_by(answer.c.version)
)
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_FLAGS = select(
    flag.c.id,
    flag.c.patient_id,
    patient.c.name,
    patient.c.clinician_id,
    flag.c.check_in_id,
    flag.c.tier,
    flag.c.finding,
    flag.c.raised_at,
    flag.c.acknowledge_by,
    flag.c.nobody_at,
    flag.c.acknowledged_at,
    flag.c.acknowledged_by,
    flag.c.note,
).join(patient, (patient.c.clinic_id == flag.c.clinic_id) & (patient.c.id == flag.c.patient_id))


def plan_aftercare(db: Connection, clinic: str, recorded: Recorded, now: Instant) -> list[CheckIn]:
    """Make or move the check-ins of a needling session to where it now says they belong.

    A check-in already asked or answered stays as it was; one whose window is over is shifted if its step says so, or
    is not made. Returns all that stand.
    """
    wanted = check_ins(recorded.session.patient_id, recorded.id, recorded.session.ended_at, recorded.protocol.steps)
    standing = {row.step: row for row in _rows(db, _OF_SESSION, clinic, session=recorded.id)}
    late = (in_time(it, now) for it in wanted if it.step not in standing)
    new = [it for it in late if it.closes > now]
    if new:
        db.execute(_INSERT, [{"clinic_id": clinic, **msgspec.structs.asdict(it)} for it in new])
    for it in wanted:
        before = standing.get(it.step)
        if before is not None and (before.opens, before.target) != (it.opens, it.target):
            _move(db, clinic, before, it)
    return session_check_ins(db, clinic, recorded.id) if standing else new


def _move(db: Connection, clinic: str, before: CheckIn, it: CheckIn) -> None:
    state = before.state if before.state != "cancelled" else it.state
    _put(db, clinic, msgspec.structs.replace(it, state=state))


def _put(db: Connection, clinic: str, it: CheckIn) -> None:
    moved = {"opens_": it.opens, "target_": it.target, "closes_": it.closes, "state_": it.state}
    moved |= {"late_": it.late, "shifted": it.shifted_from}
    db.execute(_MOVE, {"clinic": clinic, "check_in": it.id, **moved})


def shift(db: Connection, clinic: str, it: CheckIn, now: Instant) -> CheckIn:
    """Give it a later window; see is_to_be_shifted."""
    later = shifted(it, now)
    _put(db, clinic, later)
    return later


def cancel_aftercare(db: Connection, clinic: str, session: str) -> None:
    """Nothing more is asked about a cancelled needling session; what was answered stays."""
    db.execute(_CANCEL, {"clinic": clinic, "session": session})


def session_check_ins(db: Connection, clinic: str, session: str) -> list[CheckIn]:
    return sorted(_rows(db, _OF_SESSION, clinic, session=session), key=lambda it: it.target)


def check_ins_of(db: Connection, clinic: str, patients: Sequence[str], since: Instant) -> list[CheckIn]:
    """Those with a target at or after `since`, in order of their targets."""
    return _rows(db, _OF_PATIENTS, clinic, patients=list(patients), since=since)


def check_in_of(db: Connection, clinic: str, patient: str, id: str) -> CheckIn:
    found = _rows(db, _ONE, clinic, patient=patient, id=id)
    if not found:
        raise NoSuchRecord("check-in", id)
    return found[0]


def _rows(db: Connection, statement: Any, clinic: str, **values: object) -> list[CheckIn]:
    return [CheckIn(*row) for row in db.execute(statement, {"clinic": clinic, **values}).all()]


def asked(db: Connection, clinic: str, check_in_ids: Sequence[str], at: Instant) -> None:
    """A provider took the prompt: from now on the check-in is not moved, and is asked about once more at most."""
    if check_in_ids:
        db.execute(_ASKED, {"clinic": clinic, "asked": check_in_ids, "at": at})


def questions_of(recorded: Recorded, step: str) -> tuple[Question, ...]:
    """What this step of the session's own protocol asks about its muscles."""
    it = recorded.protocol.step(step)
    also, without = (it.also, it.without) if it is not None else ((), ())
    return questions.asks(recorded.session.muscles, cast(Step, step), also, without)


def answer_check_in(
    db: Connection, clinic: str, it: CheckIn, recorded: Recorded, answers: Mapping[str, Any], at: Instant, now: Instant
) -> Answered:
    """Keep the answers, read them by the rules, raise the flags. `at`: when the patient answered; `now`: when we heard.

    Answers merge over earlier ones to the same check-in, so that an emergency can be answered first and the rest later.
    Raises Invalid for an answer that the question does not allow, Conflict when the aftercare is long over.
    """
    if it.state in ("cancelled", "conditional") or now > it.target + ANSWERABLE:
        raise Conflict(
            f"check-in {it.id} is {it.state}", "This check-in is not open. Your therapist can still hear you."
        )
    questions.check_answers(questions_of(recorded, it.step), answers)
    step = cast(Step, it.step)
    said, version = _said(db, clinic, recorded.id, step)
    merged = {**said.get(step, {}), **answers}
    # What was said of a later day is not earlier, though it may have reached us first.
    earlier = {before: said[before] for before in STEPS[: STEPS.index(step)] if before in said}
    row = {"clinic_id": clinic, "check_in_id": it.id, "version": version, "answers": merged}
    db.execute(insert(answer), {**row, "questions_version": questions.VERSION, "answered_at": at, "received_at": now})
    hours = (at - recorded.session.ended_at) / HOUR
    off = people.clinic_of(db, clinic).settings.triage_off is not None
    findings = () if off else triage.triage(step, merged, earlier, hours, rules.standing(db, clinic))
    # Where nothing is read into answers, none of them makes the 72 h check-in unneeded.
    _settle_day3(db, clinic, recorded.id, step, off or triage.needs_day3(merged, findings))
    db.execute(
        update(check_in)
        .where(check_in.c.clinic_id == clinic, check_in.c.id == it.id)
        .values(state="answered", answered_at=func.coalesce(check_in.c.answered_at, at))
    )
    flags = raise_flags(db, clinic, it, findings, now)
    return Answered(msgspec.structs.replace(it, state="answered", answered_at=at), version, findings, flags)


def _said(db: Connection, clinic: str, session: str, step: str) -> tuple[dict[Step, dict[str, Any]], int]:
    """The latest answers of each step, and the number of the next answer to `step`."""
    latest: dict[Step, dict[str, Any]] = {}
    version = 1
    for row in _answers(db, clinic, session):
        latest[row.step] = _decode(row.answers)
        version += row.step == step
    return latest, version


def _settle_day3(db: Connection, clinic: str, session: str, step: str, needed: bool) -> None:
    if step != "day2":
        return
    before, after = ("conditional", "open") if needed else ("conditional", "not_needed")
    db.execute(_STATE, {"clinic": clinic, "check_in": f"{session}-day3", "before": before, "after": after})
    if needed:  # a second answer to day 2 may say that it is sore after all
        db.execute(_STATE, {"clinic": clinic, "check_in": f"{session}-day3", "before": "not_needed", "after": "open"})


def raise_flags(db: Connection, clinic: str, it: CheckIn, findings: Sequence[Finding], now: Instant) -> tuple[str, ...]:
    """One flag a check-in and rule, however often it is answered: an acknowledged flag is not raised again."""
    standing = {
        row.id for row in db.execute(select(flag.c.id).where(flag.c.clinic_id == clinic, flag.c.check_in_id == it.id))
    }
    rows = [
        {
            "clinic_id": clinic,
            "id": derived_id(it.id, finding.rule),
            "patient_id": it.patient_id,
            "check_in_id": it.id,
            "tier": finding.tier,
            "finding": finding,
            "raised_at": now,
        }
        for finding in findings
    ]
    new = [row for row in rows if row["id"] not in standing]
    if new:
        db.execute(insert(flag), new)
    return tuple(str(row["id"]) for row in new)


def answers_of(db: Connection, clinic: str, session: str) -> dict[str, dict[str, Any]]:
    """Check-in id -> its latest answers."""
    return {row.id: _decode(row.answers) for row in _answers(db, clinic, session)}


def _answers(db: Connection, clinic: str, session: str) -> list[Any]:
    """In the order in which they were given."""
    rows = db.execute(_ANSWERS, {"clinic": clinic, "session": session}).all()
    return [row for row in rows if row.answers is not None]


def flags_of(
    db: Connection,
    clinic: str,
    *,
    open_only: bool = False,
    patient: str = "",
    before: tuple[Instant, str] | None = None,
    count: int = 100,
    sight: Sight | None = None,
) -> list[Flag]:
    """Latest first, of one patient or of all in sight; `before` is the (raised_at, id) of the last one seen."""
    statement = _FLAGS.where(flag.c.clinic_id == clinic).order_by(flag.c.raised_at.desc(), flag.c.id.desc())
    if patient:
        statement = statement.where(flag.c.patient_id == patient)
    if open_only:
        statement = statement.where(flag.c.acknowledged_at.is_(None))
    if before is not None:
        at, id = before
        statement = statement.where((flag.c.raised_at < at) | ((flag.c.raised_at == at) & (flag.c.id < id)))
    statement = treating.within(statement, sight).limit(count)
    return [_flag(row) for row in db.execute(statement, treating.parameters(sight))]


def flag_of(db: Connection, clinic: str, id: str) -> Flag:
    row = db.execute(_FLAGS.where(flag.c.clinic_id == clinic, flag.c.id == id)).first()
    if row is None:
        raise NoSuchRecord("flag", id)
    return _flag(row)


def acknowledge(db: Connection, clinic: str, id: str, by: str, now: Instant, note: str = "") -> Flag:
    """The first to acknowledge stands, with what they noted; doing it again changes nothing."""
    if len(note) > LONGEST_NOTE:
        raise Invalid("note", f"must be at most {LONGEST_NOTE} characters")
    db.execute(
        update(flag)
        .where(flag.c.clinic_id == clinic, flag.c.id == id, flag.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=by, note=note.strip() or None)
    )
    return flag_of(db, clinic, id)


def _flag(row: Any) -> Flag:
    return Flag(*(*row[:6], msgspec.json.decode(row.finding, type=Finding), *row[7:]))
