"""phases: how a plan goes on after needling. Needling sessions and what was said of them -> what is held when. Pure.

Nothing is kept in step: the holds of a plan are worked out from facts (the needling session as it was known at the
time, answers when we heard them, what the clinic released) each time the plan is read. A corrected or cancelled session
therefore moves or lifts them by itself, from that moment on, and what was held before stays excused.

A phase begins when its hours are over and its gate is open: by the latest answer about soreness, never by silence. A
gate that fails holds the phase until a later answer opens it or a clinician lets the patient go on. An answer that
raised an emergency or same-day flag stops the whole plan until a clinician does. Source: clinical.md 4.2 [P].
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec

from programs.clocks import Moves
from programs.dosage import Phase, Prescription, lightened
from programs.errors import Invalid
from programs.exercises import Exercise
from programs.instants import DAY, HOUR, Instant
from programs.muscles import Region, overlap
from programs.muscles import find as find_muscle

LONGEST = 14 * 24  # hours
# A visit this much later settles what gates of the one before still hold: a clinician has seen the patient [P].
SEEN_AGAIN = 4 * DAY
# Where a card names no muscle: the regions whose needling its work touches [K]. Walking is held by nothing.
AREAS = {"hip": ("hip",), "trunk": ("low back", "abdomen"), "whole body": ()}

REGIONS = frozenset(get_args(Region))

Later = Literal["B", "C"]
Stage = Literal["stop", "A", "B", "C"]  # phases are compared as text
# Why it is held; the words for it are chosen where it is shown.
AFTER_NEEDLING, STOPPED = "after_needling", "waits_for_clinic"
HELD: dict[str, dict[str, str]] = {
    AFTER_NEEDLING: {
        "en": "Paused for now. Your plan gives this area time after your visit.",
        "es": "En pausa por ahora. Su plan da tiempo a esta zona después de su visita.",
    },
    STOPPED: {
        "en": "Paused until your clinic has been in touch about your answer.",
        "es": "En pausa hasta que su clínica hable con usted sobre su respuesta.",
    },
}


class Phases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A plan's own: hours since the needling session ended, and the soreness (0 to 10) up to which a gate is open.

    A gate of None opens by time alone.
    """

    light_after: int = 24
    full_after: int = 48
    light_at_most: int | None = 5
    full_at_most: int | None = 3


class Entry(NamedTuple):
    """What a needling session said, until it was corrected or cancelled (None: it still says so)."""

    until: Instant | None
    ended_at: Instant
    muscles: tuple[str, ...]
    side: str
    sore_before: int | None


class Told(NamedTuple):
    """An answer about soreness: when we heard it, and how long after the visit its step is due (their order)."""

    at: Instant
    due: Instant
    sore: int


class Needled(msgspec.Struct, frozen=True):
    """All that is known of one needling session. `asked` says how long after it the check-ins are due that ask for
    soreness; `seen_at` is when the next visit, days later, was recorded.
    """

    session_id: str
    recorded_at: Instant
    entries: tuple[Entry, ...]
    asked: tuple[Instant, ...] = ()
    told: tuple[Told, ...] = ()
    alarms: tuple[Instant, ...] = ()
    releases: tuple[tuple[Instant, Phase], ...] = ()
    seen_at: Instant | None = None


class Spell(NamedTuple):
    """A stretch of a patient's clock in which a plan is not in its full phase, because of one needling session."""

    from_wall: int
    until_wall: int | None
    stage: Stage
    muscles: tuple[str, ...]
    side: str


Why = Literal["time", "silence", "soreness", "rising", "alarm"]


class Standing(msgspec.Struct, frozen=True):
    """Where a plan stands after one needling session. `next` is None in the last phase; `why` it has not begun.

    `time` passes by itself until `not_before`; the others hold the phase, and the clinic is told.
    """

    session_id: str
    stage: Stage
    since: Instant
    next: Later | None
    why: Why | None
    not_before: Instant
    sore: int | None

    @property
    def held(self) -> bool:
        return self.why is not None and self.why != "time"


def checked(it: Phases) -> Phases:
    """Raises Invalid, which names the field."""
    if not 0 <= it.light_after <= it.full_after:
        raise Invalid("light_after", "must be from 0 to full_after", "Phase B begins before phase C.")
    if it.full_after > LONGEST:
        raise Invalid("full_after", f"must be at most {LONGEST} hours")
    for field in ("light_at_most", "full_at_most"):
        most = getattr(it, field)
        if most is not None and not 0 <= most <= 10:
            raise Invalid(field, "must be from 0 to 10, or null for no gate")
    return it


def settled(item: Prescription, card: Exercise) -> Prescription:
    """With the phase and the muscles of its card where the clinician left them out; Invalid for an unknown muscle."""
    works = tuple(it if it in REGIONS else find_muscle(it).id for it in item.works) or works_of(card)
    return msgspec.structs.replace(item, phase=item.phase or card.phase, works=works)


def works_of(card: Exercise) -> tuple[str, ...]:
    """The card's muscles; of loaded work also the regions, as it is the whole needled region that load is kept off."""
    areas = [region for it in card.targets for region in AREAS.get(it, ())]
    named = [it for it in card.targets if it not in AREAS]
    regions = [find_muscle(it).region for it in named] if card.loaded else []
    return tuple(dict.fromkeys([*named, *(areas if card.loaded else ()), *regions]))


def touches(item: Prescription, muscles: Iterable[str], side: str) -> bool:
    """Whether this works what was needled; the left side's work is nothing to a needled right side."""
    if {item.dosage.side, side} == {"left", "right"}:
        return False
    return any(it == find_muscle(one).region or overlap(it, one) for one in muscles for it in item.works)


# what is held when


def spells(phases: Phases, needled: Iterable[Needled], moves: Moves) -> tuple[Spell, ...]:
    """The stretches of all needling sessions, each by its own muscles; they may overlap."""
    return tuple(
        Spell(from_wall, until_wall, stage, entry.muscles, entry.side)
        for it in needled
        for start, end, stage, entry in _stretches(phases, it)
        if stage != "C"
        for from_wall, until_wall in moves.walls(start, end)
    )


def followed(sessions: Sequence[Needled]) -> list[Needled]:
    """Each with when the patient was seen again."""
    visits = [(it.entries[-1].ended_at, it.recorded_at) for it in sessions if it.entries[-1].until is None]
    return [msgspec.structs.replace(it, seen_at=_seen(it.entries[-1].ended_at, visits)) for it in sessions]


def _seen(ended_at: Instant, visits: Iterable[tuple[Instant, Instant]]) -> Instant | None:
    return min((recorded_at for at, recorded_at in visits if at >= ended_at + SEEN_AGAIN), default=None)


def ease(
    spells: Sequence[Spell], wall: int, due: Sequence[Prescription]
) -> tuple[tuple[Prescription, ...], dict[str, str]]:
    """What is asked at this wall, lightened where the plan says so, and why which exercise is held."""
    now = [it for it in spells if it.from_wall <= wall and (it.until_wall is None or wall < it.until_wall)]
    if not now:
        return tuple(due), {}
    held: dict[str, str] = {}
    for item in due:
        reasons = {reason for it in now if (reason := _holds(it, item))}
        if reasons:
            held[item.exercise] = STOPPED if STOPPED in reasons else AFTER_NEEDLING
    return tuple(_lighter(item, now) for item in due), held


def _holds(spell: Spell, item: Prescription) -> str:
    if spell.stage == "stop":
        return STOPPED
    early = item.phase is not None and item.phase > spell.stage
    return AFTER_NEEDLING if early and touches(item, spell.muscles, spell.side) else ""


def _lighter(item: Prescription, now: Iterable[Spell]) -> Prescription:
    if item.lighter is None or not any(touches(item, it.muscles, it.side) for it in now):
        return item
    return msgspec.structs.replace(item, dosage=lightened(item.dosage, item.lighter))


def say_held(reason: str, language: str = "en") -> str:
    """Our own reasons in words; a clinician's as they wrote it."""
    words = HELD.get(reason)
    return reason if words is None else words.get(language, words["en"])


# the way through the phases


class _Step(NamedTuple):
    at: Instant
    stage: Stage


def _stretches(phases: Phases, it: Needled) -> Iterator[tuple[Instant, Instant | None, Stage, Entry]]:
    """(from, until, stage, entry): each entry counts from the correction before it on; the first one from the start."""
    known_from: Instant | None = None
    for entry in it.entries:
        steps = _steps(phases, it, entry)
        for number, (at, stage) in enumerate(steps):
            start = at if known_from is None else max(at, known_from)
            following = steps[number + 1].at if number + 1 < len(steps) else None
            end = min((one for one in (following, entry.until) if one is not None), default=None)
            if end is None or start < end:
                yield start, end, stage, entry
        known_from = entry.until


def _steps(phases: Phases, it: Needled, entry: Entry) -> list[_Step]:
    """Every change of stage, as if the entry had always been known."""
    moments = {entry.ended_at, *(_begins(phases, entry, phase) for phase in ("B", "C"))}
    moments |= {one.at for one in it.told} | set(it.alarms) | {at for at, _ in it.releases}
    if it.seen_at is not None:
        moments.add(it.seen_at)
    phase: Phase = "A"
    found: list[_Step] = []
    for at in sorted(one for one in moments if one >= entry.ended_at):
        phase = _phase(phases, it, entry, phase, at)
        stage: Stage = "stop" if _stopped(it, at) else phase
        if not found or found[-1].stage != stage:
            found.append(_Step(at, stage))
    return found


def _phase(phases: Phases, it: Needled, entry: Entry, phase: Phase, at: Instant) -> Phase:
    """The furthest that is open. There is no way back: only an alarm stops what has begun."""
    later: tuple[Later, ...] = ("C", "B")
    open_ones = (one for one in later if _released(it, one, at) or _why_not(phases, it, entry, one, at) is None)
    return max(phase, next(open_ones, phase))


def _stopped(it: Needled, at: Instant) -> bool:
    last = max((one for one in it.alarms if one <= at), default=None)
    return last is not None and not any(last <= one <= at for one, _ in it.releases)


def _released(it: Needled, phase: Phase, at: Instant) -> bool:
    return any(one <= at and named >= phase for one, named in it.releases)


def _begins(phases: Phases, entry: Entry, phase: Later) -> Instant:
    return entry.ended_at + (phases.light_after if phase == "B" else phases.full_after) * HOUR


def _why_not(phases: Phases, it: Needled, entry: Entry, phase: Later, at: Instant) -> Why | None:
    """Why the phase cannot begin at this instant; None when it can."""
    begins = _begins(phases, entry, phase)
    if at < begins:
        return "time"
    if it.seen_at is not None and it.seen_at <= at:
        return None
    return _gate(phases, entry, phase, it, begins, at)


def _gate(phases: Phases, entry: Entry, phase: Later, it: Needled, begins: Instant, at: Instant) -> Why | None:
    most = phases.light_at_most if phase == "B" else phases.full_at_most
    if most is None or (not it.asked and it.recorded_at >= begins):
        return None  # no gate; or recorded so late that nobody was ever asked
    known = _known(it, at)
    # The answer must be that of the check-in due by then, or of a later one.
    due = max((one for one in it.asked if one <= begins - entry.ended_at), default=None)
    if not known or (due is not None and known[-1].due < due):
        return "silence"
    return _verdict(phase, most, entry.sore_before, known)


def _known(it: Needled, at: Instant) -> list[Told]:
    """The last word on each check-in, in the order in which they are due."""
    latest = {one.due: one for one in it.told if one.at <= at}
    return [latest[due] for due in sorted(latest)]


def _verdict(phase: Later, most: int, before: int | None, known: Sequence[Told]) -> Why | None:
    """clinical.md 4.2. B: at most 5 and not rising. C: at most 3, or back within 1 of what it was before the visit."""
    sore = known[-1].sore
    if phase == "C":
        return None if sore <= most or (before is not None and sore <= before + 1) else "soreness"
    if sore > most:
        return "soreness"
    return "rising" if len(known) > 1 and sore > known[-2].sore else None


def standing(phases: Phases, it: Needled, now: Instant) -> Standing | None:
    """Where the plan stands after this needling session; None once it is cancelled, and before it ended."""
    entry = next((one for one in it.entries if one.until is None), None)
    steps = [step for step in _steps(phases, it, entry) if step.at <= now] if entry is not None else []
    if entry is None or not steps:
        return None
    at, stage = steps[-1]
    sore = known[-1].sore if (known := _known(it, now)) else None
    if stage in ("stop", "C"):
        why: Why | None = "alarm" if stage == "stop" else None
        return Standing(it.session_id, stage, at, None, why, at, sore)
    following: Later = "B" if stage == "A" else "C"
    not_before = _begins(phases, entry, following)
    return Standing(it.session_id, stage, at, following, _why_not(phases, it, entry, following, now), not_before, sore)


def failed(phases: Phases, it: Needled, told: Instant, now: Instant) -> Standing | None:
    """Where the plan stands, if the answer just heard, to the step due so long after the visit, leaves the next gate
    shut. An answer to a step before the one that the gate reads has not failed it yet.
    """
    found = standing(phases, it, now)
    entry = next((one for one in it.entries if one.until is None), None)
    if found is None or entry is None or found.next is None:
        return None
    begins = _begins(phases, entry, found.next)
    due = max((one for one in it.asked if one <= begins - entry.ended_at), default=told)
    why = _gate(phases, entry, found.next, it, begins, now)
    return msgspec.structs.replace(found, why=why) if told >= due and why in ("soreness", "rising") else None


def waits(items: Iterable[Prescription], it: Needled, phase: Phase) -> bool:
    """Whether anything of a plan is held until this phase."""
    entry = it.entries[-1]
    return any(
        one.phase is not None and one.phase >= phase and touches(one, entry.muscles, entry.side) for one in items
    )
