"""What the plans of some patients need to know of their needling sessions, in one statement; and the clinic's release.

What it means for a plan is phases.py.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)

from programs import protocols
from programs.aftercare import PROTOCOL
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
    protocol,
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


_NONE, _EMPTY = literal(0), literal("")


def _fact(
    kind: str, who: Any, session: Any, value: Any, at: Any = _NONE, number: Any = _NONE, step: Any = _EMPTY
) -> Any:
    """One kind of fact as a row of the columns that all share."""
    return select(
        literal(kind).label("kind"),
        who.label("patient_id"),
        session.label("session_id"),
        cast(step, Text).label("step"),
        cast(at, BigInteger).label("at"),
        cast(number, BigInteger).label("number"),
        cast(value, Text).label("value"),
    ).where(among(who, "patients"), who.table.c.clinic_id == bindparam("clinic"))


_S, _B, _C = needling_session.c, needling_session_before.c, check_in.c
# One that was cancelled with its session was asked for until then; whether "if still sore" ever was, is not known.
_COUNTS = or_(
    _C.state.in_(("open", "answered")),
    and_(_C.state == "cancelled", or_(_C.step != "day3", _C.asked_at.is_not(None))),
)
_RELEASE = phase_release.c
_FACTS = union_all(
    _fact("zone", patient.c.id, _EMPTY, patient.c.zone),
    _fact("moved", zone_before.c.patient_id, _EMPTY, zone_before.c.zone, zone_before.c.until_at),
    _fact("is", _S.patient_id, _S.id, _S.value, func.coalesce(_S.cancelled_at, -1), _S.recorded_at),
    _fact("was", _S.patient_id, _S.id, _B.value, _B.replaced_at, _B.version).where(
        _B.clinic_id == _S.clinic_id, _B.id == _S.id
    ),
    _fact("protocol", _S.patient_id, _S.id, protocol.c.value).where(
        protocol.c.clinic_id == _S.clinic_id, protocol.c.version == _S.protocol
    ),
    _fact("asked", _C.patient_id, _C.session_id, _EMPTY, step=_C.step).where(_COUNTS, _C.step.in_(ASKS_SORENESS)),
    # An outer join, as SQLite would begin an inner one with every answer of the clinic; what has none says nothing.
    _fact("told", _C.patient_id, _C.session_id, answer.c.answers, answer.c.received_at, step=_C.step).select_from(
        check_in.outerjoin(answer, and_(answer.c.clinic_id == _C.clinic_id, answer.c.check_in_id == _C.id))
    ),
    _fact("alarm", flag.c.patient_id, _C.session_id, flag.c.tier, flag.c.raised_at).where(
        _C.clinic_id == flag.c.clinic_id, _C.id == flag.c.check_in_id, flag.c.tier.in_(("emergency", "same_day"))
    ),
    _fact("released", _RELEASE.patient_id, _RELEASE.session_id, _RELEASE.phase, _RELEASE.released_at),
)
_session = msgspec.json.Decoder(NeedlingSession).decode
_sore = msgspec.json.Decoder(_Sore).decode


def recoveries_of(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, Recovery]:
    """Patient id -> what is known. One statement, however many patients."""
    rows = db.execute(_FACTS, {"clinic": clinic, "patients": list(patients)}).all()
    facts: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row.value is not None:
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
    steps = protocols.decode(kinds["protocol"][0].value).steps if kinds["protocol"] else PROTOCOL
    due = {step.name: step.target for step in steps}
    told = [(row.at, due[row.step], _sore(row.value).q_sore) for row in kinds["told"] if row.step in due]
    return Needled(
        session_id=id,
        recorded_at=current.number,
        entries=(
            *(_entry(row.at, row.value) for row in sorted(kinds["was"], key=lambda row: row.number)),
            # A cancelled one keeps what it said last among those before it.
            *(() if current.at >= 0 else (_entry(None, current.value),)),
        ),
        asked=tuple(sorted(due[row.step] for row in kinds["asked"] if row.step in due)),
        told=tuple(Told(at, step, sore) for at, step, sore in sorted(told, key=_when) if sore is not None),
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
