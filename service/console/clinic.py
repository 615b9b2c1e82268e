"""A clinician's list: flags first, then whom no message reached and who did not answer, then the patients."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from notifications import addresses, alerts, book, reach, receipts
from notifications.alerts import Told
from notifications.book import Row
from notifications.escalation import ON_CALL
from notifications.reach import Known
from notifications.timing import zone
from programs import adherence, checkins, gates, needling, people, plans, silence
from programs.adherence import Adherence
from programs.aftercare import ANSWERABLE
from programs.checkins import Flag
from programs.instants import HOUR, Instant
from programs.people import Patient
from programs.phases import Standing
from programs.schedule import Course, day_of
from programs.silence import Silent
from programs.treating import Sight
from programs.triage import TIERS
from service import care, counting, rights, rulebook
from service.access import sight_of
from service.care import Who
from service.console.doors import clinician_here
from service.console.forms import PageRequest, typed
from service.console.pages import go, page
from service.console.words import STOPPED, UNREACHED, plan_state, say_date, say_finding, say_silence

MOST_FLAGS = 1_000
PATIENTS_A_PAGE = 50
LAST_DAYS = 28


class Raised(NamedTuple):
    """A flag with what a clinician needs to judge it; `hours` from the end of the needling session to the answer."""

    flag: Flag
    step: str
    hours: float
    words: str


class Listed(NamedTuple):
    """One patient of the list; `needled_at` is 0 before the first needling session."""

    patient: Patient
    needled_at: Instant
    flags: int
    plan: str
    adherence: Adherence


class Board(NamedTuple):
    """`asked` is how many ask to be erased, for those who run the clinic; `unreached` says why; `silent` are closed
    check-ins without an answer, by patient, `unheard` those of which no phone confirmed a message; `after` opens the
    next page of patients, or is "". `held` are plans whose phase a gate or an alarm holds, one a patient and session.
    """

    asked: int
    flags: list[Raised]
    held: list[tuple[Patient, Standing]]
    unreached: list[tuple[Patient, str]]
    silent: list[list[Silent]]
    unheard: set[str]
    warnings: list[str]
    patients: list[Listed]
    after: str


def board(db: Connection, who: Who, after: str, now: Instant) -> Board:
    clinic = who.clinic
    sight = sight_of(who, now)
    everybody = people.patients_of(db, clinic, sight=sight)
    current = [it for it in everybody if it.discharged_at is None]
    flags = checkins.flags_of(db, clinic, open_only=True, count=MOST_FLAGS, sight=sight)
    shown = [it for it in everybody if it.id > after]
    silent = _silent(db, clinic, now, sight)
    return Board(
        asked=len(rights.waiting(db, clinic)) if who.kind == "admin" else 0,
        flags=raised(db, clinic, flags),
        held=_held(db, clinic, current, now),
        unreached=_unreached(db, clinic, current, now),
        silent=silent,
        unheard=receipts.unheard(db, clinic, [group[0].patient_id for group in silent], now - ANSWERABLE),
        warnings=rulebook.warnings(db, clinic),
        patients=_listed(db, clinic, shown[:PATIENTS_A_PAGE], flags, now),
        after=shown[PATIENTS_A_PAGE - 1].id if len(shown) > PATIENTS_A_PAGE else "",
    )


def _held(db: Connection, clinic: str, patients: Sequence[Patient], now: Instant) -> list[tuple[Patient, Standing]]:
    """Longest waiting first."""
    named = {it.id: it for it in patients}
    courses = gates.courses_with_phases(db, clinic, list(named))
    found = {
        (gate.patient_id, gate.standing.session_id): (named[gate.patient_id], gate.standing)
        for gate in gates.gates_of(db, clinic, courses, now)
        if gate.standing.held
    }
    return sorted(found.values(), key=lambda it: it[1].since)


def raised(db: Connection, clinic: str, flags: Sequence[Flag]) -> list[Raised]:
    """Worst tier first; within a tier whose time is up first."""
    found = []
    for flag in sorted(flags, key=lambda it: (TIERS.index(it.tier), it.acknowledge_by or it.raised_at, it.raised_at)):
        check_in = checkins.check_in_of(db, clinic, flag.patient_id, flag.check_in_id)
        ended_at = needling.session_of(db, clinic, check_in.session_id).session.ended_at
        answered_at = check_in.answered_at if check_in.answered_at is not None else flag.raised_at
        found.append(Raised(flag, check_in.step, (answered_at - ended_at) / HOUR, say_finding(flag.finding)))
    return found


def _unreached(db: Connection, clinic: str, patients: Sequence[Patient], now: Instant) -> list[tuple[Patient, str]]:
    """Whom no address reaches, and whom a message of the last two days did not; the latest attempt decides."""
    ids = [it.id for it in patients if not book.silence(it)]
    rows, known = book.read_book(db, clinic, ids, now).rows, addresses.standings(db, clinic, ids)
    zone_name = people.clinic_of(db, clinic).zone
    found = (
        (it, why_unreachable(known.get(it.id, ()), zone_name, now) or _why_unreached(rows.get(it.id, ())))
        for it in patients
    )
    return [(it, why) for it, why in found if why]


def why_unreachable(known: Sequence[Known], zone_name: str, now: Instant) -> str:
    """ "" for whom some address reaches, as far as anybody knows, and for who never had one: see _why_unreached."""
    if not known or reach.unreachable_since(known, now, now) is None:
        return ""
    silent = [it for it in known if it.gone_at is None]
    if silent:
        first = min(it.silent(now) or now for it in silent)
        return say_silence(first, max(it.address.unconfirmed for it in silent), zone_name)
    return next((STOPPED[it.why] for it in known if it.why in STOPPED), UNREACHED["no_address"])


def _why_unreached(rows: Iterable[Row]) -> str:
    if any(row.state == "quarantined" for row in rows):
        return UNREACHED["quarantined"]
    ended = [row for row in rows if row.state == "accepted" or _lost(row)]
    last = max(ended, key=lambda row: row.ended_at, default=None)
    return UNREACHED[_lost(last)] if last is not None and _lost(last) else ""


def _lost(row: Row) -> str:
    if row.reason == "no_address":
        return row.reason
    return row.state if row.state in ("failed", "expired") else ""


def _silent(db: Connection, clinic: str, now: Instant, sight: Sight | None) -> list[list[Silent]]:
    """One call looks after all the check-ins that a patient left unanswered. Longest waiting first."""
    by_patient: dict[str, list[Silent]] = defaultdict(list)
    for it in reversed(silence.unanswered(db, clinic, now, sight)):
        by_patient[it.patient_id].append(it)
    return list(by_patient.values())


def _listed(
    db: Connection, clinic: str, patients: Sequence[Patient], flags: Sequence[Flag], now: Instant
) -> list[Listed]:
    courses = plans.courses_of(db, clinic, [it.id for it in patients])
    numbers = four_weeks(db, clinic, patients, now)
    return [
        Listed(
            it,
            _needled_at(db, clinic, it.id),
            sum(flag.patient_id == it.id for flag in flags),
            _plan(courses.get(it.id, ()), zone(it.zone).minutes(now)),
            numbers[it.id],
        )
        for it in sorted(patients, key=lambda it: it.name.casefold())
    ]


def four_weeks(db: Connection, clinic: str, patients: Sequence[Patient], now: Instant) -> dict[str, Adherence]:
    first, last = last_days(people.clinic_of(db, clinic).zone, now)
    items: dict[str, list[adherence.Item]] = defaultdict(list)
    for line in counting.lines_of(db, clinic, patients, first, last, now):
        items[line.patient_id].append(line.item)
    return {it.id: adherence.sum_up(items[it.id]) for it in patients}


def last_days(zone_name: str, now: Instant) -> tuple[date, date]:
    today = date.fromordinal(zone(zone_name).wall(now).day)
    return today - timedelta(days=LAST_DAYS - 1), today


def _needled_at(db: Connection, clinic: str, patient: str) -> Instant:
    standing = (it for it in needling.sessions_of(db, clinic, patient) if it.cancelled_at is None)
    return max((it.session.ended_at for it in standing), default=0)


def _plan(courses: Iterable[Course], here: int) -> str:
    """The plans that have not ended; else when the last one did."""
    courses = list(courses)
    living = [it for it in courses if it.ended_wall is None]
    if living:
        return ", ".join(plan_state(it, here) for it in living)
    ended = max((it.ended_wall for it in courses if it.ended_wall is not None), default=None)
    return f"ended {say_date(day_of(ended))}" if ended is not None else "none"


@get("/clinic")
async def show(request: PageRequest, after: FromQuery[str] = "") -> Response[str]:
    here = await clinician_here(request)
    found: Board = await here.db.read(board, here.who, after, here.now)
    return page("clinic", here=here, board=found)


class Story(NamedTuple):
    """One flag, whom it was told, and the names of those people."""

    raised: Raised
    told: list[Told]
    names: dict[str, str]


def story(db: Connection, clinic: str, id: str) -> Story:
    it = checkins.flag_of(db, clinic, id)
    names = {**people.clinicians_of(db, clinic), ON_CALL: "the on-call address"}
    return Story(raised(db, clinic, [it])[0], alerts.history(db, clinic, it), names)


@get("/clinic/flags/{id:str}")
async def show_flag(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """What became of one flag: raised, told to whom with what outcome, acknowledged by whom after how long."""
    here = await clinician_here(request)
    found: Story = await here.db.read(story, here.who.clinic, id)
    return page("flag", here=here, story=found)


@post("/clinic/flags/{id:str}/acknowledge")
async def acknowledge(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    note = (await typed(request))["note"]
    await here.db.write(care.acknowledge, here.who, id, here.now, note)
    return go("/clinic")


@post("/clinic/patients/{id:str}/follow-up")
async def follow_up(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """The check-ins of one patient at once; one that was answered meanwhile needs nobody any more."""
    here = await clinician_here(request)
    it = await typed(request)
    await here.db.write(_follow_up, here.who, id, it.all("check_in"), it["note"], here.now)
    return go("/clinic")


def _follow_up(db: Connection, who: Who, patient: str, ids: Sequence[str], note: str, now: Instant) -> None:
    waiting = {it.check_in_id for it in silence.unanswered(db, who.clinic, now) if it.patient_id == patient}
    for id in ids:
        if id in waiting:
            care.follow_up(db, who, id, note, now)


ROUTES = [show, show_flag, acknowledge, follow_up]
