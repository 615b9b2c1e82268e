"""How it goes: soreness by hours since needling, usual pain, "my activities" and the change a patient feels. Pure.

A change is marked where it reaches what a study found to matter to patients (clinical.md 3.1). It says how large a
difference between two answers is, never why, and not that a patient is well.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from programs.instants import DAY, HOUR, Instant

EVERY = 14 * DAY  # between two ratings [P]: no source says how often; each asks a minute of a patient
MOST = 5  # activities; the method takes 3 to 5 (3.1: PSFS)
WORST_CHANGE, BEST_CHANGE = -5, 5
# The hours in which soreness is usual after needling; clinical.md 0 (seed 002), 1.1.
WINDOW = (24, 48)

Direction = Literal["better", "worse", ""]
Size = Literal["small", "medium", "large", ""]

PAIN_SOURCE = (
    "clinical.md 3.1: 2 points, Suzuki 2020, PLoS One 15:e0229228 [S]; 3 from a start of 8 to 10, "
    "doi:10.1055/a-1304-3677 [S]"
)
ACTIVITY_SOURCE = "clinical.md 3.1: 1.3, 2.3 and 2.7 points, Abbott & Schmitt 2014 doi:10.2519/jospt.2014.5248 [S]"
CHANGE_SOURCE = "clinical.md 3.1: about 2.5 of 11 points, Bobos 2020 PMC7025089 [S]"
ACTIVITY_STEPS: tuple[tuple[float, Size], ...] = ((2.7, "large"), (2.3, "medium"), (1.3, "small"))
CHANGE_MATTERS = 2.5


class Point(NamedTuple):
    """One soreness answer, so many hours after that needling session ended."""

    hours: float
    score: int
    step: str


class Curve(NamedTuple):
    """The soreness after one needling session, in order of time."""

    session_id: str
    ended_at: Instant
    points: tuple[Point, ...]


class Score(NamedTuple):
    at: Instant
    score: int


class Change(NamedTuple):
    """`points` as the scale counts, `direction` "" where it does not reach what matters; `size` for activities."""

    points: float
    direction: Direction
    size: Size
    source: str


class Said(NamedTuple):
    """One answer to a check-in as it was stored: which needling session, when, and the scores in it."""

    session_id: str
    ended_at: Instant
    step: str
    at: Instant
    sore: int | None
    usual: int | None


def curves(said: Sequence[Said]) -> list[Curve]:
    """Latest needling session first. A second answer to a check-in replaces the first one of that step."""
    sessions: dict[str, dict[str, Point]] = {}
    ended: dict[str, Instant] = {}
    for it in said:
        if it.sore is None:
            continue
        points = sessions.setdefault(it.session_id, {})
        ended[it.session_id] = it.ended_at
        before = points.get(it.step)
        if before is None or before.score != it.sore:  # an answer sent again with the rest keeps its own time
            points[it.step] = Point((it.at - it.ended_at) / HOUR, it.sore, it.step)
    found = [Curve(id, ended[id], tuple(sorted(points.values()))) for id, points in sessions.items()]
    return sorted(found, key=lambda it: (-it.ended_at, it.session_id))


def usual_pain(said: Sequence[Said]) -> list[Score]:
    """In order of time, one a check-in."""
    latest: dict[tuple[str, str], Score] = {}
    for it in said:
        key = (it.session_id, it.step)
        if it.usual is not None and (key not in latest or latest[key].score != it.usual):
            latest[key] = Score(it.at, it.usual)
    return sorted(latest.values())


def pain_change(scores: Sequence[Score]) -> Change | None:
    """From the first to the last; None with fewer than two."""
    if len(scores) < 2:
        return None
    first, last = scores[0].score, scores[-1].score
    matters = 3 if first >= 8 else 2
    points = last - first
    return Change(points, _direction(-points, matters), "", PAIN_SOURCE)


def activities_change(before: Mapping[str, int], now: Mapping[str, int]) -> Change | None:
    """Of the mean over the activities rated both times; None where there are none."""
    both = before.keys() & now.keys()
    if not both:
        return None
    points = round(sum(now[id] - before[id] for id in both) / len(both), 6)
    size: Size = next((size for least, size in ACTIVITY_STEPS if abs(points) >= least), "")
    return Change(points, _direction(points, ACTIVITY_STEPS[-1][0]), size, ACTIVITY_SOURCE)


def felt_change(score: int) -> Change:
    return Change(score, _direction(score, CHANGE_MATTERS), "", CHANGE_SOURCE)


def due(rated_at: Sequence[Instant], has_activities: bool, now: Instant) -> bool:
    """Whether to ask now: at the start, as soon as there is an activity to rate, and then every two weeks."""
    return has_activities and (not rated_at or now - max(rated_at) >= EVERY)


def _direction(better: float, matters: float) -> Direction:
    return "better" if better >= matters else "worse" if better <= -matters else ""
