"""Whose phase is held after needling, and why: for the clinic to see, and as a flag when an answer fails a gate.

Nothing here lets a patient go on or chooses an exercise; `needled.release` is a clinician's deed.
"""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection

from programs import needled, needling, people, phases, plans
from programs.aftercare import CheckIn
from programs.instants import Instant
from programs.phases import Phases, Standing
from programs.schedule import Course, Terms
from programs.triage import Finding

RULES = {"B": "phase_light", "C": "phase_full"}
SOURCES = {
    "B": "clinical.md 4.2 phase B: soreness at most 5 and not rising [P]; the number is the plan's",
    "C": "clinical.md 4.2 phase C: soreness at most 3, or within 1 of before the visit [P]; the number is the plan's",
}


class Gate(msgspec.Struct, frozen=True):
    """Where one plan stands after one needling session."""

    patient_id: str
    plan_id: str
    standing: Standing


def gates_of(db: Connection, clinic: str, courses: Iterable[Course], now: Instant) -> list[Gate]:
    """Of all these plans that are not in their last phase, or were stopped; ended plans have none."""
    living = [(it, terms) for it in courses if (terms := _terms(it)) is not None]
    known = needled.recoveries_of(db, clinic, sorted({it.patient_id for it, _ in living})) if living else {}
    return [
        Gate(course.patient_id, course.plan_id, standing)
        for course, (terms, chosen) in living
        for it in known[course.patient_id].sessions
        if (standing := phases.standing(chosen, it, now)) is not None
        and standing.why is not None
        and (standing.next is None or phases.waits(terms.prescriptions, it, standing.next))
    ]


def failed(db: Connection, clinic: str, courses: Sequence[Course], it: CheckIn, now: Instant) -> tuple[Finding, ...]:
    """What the clinic is told of an answer that leaves a gate shut: once, however many plans wait for it."""
    findings: dict[str, Finding] = {}
    living = [(course, *found) for course in courses if (found := _terms(course)) is not None]
    if not living:
        return ()
    sessions = needled.recoveries_of(db, clinic, [it.patient_id])[it.patient_id].sessions
    told = next(one for one in sessions if one.session_id == it.session_id)
    step = needling.session_of(db, clinic, it.session_id).protocol.step(it.step)
    for course, terms, chosen in living:
        standing = None if step is None else phases.failed(chosen, told, step.target, now)
        if standing is not None and standing.next and phases.waits(terms.prescriptions, told, standing.next):
            author = people.clinician_of(db, clinic, course.clinician_id)
            findings.setdefault(standing.next, _finding(standing, author))
    return tuple(findings[phase] for phase in sorted(findings))


def _terms(course: Course) -> tuple[Terms, Phases] | None:
    terms = course.revisions[-1].terms
    return None if course.ended_wall is not None or terms.phases is None else (terms, terms.phases)


def _finding(it: Standing, author: str) -> Finding:
    """A gate is a plan's own: approved by the clinician who set its number there."""
    phase = it.next or "C"
    return Finding("next_visit", RULES[phase], "1", SOURCES[phase], {"q_sore": it.sore}, f"{author}, in the plan")


def courses_with_phases(db: Connection, clinic: str, patients: Sequence[str]) -> list[Course]:
    found = plans.courses_of(db, clinic, patients)
    return [it for courses in found.values() for it in courses if _terms(it) is not None]
