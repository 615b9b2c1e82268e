"""How the poses of an exercise are written in its card; docs/figures.md tells it to whoever writes one. Draws nothing.

Metres and degrees. Places are [left, up, forward] as the person of the figure has them, seen from where they start.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from programs.errors import Invalid, did_you_mean

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
OTHER: Mapping[str, Side] = {"left": "right", "right": "left"}

Value = float | str | tuple[float, ...]
Pose = Mapping[str, Value]

# What a pose says of the trunk, and how many numbers each takes.
TRUNK = {"pelvis": 3, "lumbar": 3, "thorax": 3, "neck": 3}
ALONE = {"breath": 1, "effort": 1}  # how full the belly is, how hard the muscles work: 0 to 1
# What it says of a limb, of one ("left_knee") or of both ("knees").
LIMBS = {"hip": 3, "knee": 1, "ankle": 1, "shoulder": 3, "elbow": 1, "foot": 3, "hand": 3}
TOWARD = ("knee_toward", "elbow_toward")  # where a knee or an elbow points when its limb was told only where to end
BOTH = {"feet": "foot", "knees_toward": "knee_toward", "elbows_toward": "elbow_toward"}
BOTH |= {f"{limb}s": limb for limb in LIMBS if limb != "foot"}
ONE = {f"{side}_{limb}": limb for side in SIDES for limb in (*LIMBS, *TOWARD)}
TIMING = ("seconds", "hold", "passing")
KNOWN = (*TRUNK, *ALONE, "at", *BOTH, *ONE)


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A thing to lie on, hold or push against; `of` are the points of the body that a strap, band or stick joins."""

    kind: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)  # the middle of its underside
    size: tuple[float, float, float] = (0.0, 0.0, 0.0)
    of: tuple[str, ...] = ()
    front: bool = False  # drawn over the body


class Arrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Follows a point of the body from the first picture of a still to the next, drawn aside by `shift` metres."""

    follow: str
    shift: tuple[float, float] = (0.0, 0.0)  # right and up on the page


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drawn for the right side; the left is its mirror image."""

    frames: tuple[Mapping[str, bool | Value], ...]
    turn: float  # seen from the front is 0, from the person's right side 90
    tilt: float = 12.0  # how far one looks down
    anchor: str = "pelvis"  # the point that `at` places
    touch: tuple[str, ...] = ()  # which parts come to rest on what is below
    floor: float = 0.0  # how high that is
    works: tuple[str, ...] = ()  # what is highlighted
    things: tuple[Thing, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    shoes: bool = False
    cycle: bool = False  # the last frame goes on to the first, as in walking, not back the same way
    alternates: bool = False  # where no side is asked for, the mirror image follows
    far: Side | Literal[""] = ""  # which limbs are drawn behind, where the view does not say
    over: tuple[str, ...] = ()  # parts drawn last

    def __post_init__(self) -> None:
        for number, frame in enumerate(self.frames, 1):
            for name in frame:
                if name not in KNOWN and name not in TIMING:
                    raise Invalid(f"frame {number}", f"has no {name}", did_you_mean(name, KNOWN))


class Frame(msgspec.Struct, frozen=True):
    """One key frame, with all that earlier ones said and it left alone; `seconds` is the way to it."""

    pose: Pose
    seconds: float
    hold: float
    passing: bool  # not in the still


def frames_of(figure: Figure) -> tuple[Frame, ...]:
    pose: dict[str, Value] = {}
    found = []
    for written in figure.frames:
        pose = pose | _each_limb(written)
        seconds, hold = float(written.get("seconds", 1.6)), float(written.get("hold", 0.6))  # type: ignore[arg-type]
        found.append(Frame(pose, seconds, hold, bool(written.get("passing", False))))
    return tuple(found)


def _each_limb(written: Mapping[str, bool | Value]) -> dict[str, Value]:
    """Both limbs one by one; a number alone is a list of one."""
    both: dict[str, Value] = {}
    one: dict[str, Value] = {}
    for name, value in written.items():
        if name in TIMING:
            continue
        whole: Value = value if isinstance(value, (str, tuple)) else (float(value),)
        if name in BOTH:
            for side in SIDES:
                both[f"{side}_{BOTH[name]}"] = _sideways(whole, BOTH[name], side)
        else:
            one[name] = whole
    return both | one


def _sideways(value: Value, limb: str, side: Side) -> Value:
    """What is said of both feet or hands is said of the left one; the right one is its mirror."""
    if limb in ("foot", "hand", *TOWARD) and side == "right":
        return _mirrored(value)
    return value


def _mirrored(value: Value) -> Value:
    if isinstance(value, str):
        return swapped(value)
    return (-value[0], *value[1:]) if isinstance(value, tuple) else value


def swapped(name: str) -> str:
    """The same of the other side: "left_knee" of "right_knee"."""
    side, _, rest = name.partition("_")
    return f"{OTHER[side]}_{rest}" if side in OTHER else name
