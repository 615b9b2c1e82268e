"""From a pose to where every bone is: forward from the pelvis, placed by its anchor, limbs bent to where they end."""

from collections.abc import Mapping, Sequence
from math import acos, cos, sin
from typing import NamedTuple

from programs.errors import Invalid, did_you_mean
from programs.figures import body
from programs.figures.body import PARTS, POINTS, Ball
from programs.figures.poses import SIDES, Figure, Pose, Side, Value
from programs.figures.vectors import (
    ORIGIN,
    Matrix,
    Vector,
    about_x,
    about_y,
    about_z,
    add,
    angle_between,
    apply,
    cross,
    dot,
    from_columns,
    length,
    minus,
    mix,
    multiply,
    times,
    transpose,
    unit,
    xzy_angles,
)

UP: Vector = (0.0, 1.0, 0.0)
DOWN: Vector = (0.0, -1.0, 0.0)
FORWARD: Vector = (0.0, 0.0, 1.0)
STANDING = (0.0, 0.0, 0.0, 0.0, 6.0)  # a foot's place, its toes up, its toes out
SHRUG = 0.065  # how far a shoulder blade gives when a hand reaches


class Bone(NamedTuple):
    """Where a bone begins, and how its left, up and forward lie in the room."""

    at: Vector
    turned: Matrix


Bones = Mapping[str, Bone]


class Moment(NamedTuple):
    """A pose of a figure: the key frame before, the one after, and how far between."""

    start: Pose
    end: Pose
    share: float

    def numbers(self, name: str, default: tuple[float, ...] = (0.0, 0.0, 0.0)) -> tuple[float, ...]:
        a, b = self.start.get(name, default), self.end.get(name, default)
        if not isinstance(a, tuple) or not isinstance(b, tuple):
            raise Invalid(name, "is a word in one frame and a number in another")
        long = max(len(a), len(b))
        return tuple(
            x + (y - x) * self.share for x, y in zip(_filled(a, default, long), _filled(b, default, long), strict=True)
        )

    def vector(self, name: str) -> Vector:
        a, b, c = self.numbers(name)[:3]
        return a, b, c

    def says(self, name: str) -> bool:
        if (name in self.start) != (name in self.end):
            raise Invalid(name, "is in one frame and not in the one beside it")
        return name in self.start

    @property
    def effort(self) -> float:
        return self.numbers("effort", (1.0,))[0]

    def word(self, name: str) -> str:
        value = self.start.get(name)
        return value if isinstance(value, str) else ""


def _filled(value: tuple[float, ...], default: tuple[float, ...], long: int) -> tuple[float, ...]:
    return value + (*default, *(0.0,) * long)[len(value) : long]


def solve(figure: Figure, moment: Moment) -> Bones:
    bones = dict(_trunk(moment))
    for side in SIDES:
        if not moment.says(f"{side}_foot"):
            _leg(bones, moment, side)
        if not moment.says(f"{side}_hand"):
            _arm(bones, moment, side)
    bones = _placed(figure, moment, bones)
    for side in SIDES:
        if moment.says(f"{side}_foot"):
            _leg_to(bones, moment, side)
        elif moment.word(f"{side}_knee") == "flat":
            _kneel(bones, moment, side)
        elif moment.word(f"{side}_ankle") == "flat":
            _level_foot(bones, side)
    for side in SIDES:
        if moment.says(f"{side}_hand"):
            _arm_to(bones, moment, side)
    return bones


def point(bones: Bones, name: str) -> Vector:
    if name not in POINTS:
        raise Invalid("point", f"has no {name}", did_you_mean(name, POINTS))
    bone, at = POINTS[name]
    return on(bones[bone], at)


def on(bone: Bone, at: Vector) -> Vector:
    return add(bone.at, apply(bone.turned, at))


def where(bones: Bones, ball: Ball) -> Vector:
    return on(bones[ball.bone], ball.at)


def lowest(bones: Bones, parts: Sequence[str]) -> float:
    return min(where(bones, ball)[1] - ball.radius for part in parts for ball in PARTS[part] if ball.bone in bones)


# the trunk


def _trunk(moment: Moment) -> dict[str, Bone]:
    pitch, roll, turn = moment.numbers("pelvis")
    pelvis = Bone(ORIGIN, multiply(about_x(pitch), about_z(roll), about_y(turn)))
    loin = _next(pelvis, body.LUMBAR, moment.numbers("lumbar"))
    chest = _next(loin, body.THORAX, moment.numbers("thorax"))
    flex, side, twist = moment.numbers("neck")
    neck = _next(chest, body.NECK, (flex / 2, side / 2, twist / 2))
    head = _next(neck, body.HEAD, (flex / 2, side / 2, twist / 2))
    belly = Bone(on(loin, (0.0, 0.0, 0.04 * moment.numbers("breath", (0.0,))[0])), loin.turned)
    return {"pelvis": pelvis, "loin": loin, "belly": belly, "chest": chest, "neck": neck, "head": head}


def _next(below: Bone, at: Vector, bend: Sequence[float]) -> Bone:
    """`bend` is forward, to the left, and turned to the left."""
    flex, side, twist = bend
    return Bone(on(below, at), multiply(below.turned, about_x(flex), about_z(-side), about_y(twist)))


# limbs told by their angles


def _sign(side: Side) -> float:
    return 1.0 if side == "left" else -1.0


def _joint(angles: Sequence[float], side: Side) -> Matrix:
    """Bent forward, out to the side, turned out."""
    flex, out, turn = angles
    return multiply(about_x(-flex), about_z(_sign(side) * out), about_y(_sign(side) * turn))


def _leg(bones: dict[str, Bone], moment: Moment, side: Side) -> None:
    pelvis = bones["pelvis"]
    hip = on(pelvis, (_sign(side) * body.HIP_WIDE, 0.0, 0.0))
    thigh = Bone(hip, multiply(pelvis.turned, _joint(moment.numbers(f"{side}_hip"), side)))
    bones[f"{side}_thigh"] = thigh
    bend = 0.0 if moment.word(f"{side}_knee") else moment.numbers(f"{side}_knee", (0.0,))[0]
    shin = Bone(on(thigh, (0.0, -body.THIGH, 0.0)), multiply(thigh.turned, about_x(bend)))
    bones[f"{side}_shin"] = shin
    point = 0.0 if moment.word(f"{side}_ankle") else moment.numbers(f"{side}_ankle", (0.0,))[0]
    bones[f"{side}_foot"] = Bone(on(shin, (0.0, -body.SHIN, 0.0)), multiply(shin.turned, about_x(point)))


def _arm(bones: dict[str, Bone], moment: Moment, side: Side) -> None:
    chest = bones["chest"]
    arm = Bone(_shoulder(chest, side), multiply(chest.turned, _joint(moment.numbers(f"{side}_shoulder"), side)))
    bend = moment.numbers(f"{side}_elbow", (0.0,))[0]
    forearm = Bone(on(arm, (0.0, -body.UPPER_ARM, 0.0)), multiply(arm.turned, about_x(-bend)))
    bones[f"{side}_arm"], bones[f"{side}_forearm"] = arm, forearm
    bones[f"{side}_hand"] = Bone(on(forearm, (0.0, -body.FOREARM, 0.0)), forearm.turned)


def _shoulder(chest: Bone, side: Side) -> Vector:
    return on(chest, (_sign(side) * body.SHOULDER_WIDE, body.SHOULDER_HIGH, -0.005))


# where the body is


def _placed(figure: Figure, moment: Moment, bones: dict[str, Bone]) -> dict[str, Bone]:
    at = moment.numbers("at", (0.0, 0.0))
    left, forward = at[0], at[-1]
    anchor = point(bones, figure.anchor)
    rise = at[1] - anchor[1] if len(at) == 3 else 0.0
    if figure.touch:
        rise = figure.floor - lowest(bones, [part for name in figure.touch for part in body.TOUCHING[name]])
    shift = (left - anchor[0], rise, forward - anchor[2])
    return {name: Bone(add(bone.at, shift), bone.turned) for name, bone in bones.items()}


# limbs told where they end


def _bent(root: Vector, goal: Vector, lengths: tuple[float, float], pole: Vector) -> tuple[Vector, Vector]:
    """Where the middle joint and the end come to be; the middle one points toward `pole`."""
    upper, lower = lengths
    way = minus(goal, root)
    far = max(abs(upper - lower) + 0.01, min(length(way), upper + lower - 0.002))
    along = unit(way)
    aside = unit(minus(pole, times(along, dot(pole, along))))
    bend = acos(max(-1.0, min(1.0, (upper**2 + far**2 - lower**2) / (2 * upper * far))))
    middle = add(root, add(times(along, upper * cos(bend)), times(aside, upper * sin(bend))))
    return middle, add(root, times(along, far))


def _along(start: Vector, end: Vector, left: Vector) -> Matrix:
    """A bone that runs down from start to end, its left as near to `left` as can be."""
    up = unit(minus(start, end))
    side = unit(minus(left, times(up, dot(left, up))))
    return from_columns(side, up, cross(side, up))


def _leg_to(bones: dict[str, Bone], moment: Moment, side: Side) -> None:
    foot = _foot_goal(bones, moment, side)
    pelvis = bones["pelvis"]
    hip = on(pelvis, (_sign(side) * body.HIP_WIDE, 0.0, 0.0))
    pole = moment.vector(f"{side}_knee_toward") if moment.says(f"{side}_knee_toward") else None
    pole = pole or add(apply(pelvis.turned, FORWARD), times(apply(foot.turned, FORWARD), 0.8))
    knee, ankle = _bent(hip, foot.at, (body.THIGH, body.SHIN), pole)
    left = cross(unit(minus(hip, ankle)), pole)
    bones[f"{side}_thigh"] = Bone(hip, _along(hip, knee, left))
    shin = bones[f"{side}_shin"] = Bone(knee, _along(knee, ankle, left))
    rests = isinstance(moment.start[f"{side}_foot"], str)
    turned = multiply(shin.turned, about_x(moment.numbers(f"{side}_ankle", (0.0,))[0])) if rests else foot.turned
    bones[f"{side}_foot"] = Bone(ankle, turned)


def _foot_goal(bones: Bones, moment: Moment, side: Side) -> Bone:
    """Where the ankle goes: above a place to stand on, or to a point of the other leg."""
    name = f"{side}_foot"
    if isinstance(moment.start[name], str):
        ends = [_place(bones, pose[name]) for pose in (moment.start, moment.end)]
        return Bone(mix(ends[0], ends[1], moment.share), bones["pelvis"].turned)
    return _foot_at(moment.numbers(name, STANDING), side)


def _foot_at(target: Sequence[float], side: Side) -> Bone:
    """A foot whose sole, heel (toes up) or ball (toes down) stands on the place."""
    left, up, forward, toes_up, out = (*target, *STANDING[len(target) :])
    at = (left, up, forward)
    turned = multiply(about_y(_sign(side) * out), about_x(-toes_up))
    stands = (0.0, -body.ANKLE_HIGH, 0.0)
    if toes_up < 0:
        stands = (0.0, -body.ANKLE_HIGH, body.BALL_FORWARD)
        at = (left, up, forward + body.BALL_FORWARD)
    ankle = minus(at, apply(turned, stands))
    if toes_up > 0:  # round the heel
        heel = add(ankle, apply(turned, (0.0, -body.ANKLE_HIGH + 0.034, -body.HEEL_BACK)))
        ankle = add(ankle, (0.0, up + 0.034 - heel[1], 0.0))
    return Bone(ankle, turned)


def _kneel(bones: dict[str, Bone], moment: Moment, side: Side) -> None:
    """The shin lies along the floor behind the knee, the toes pointed."""
    thigh = bones[f"{side}_thigh"]
    knee = on(thigh, (0.0, -body.THIGH, 0.0))
    left = apply(thigh.turned, (1.0, 0.0, 0.0))
    back = cross(UP, left)
    level = unit((back[0], -0.045, back[2]))  # the ankle is thinner than the knee
    shin = Bone(knee, _along(knee, add(knee, level), left))
    bones[f"{side}_shin"] = shin
    ankle = on(shin, (0.0, -body.SHIN, 0.0))
    bones[f"{side}_foot"] = Bone(ankle, multiply(shin.turned, about_x(68)))


def _level_foot(bones: dict[str, Bone], side: Side) -> None:
    foot = bones[f"{side}_foot"]
    forward = apply(bones[f"{side}_shin"].turned, (0.0, 0.0, 1.0))
    heading = unit((forward[0], 0.0, forward[2]))
    bones[f"{side}_foot"] = Bone(foot.at, from_columns(cross(UP, heading), UP, heading))


def _arm_to(bones: dict[str, Bone], moment: Moment, side: Side) -> None:
    chest = bones["chest"]
    root = _shoulder(chest, side)
    name = f"{side}_hand"
    ends = [_place(bones, pose[name]) for pose in (moment.start, moment.end)]
    target = mix(ends[0], ends[1], moment.share)
    flat = _is_flat(moment.start[name]) * (1 - moment.share) + _is_flat(moment.end[name]) * moment.share
    heading = _heading(chest, root, target)
    laid = add(target, add(times(heading, -body.PALM), (0.0, 0.033, 0.0)))
    goal = mix(target, laid, flat)
    lengths = body.UPPER_ARM, body.FOREARM + body.PALM * (1 - flat)
    short = length(minus(goal, root)) - sum(lengths) * 0.985
    if short > 0:
        root = add(root, times(unit(minus(goal, root)), min(SHRUG, short)))
    default = apply(chest.turned, (_sign(side) * 0.5, -1.0, -0.5))
    pole = moment.vector(f"{side}_elbow_toward") if moment.says(f"{side}_elbow_toward") else default
    elbow, end = _bent(root, goal, lengths, pole)
    left = cross(unit(minus(end, root)), pole)
    forearm = _along(elbow, end, left)
    wrist = add(elbow, times(unit(minus(end, elbow)), body.FOREARM))
    bones[f"{side}_arm"] = Bone(root, _along(root, elbow, left))
    bones[f"{side}_forearm"] = Bone(elbow, forearm)
    fingers = mix(unit(minus(end, elbow)), heading, flat)
    bones[f"{side}_hand"] = Bone(wrist, _along(ORIGIN, fingers, left if flat < 1 else cross(heading, UP)))


def _is_flat(value: Value) -> bool:
    """A place on the floor is one to lay a flat hand on."""
    return isinstance(value, tuple) and value[1] == 0


def _place(bones: Bones, value: Value) -> Vector:
    if isinstance(value, str):
        return point(bones, value)
    if isinstance(value, tuple) and len(value) == 3:
        return value[0], value[1], value[2]
    raise Invalid("hand", "is the name of a point of the body, or left, up and forward")


def _heading(chest: Bone, shoulder: Vector, target: Vector) -> Vector:
    """Fingers point away from the body; of a hand right below the shoulder, toward the head."""
    away = minus(target, shoulder)
    if away[0] ** 2 + away[2] ** 2 < 0.04:
        away = apply(chest.turned, UP)
    return unit((away[0], 0.0, away[2]))


# what the joints do in it


def angles(bones: Bones) -> dict[str, tuple[float, ...]]:
    """Of each limb joint, as a pose would say it; of a shoulder how far the arm is raised, behind and across."""
    found: dict[str, tuple[float, ...]] = {}
    for side in SIDES:
        thigh, shin, foot = (bones[f"{side}_{name}"] for name in ("thigh", "shin", "foot"))
        flex, out, turn = xzy_angles(multiply(transpose(bones["pelvis"].turned), thigh.turned))
        found[f"{side}_hip"] = (-flex, _sign(side) * out, _sign(side) * turn)
        found[f"{side}_knee"] = (_bend(thigh, shin),)
        toes = apply(transpose(shin.turned), apply(foot.turned, (0.0, 0.0, 1.0)))
        found[f"{side}_ankle"] = (angle_between(toes, DOWN) * -1 + 90,)
        arm, forearm = bones[f"{side}_arm"], bones[f"{side}_forearm"]
        way = apply(transpose(bones["chest"].turned), apply(arm.turned, DOWN))
        found[f"{side}_shoulder"] = (angle_between(way, DOWN), -way[2], -_sign(side) * way[0])
        found[f"{side}_elbow"] = (-_bend(arm, forearm),)
    return found


def _bend(upper: Bone, lower: Bone) -> float:
    """How far the lower bone is turned back against the upper one, in the plane of a hinge."""
    return xzy_angles(multiply(transpose(upper.turned), lower.turned))[0]
