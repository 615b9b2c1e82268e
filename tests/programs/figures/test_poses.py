"""Every exercise is one a person can do: at each key frame and in between, joints bend and hands hold as they can."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from programs.errors import Invalid
from programs.exercises import Exercise, library
from programs.figures.body import PARTS
from programs.figures.document import figure_of
from programs.figures.poses import SIDES, Figure, Pose, Thing, frames_of
from programs.figures.skeleton import Bones, Moment, angles, lowest, point, solve, where
from programs.figures.vectors import Vector, length, minus

CARDS = tuple(library().values())
each_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)

FINE = 12  # moments between two key frames
CENTIMETRE = 0.01
# Flesh gives: how far a round part may be drawn into what it rests on.
GIVES = 0.03

# Degrees, a little beyond what is usually measured in adults (Norkin and White [K]): bent, out to the side, turned out.
HIP = ((-30, 135), (-40, 65), (-60, 75))
ONE_WAY = {"knee": (-2, 155), "ankle": (-30, 75), "elbow": (-2, 155)}
TRUNK = {
    "lumbar": ((-30, 60), (-30, 30), (-20, 20)),
    "thorax": ((-25, 40), (-30, 30), (-40, 40)),
    "neck": ((-50, 50), (-40, 40), (-75, 75)),
}


def moments(figure: Figure) -> Iterator[Moment]:
    frames = frames_of(figure)
    pairs = [*pairwise(frames), *([(frames[-1], frames[0])] if figure.cycle else [])]
    for start, end in pairs:
        for step in range(FINE + 1):
            yield Moment(start.pose, end.pose, step / FINE)


def solved(card: Exercise) -> list[tuple[Moment, Bones]]:
    return _solved(card.id)


@cache
def _solved(id: str) -> list[tuple[Moment, Bones]]:
    figure = figure_of(library()[id])
    return [(moment, solve(figure, moment)) for moment in moments(figure)]


@each_card
def test_every_card_has_a_figure_that_moves_between_at_least_two_frames(card: Exercise) -> None:
    frames = frames_of(figure_of(card))
    assert len([frame for frame in frames if not frame.passing]) >= 2
    assert frames[0].pose != frames[1].pose


@each_card
def test_every_joint_bends_as_a_joint_does(card: Exercise) -> None:
    for moment, bones in solved(card):
        for name, found in angles(bones).items():
            joint = name.partition("_")[2]
            if joint == "hip":
                assert all(low <= it <= high for it, (low, high) in zip(found, HIP, strict=True)), (name, found)
            elif joint == "shoulder":
                raised, behind, across = found
                assert raised <= 180, (name, found)
                assert behind <= 0.9, "no arm goes farther back than about 60 degrees"
                assert across <= 0.75, "nor farther across than about 50"
            else:
                low, high = ONE_WAY[joint]
                assert low <= found[0] <= high, (name, found)
        for name, bounds in TRUNK.items():
            assert all(low <= it <= high for it, (low, high) in zip(moment.numbers(name), bounds, strict=True)), name


@each_card
def test_hands_and_feet_are_where_they_are_told_to_be(card: Exercise) -> None:
    for moment, bones in solved(card):
        for side in SIDES:
            for limb, end in (("hand", f"{side}_palm"), ("foot", f"{side}_sole")):
                goal = wanted(moment, bones, f"{side}_{limb}")
                if goal is not None:
                    far = length(minus(point(bones, end), goal))
                    assert far < 2 * CENTIMETRE, f"{side} {limb}: {far * 100:.1f} cm off"


def wanted(moment: Moment, bones: Bones, name: str) -> Vector | None:
    """Where the end of a limb is to be, if it is the same all the way: held by name, or laid on a place."""
    target = moment.start.get(name)
    if target != moment.end.get(name) or target is None:
        return None
    if isinstance(target, str):
        return point(bones, target) if name.endswith("hand") else None
    assert isinstance(target, tuple)
    if name.endswith("foot"):
        return None if len(target) > 3 else sole(bones, name, target)
    return (target[0], target[1] + 0.033, target[2]) if target[1] == 0 else target[:3]  # type: ignore[return-value]


def sole(bones: Bones, name: str, target: tuple[float, ...]) -> Vector:
    """The place is below the ankle; the middle of the sole is six centimetres on, in the direction of the toes."""
    ankle, toes = point(bones, f"{name[:-5]}_ankle"), point(bones, f"{name[:-5]}_sole")
    return toes[0] + target[0] - ankle[0], target[1], toes[2] + target[2] - ankle[2]


@each_card
def test_what_rests_touches_and_nothing_sinks_in(card: Exercise) -> None:
    figure = figure_of(card)
    for _, bones in solved(card):
        assert lowest(bones, list(PARTS)) > -GIVES, "nothing is below the floor"
        for thing in figure.things:
            if thing.kind in ("bed", "chair", "step"):
                assert sunk(bones, thing) < GIVES, f"sinks {sunk(bones, thing) * 100:.1f} cm into the {thing.kind}"
        resting = min(lowest(bones, list(PARTS)), *(above(bones, thing) for thing in figure.things), 9.0)
        assert abs(resting) < GIVES, f"floats {resting * 100:.1f} cm"


def sunk(bones: Bones, thing: Thing) -> float:
    return -min(above(bones, thing), 0.0)


def above(bones: Bones, thing: Thing) -> float:
    """How far the lowest part over the thing is from its top."""
    (x, y, z), (wide, high, deep) = thing.at, thing.size
    over = [
        at[1] - ball.radius - (y + high)
        for balls in PARTS.values()
        for ball in balls
        if abs((at := where(bones, ball))[0] - x) < wide / 2 and abs(at[2] - z) < deep / 2 and at[1] > y + high / 2
    ]
    return min(over, default=9.0) if thing.kind in ("bed", "chair", "step", "pillow") else 9.0


@each_card
def test_nothing_jumps_from_one_moment_to_the_next(card: Exercise) -> None:
    """A knee or elbow that flips over to its other side would."""
    before: Bones = {}
    for moment, bones in solved(card):
        for name in bones if moment.share else ():
            far = length(minus(bones[name].at, before[name].at))
            assert far < 15 * CENTIMETRE, f"{name} jumps {far * 100:.0f} cm"
        before = bones


def figure(*frames: Pose) -> Figure:
    return Figure(frames=frames, turn=90)


def test_a_name_that_is_none_of_the_body_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(Invalid) as refused:
        figure({"left_kne": 20.0})
    assert "left_knee" in refused.value.hint


def test_a_hand_that_is_held_in_one_frame_is_held_in_the_next() -> None:
    start, end = frames_of(figure({"right_shoulder": (0.0, 0.0, 0.0)}, {"hands": "belly"}))
    with pytest.raises(Invalid):
        solve(figure(), Moment(start.pose, end.pose, 0.5))


def test_an_unknown_place_to_hold_is_refused_with_the_nearest_one() -> None:
    (only,) = frames_of(figure({"left_hand": "left_nee"}))
    with pytest.raises(Invalid) as refused:
        solve(figure(), Moment(only.pose, only.pose, 0.0))
    assert "left_knee" in refused.value.hint


def test_both_limbs_are_said_at_once_and_one_of_them_apart() -> None:
    (first, second) = frames_of(
        figure({"knees": 90.0, "left_knee": 20.0, "feet": (0.1, 0.0, 0.4)}, {"neck": (5.0, 0.0, 0.0)})
    )
    assert (first.pose["left_knee"], first.pose["right_knee"]) == ((20.0,), (90.0,))
    assert (first.pose["left_foot"], first.pose["right_foot"]) == ((0.1, 0.0, 0.4), (-0.1, 0.0, 0.4))
    assert second.pose["right_knee"] == (90.0,), "what a frame does not say stays as it was"
