"""The proportions of the person who is drawn: an adult of 1.70 m, as round parts on the bones of a skeleton.

A part lies in the frame of its bone: left, up, forward; a limb's bone runs down from its joint. Segment lengths are
near the shares of body height that anthropometry gives (Drillis and Contini 1966 [K]).
"""

from collections.abc import Mapping
from typing import NamedTuple

from programs.figures.poses import SIDES
from programs.figures.vectors import Vector

THIGH, SHIN, UPPER_ARM, FOREARM, PALM = 0.415, 0.405, 0.30, 0.245, 0.07
HIP_WIDE, SHOULDER_WIDE = 0.088, 0.172
ANKLE_HIGH = 0.068
HEEL_BACK, BALL_FORWARD = 0.045, 0.135
LUMBAR: Vector = (0.0, 0.085, -0.012)  # on the pelvis
THORAX: Vector = (0.0, 0.15, -0.016)  # on the loin
SHOULDER_HIGH = 0.205  # on the chest
NECK: Vector = (0.0, 0.255, 0.004)  # on the chest
HEAD: Vector = (0.0, 0.085, 0.022)  # on the neck


class Ball(NamedTuple):
    """A round part of the body on one bone."""

    bone: str
    at: Vector
    radius: float


def _trunk() -> dict[str, tuple[Ball, ...]]:
    found: dict[str, tuple[Ball, ...]] = {
        "belly": (
            Ball("loin", (0.055, 0.02, 0.012), 0.092),
            Ball("loin", (-0.055, 0.02, 0.012), 0.092),
            Ball("chest", (0.06, 0.03, 0.012), 0.09),
            Ball("chest", (-0.06, 0.03, 0.012), 0.09),
            Ball("belly", (0.0, 0.06, 0.02), 0.085),
        ),
        "chest": (
            Ball("chest", (0.07, 0.05, 0.012), 0.094),
            Ball("chest", (-0.07, 0.05, 0.012), 0.094),
            Ball("chest", (0.085, 0.15, 0.01), 0.088),
            Ball("chest", (-0.085, 0.15, 0.01), 0.088),
            Ball("chest", (0.135, 0.20, -0.005), 0.062),
            Ball("chest", (-0.135, 0.20, -0.005), 0.062),
            Ball("chest", (0.05, 0.235, -0.015), 0.05),
            Ball("chest", (-0.05, 0.235, -0.015), 0.05),
        ),
        "pelvis": (
            Ball("pelvis", (0.082, -0.005, 0.0), 0.093),
            Ball("pelvis", (-0.082, -0.005, 0.0), 0.093),
            Ball("pelvis", (0.07, 0.01, -0.04), 0.08),
            Ball("pelvis", (-0.07, 0.01, -0.04), 0.08),
            Ball("pelvis", (0.065, 0.085, 0.002), 0.088),
            Ball("pelvis", (-0.065, 0.085, 0.002), 0.088),
        ),
        "neck": (Ball("chest", (0.0, 0.235, -0.008), 0.056), Ball("neck", (0.0, 0.075, 0.008), 0.05)),
        "face": (Ball("head", (0.0, 0.045, 0.024), 0.084), Ball("head", (0.0, -0.05, 0.048), 0.05)),
        "hair": (Ball("head", (0.0, 0.055, -0.012), 0.099), Ball("head", (0.0, 0.0, -0.03), 0.072)),
    }
    return found


def _limbs(side: str) -> dict[str, tuple[Ball, ...]]:
    sign = 1.0 if side == "left" else -1.0
    thigh, shin, foot = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
    arm, forearm, hand = f"{side}_arm", f"{side}_forearm", f"{side}_hand"
    return {
        thigh: (Ball(thigh, (0.0, -0.02, 0.0), 0.088), Ball(thigh, (0.0, -THIGH, 0.0), 0.054)),
        f"{side}_calf": (Ball(thigh, (0.0, -THIGH, 0.0), 0.054), Ball(shin, (0.0, -0.13, -0.014), 0.055)),
        shin: (Ball(shin, (0.0, -0.13, -0.014), 0.055), Ball(shin, (0.0, -SHIN, 0.0), 0.036)),
        foot: (
            Ball(foot, (0.0, 0.0, 0.0), 0.036),
            Ball(foot, (0.0, -ANKLE_HIGH + 0.034, -HEEL_BACK), 0.034),
            Ball(foot, (0.0, -ANKLE_HIGH + 0.026, BALL_FORWARD), 0.026),
            Ball(foot, (sign * -0.012, -ANKLE_HIGH + 0.018, 0.185), 0.018),
        ),
        arm: (Ball(arm, (0.0, 0.0, 0.0), 0.052), Ball(arm, (0.0, -UPPER_ARM, 0.0), 0.038)),
        forearm: (Ball(arm, (0.0, -UPPER_ARM, 0.0), 0.038), Ball(forearm, (0.0, -FOREARM, 0.0), 0.026)),
        f"{side}_sleeve": (Ball(arm, (0.0, 0.005, 0.0), 0.06), Ball(arm, (0.0, -0.15, 0.0), 0.052)),
        hand: (Ball(hand, (0.0, -0.045, 0.0), 0.034), Ball(hand, (0.0, -0.145, 0.004), 0.018)),
    }


PARTS: Mapping[str, tuple[Ball, ...]] = _trunk() | _limbs("left") | _limbs("right")


def _points() -> dict[str, tuple[str, Vector]]:
    found: dict[str, tuple[str, Vector]] = {
        "pelvis": ("pelvis", (0.0, 0.0, 0.0)),
        "tail": ("pelvis", (0.0, 0.03, -0.135)),
        "upper_back": ("chest", (0.0, 0.15, -0.085)),
        "chest": ("chest", (0.0, 0.15, 0.1)),
        "belly": ("belly", (0.0, 0.06, 0.135)),
        "nape": ("head", (0.0, -0.03, -0.14)),
        "small_of_back": ("pelvis", (0.0, 0.1, -0.13)),
        "back_of_head": ("head", (0.0, 0.06, -0.115)),
        "head": ("head", (0.0, 0.05, 0.0)),
        "crown": ("head", (0.0, 0.16, 0.0)),
    }
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        found |= {
            f"{side}_hip": (f"{side}_thigh", (0.0, 0.0, 0.0)),
            f"{side}_hip_side": ("pelvis", (sign * 0.17, 0.03, 0.0)),
            f"{side}_buttock": ("pelvis", (sign * 0.09, -0.02, -0.14)),
            f"{side}_thigh_front": (f"{side}_thigh", (0.0, -0.2, 0.085)),
            f"{side}_thigh_back": (f"{side}_thigh", (0.0, -0.3, -0.075)),
            f"{side}_over_knee": (f"{side}_thigh", (0.0, -THIGH + 0.06, 0.1)),
            f"{side}_lap": (f"{side}_thigh", (0.0, -0.3, 0.09)),
            f"{side}_band": (f"{side}_thigh", (sign * 0.055, -THIGH + 0.1, 0.035)),
            f"{side}_above_knee": (f"{side}_thigh", (0.0, -THIGH + 0.1, 0.0)),
            f"{side}_knee": (f"{side}_shin", (0.0, 0.0, 0.0)),
            f"{side}_kneecap": (f"{side}_shin", (0.0, 0.0, 0.06)),
            f"{side}_knee_outside": (f"{side}_thigh", (sign * 0.07, -THIGH + 0.03, 0.03)),
            f"{side}_shin_front": (f"{side}_shin", (0.0, -0.08, 0.065)),
            f"{side}_ankle": (f"{side}_shin", (0.0, -SHIN, 0.0)),
            f"{side}_ankle_top": (f"{side}_shin", (sign * -0.075, -SHIN, 0.0)),
            f"{side}_ankle_front": (f"{side}_shin", (0.0, -SHIN + 0.03, 0.045)),
            f"{side}_instep": (f"{side}_foot", (0.0, -0.01, 0.075)),
            f"{side}_heel": (f"{side}_foot", (0.0, -0.03, -HEEL_BACK - 0.03)),
            f"{side}_sole": (f"{side}_foot", (0.0, -ANKLE_HIGH, 0.06)),
            f"{side}_ball": (f"{side}_foot", (0.0, -ANKLE_HIGH, BALL_FORWARD)),
            f"{side}_toes": (f"{side}_foot", (0.0, -ANKLE_HIGH + 0.02, 0.2)),
            f"{side}_shoulder": (f"{side}_arm", (0.0, 0.0, 0.0)),
            f"{side}_elbow": (f"{side}_forearm", (0.0, 0.0, 0.0)),
            f"{side}_wrist": (f"{side}_forearm", (0.0, -FOREARM, 0.0)),
            f"{side}_palm": (f"{side}_hand", (0.0, -PALM, 0.0)),
            f"{side}_fingertips": (f"{side}_hand", (0.0, -0.16, 0.0)),
        }
    return found


# What can be held, followed or anchored, by name.
POINTS: Mapping[str, tuple[str, Vector]] = _points()


def _zones() -> dict[str, tuple[Ball, ...]]:
    found: dict[str, tuple[Ball, ...]] = {
        "low_back": (Ball("pelvis", (0.0, 0.11, -0.07), 0.05), Ball("chest", (0.0, 0.05, -0.06), 0.05)),
        "belly": (Ball("loin", (0.0, -0.01, 0.05), 0.06), Ball("chest", (0.0, 0.02, 0.05), 0.06)),
    }
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        thigh = f"{side}_thigh"
        found |= {
            f"{side}_glute": (
                Ball("pelvis", (sign * 0.085, 0.04, -0.06), 0.066),
                Ball(thigh, (0, -0.05, -0.035), 0.06),
            ),
            f"{side}_outer_hip": (
                Ball("pelvis", (sign * 0.125, 0.075, -0.01), 0.05),
                Ball(thigh, (sign * 0.045, -0.04, -0.005), 0.05),
            ),
            f"{side}_hip_front": (
                Ball("pelvis", (sign * 0.085, 0.07, 0.045), 0.05),
                Ball(thigh, (0.0, -0.12, 0.04), 0.05),
            ),
            f"{side}_thigh_front": (Ball(thigh, (0.0, -0.09, 0.035), 0.05), Ball(thigh, (0.0, -0.34, 0.02), 0.036)),
            f"{side}_thigh_back": (Ball(thigh, (0.0, -0.09, -0.035), 0.05), Ball(thigh, (0.0, -0.35, -0.02), 0.034)),
            f"{side}_thigh_inside": (
                Ball(thigh, (sign * -0.035, -0.06, 0.0), 0.05),
                Ball(thigh, (sign * -0.02, -0.33, 0.0), 0.034),
            ),
            f"{side}_flank": (
                Ball("pelvis", (sign * 0.11, 0.12, -0.02), 0.045),
                Ball("chest", (sign * 0.12, 0.12, -0.015), 0.05),
            ),
            f"{side}_low_back": (
                Ball("pelvis", (sign * 0.05, 0.11, -0.06), 0.045),
                Ball("chest", (sign * 0.05, 0.05, -0.05), 0.045),
            ),
        }
    return found


# What is highlighted, by name.
ZONES: Mapping[str, tuple[Ball, ...]] = _zones()

# What `touch` may name; each rests by the lowest of its parts.
TOUCHING: Mapping[str, tuple[str, ...]] = {
    "pelvis": ("pelvis",),
    "chest": ("chest", "belly"),
    "head": ("hair", "face"),
    **{part: (f"left_{part}", f"right_{part}") for part in ("foot", "thigh", "shin", "calf", "hand")},
    **{f"{side}_{part}": (f"{side}_{part}",) for side in SIDES for part in ("foot", "thigh", "shin", "calf", "hand")},
}
