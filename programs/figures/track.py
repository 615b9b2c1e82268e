"""Which moments of a figure are drawn, and when: the way through its key frames and back, each step small enough."""

from collections.abc import Sequence
from itertools import pairwise
from math import acos, ceil, pi
from typing import NamedTuple

from programs.figures.poses import SIDES, Figure, Frame, frames_of
from programs.figures.skeleton import Bones, Moment, solve
from programs.figures.vectors import Vector, angle_between, apply

STEP = 32.0  # degrees a bone turns at most between two moments: half way a straight line is then off by a 25th of it
LONG = ("pelvis", "chest", *(f"{side}_{bone}" for side in SIDES for bone in ("thigh", "shin", "arm", "forearm")))
DOWN: Vector = (0.0, -1.0, 0.0)


class Beat(NamedTuple):
    """What is seen at a time of the loop, in seconds from its start."""

    at: float
    bones: Bones
    effort: float


def beats(figure: Figure) -> list[Beat]:
    """One loop: there, a while at the end, and back."""
    frames = frames_of(figure)
    first = still(frames[0])
    clock, found = 0.0, [Beat(0.0, solve(figure, first), first.effort)]
    for start, end, seconds in _ways(frames, figure.cycle):
        if start.hold:
            clock += start.hold
            found.append(found[-1]._replace(at=clock))
        for moment, bones in steps(figure, start, end):
            found.append(Beat(clock + seconds * _eased(moment.share, figure.cycle), bones, moment.effort))
        clock += seconds
    return found


def still(frame: Frame) -> Moment:
    return Moment(frame.pose, frame.pose, 0.0)


def steps(figure: Figure, start: Frame, end: Frame) -> list[tuple[Moment, Bones]]:
    """The moments after `start`, up to `end`."""
    first, last = solve(figure, still(start)), solve(figure, still(end))
    middle = solve(figure, Moment(start.pose, end.pose, 0.5))
    count = max(1, ceil((_turned(first, middle) + _turned(middle, last)) / STEP))
    moments = [Moment(start.pose, end.pose, n / count) for n in range(1, count + 1)]
    return [(it, solve(figure, it)) for it in moments]


def _turned(one: Bones, other: Bones) -> float:
    """The most any bone turns."""
    return max(angle_between(apply(one[name].turned, DOWN), apply(other[name].turned, DOWN)) for name in LONG)


def _ways(frames: Sequence[Frame], cycle: bool) -> list[tuple[Frame, Frame, float]]:
    there = [(start, end, end.seconds) for start, end in pairwise(frames)]
    if cycle:
        return [*there, (frames[-1], frames[0], frames[0].seconds)]
    return there + [(end, start, seconds) for start, end, seconds in reversed(there)]


def _eased(share: float, cycle: bool) -> float:
    """When this share of the way is behind: slow at both ends, as a limb moves."""
    return share if cycle else acos(max(-1.0, min(1.0, 1 - 2 * share))) / pi
