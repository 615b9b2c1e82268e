"""What the plans of some patients need to know of their needling sessions, in one statement; and the clinic's release.

What it means for a plan is phases.py.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Connection, Text, bindparam, cast, func, insert, literal, select, union_all

from programs.clocks import Moves
from programs.dosage import Phase
from programs.errors import Conflict
from programs.ids import new_id
from programs.instants import Instant
from programs.needling import NeedlingSession, session_of
from programs.people import Stamp
from programs.phases import Entry, Needled, Told, followed
from programs.questions import BY_ID
from programs.tables import (
    among,
    answer,
    check_in,
    flag,
    needling_session,
    needling_session_before,
    patient,
    phase_release,
    zone_before,
)

ASKS_SORENESS = BY_ID["q_sore"].steps


class _Sore(msgspec.Struct, frozen=True):
    """Of all that was answered, what the gates read."""

    q_sore: int | None = None


class Recovery(NamedTuple):
    """A patient's needling sessions in order of their ids, and where their clock stood."""

    moves: Moves
    sessions: list[Needled]


def _fact(kind: str, who: Any, session: Any, at: Any, number: Any, value: Any) -> Any:
    """One kind of fact as a row of the columns that all share."""
    return select(
        literal(kind).label("kind"),
        who.label("patient_id"),
        session.label("session_id"),
        cast(at, BigInteger).label("at"),
        cast(number, BigInteger).label("number"),
        cast(value, Text).label("value"),
    ).where(among(who, "patients"), who.table.c.clinic_id == bindparam("clinic"))


_NONE = literal(0)
_FACTS = union_all(
    _fact("zone", patient.c.id, literal(""), _NONE, _NONE, patient.c.zone),
    _fact("moved", zone_before.c.patient_id, literal(""), zone_before.c.until_at, _NONE, zone_before.c.zone),
    _fact(
        "is",
        needling_session.c.patient_id,
        needling_session.c.id,
        func.coalesce(needling_session.c.cancelled_at, -1),
        needling_session.c.recorded_at,
        needling_session.c.value,
    ),
    _fact(
        "was",
        needling_session.c.patient_id,
        needling_session.c.id,
        needling_session_before.c.replaced_at,
        needling_session_before.c.version,
        needling_session_before.c.value,
    ).where(
        needling_session_before.c.clinic_id == needling_session.c.clinic_id,
        needling_session_before.c.id == needling_session.c.id,
    ),
    _fact("asked", check_in.c.patient_id, check_in.c.session_id, check_in.c.target, _NONE, check_in.c.step).where(
        check_in.c.state.in_(("open", "answered")), check_in.c.step.in_(ASKS_SORENESS)
    ),
    _fact(
        "told", check_in.c.patient_id, check_in.c.session_id, answer.c.received_at, check_in.c.target, answer.c.answers
    ).where(answer.c.clinic_id == check_in.c.clinic_id, answer.c.check_in_id == check_in.c.id),
    _fact("alarm", flag.c.patient_id, check_in.c.session_id, flag.c.raised_at, _NONE, flag.c.tier).where(
        check_in.c.clinic_id == flag.c.clinic_id,
        check_in.c.id == flag.c.check_in_id,
        flag.c.tier.in_(("emergency", "same_day")),
    ),
    _fact(
        "released",
        phase_release.c.patient_id,
        phase_release.c.session_id,
        phase_release.c.released_at,
        _NONE,
        phase_release.c.phase,
    ),
)
_session = msgspec.json.Decoder(NeedlingSession).decode
_sore = msgspec.json.Decoder(_Sore).decode


def recoveries_of(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, Recovery]:
    """Patient id -> what is known. One statement, however many patients."""
    rows = db.execute(_FACTS, {"clinic": clinic, "patients": list(patients)}).all()
    facts: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        facts[row.patient_id].append(row)
    return {id: _recovery(found) for id, found in facts.items()}


def known_by(it: Recovery, at: Instant) -> Recovery:
    """What was known at that instant: sessions recorded, corrected and released, and answers heard, by then."""
    sessions = [_known_by(one, at) for one in it.sessions if one.recorded_at <= at]
    return Recovery(it.moves.known_by(at), followed(sessions))


def _known_by(it: Needled, at: Instant) -> Needled:
    past = tuple(one for one in it.entries if one.until is not None and one.until <= at)
    then = tuple(one._replace(until=None) for one in it.entries[len(past) : len(past) + 1])
    return msgspec.structs.replace(
        it,
        entries=past + then,
        told=tuple(one for one in it.told if one.at <= at),
        alarms=tuple(one for one in it.alarms if one <= at),
        releases=tuple(one for one in it.releases if one[0] <= at),
        seen_at=None,
    )


def _recovery(rows: Sequence[Any]) -> Recovery:
    zone = next(row.value for row in rows if row.kind == "zone")
    before = sorted((row.at, row.value) for row in rows if row.kind == "moved")
    by_session: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.session_id:
            by_session[row.session_id][row.kind].append(row)
    sessions = [_needled(id, kinds) for id, kinds in sorted(by_session.items())]
    return Recovery(Moves(tuple(before), zone), followed(sessions))


def _needled(id: str, kinds: dict[str, list[Any]]) -> Needled:
    current = kinds["is"][0]
    told = [(row.at, row.number, _sore(row.value).q_sore) for row in kinds["told"]]
    return Needled(
        session_id=id,
        recorded_at=current.number,
        entries=(
            *(_entry(row.at, row.value) for row in sorted(kinds["was"], key=lambda row: row.number)),
            # A cancelled one keeps what it said last among those before it.
            *(() if current.at >= 0 else (_entry(None, current.value),)),
        ),
        asked=tuple(sorted(row.at for row in kinds["asked"])),
        told=tuple(Told(at, target, sore) for at, target, sore in sorted(told, key=_when) if sore is not None),
        alarms=tuple(sorted(row.at for row in kinds["alarm"])),
        releases=tuple(sorted((row.at, row.value) for row in kinds["released"])),
    )


def _when(it: tuple[Instant, Instant, int | None]) -> tuple[Instant, Instant]:
    return it[:2]


def _entry(until: Instant | None, value: str) -> Entry:
    it = _session(value)
    return Entry(until, it.ended_at, it.muscles, it.side, it.sore_before)


def release(db: Connection, clinic: str, session: str, phase: Phase, stamp: Stamp) -> None:
    """A clinician lets the patient of this needling session go on, in this phase from now on, whatever gates say."""
    recorded = session_of(db, clinic, session)
    if recorded.cancelled_at is not None:
        raise Conflict(f"needling session {session} is cancelled", "This needling session holds nothing any more.")
    row = {"clinic_id": clinic, "patient_id": recorded.session.patient_id, "session_id": session, "phase": phase}
    db.execute(insert(phase_release), {**row, "id": new_id(stamp.at), "released_by": stamp.by, "released_at": stamp.at})
