"""One moment of a figure as layers of flat shapes, the far limbs first. Says nothing of time; animation.py does."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import NamedTuple

from programs.figures import equipment, skeleton
from programs.figures.body import PARTS, ZONES, Ball
from programs.figures.equipment import Shape
from programs.figures.outline import Circle, outline, polygon, ring
from programs.figures.poses import OTHER, Figure, Side
from programs.figures.skeleton import Bones
from programs.figures.vectors import apply
from programs.figures.view import View

INK = "#24303b"
LEGS, FAR_LEGS = "#4a6d99", "#37547a"
SHIRT, FAR_SLEEVE = "#2f9c95", "#237a75"
SKIN, FAR_SKIN = "#d29a74", "#b07b58"
SHOES, FAR_SHOES = "#8d949e", "#6d747e"
HAIR = "#4b3830"
WORK = "#ffb03a"
LOW = 0.5  # what is higher than this throws no shadow that matters
SHADED = tuple(part for part in PARTS if not part.endswith(("arm", "sleeve", "hand")))  # arms are thin


class Look(NamedTuple):
    """What is decided once for all moments, so that each has the same layers."""

    figure: Figure
    view: View
    near: Side
    faces_away: bool
    level: bool  # neither side is farther


def look_of(figure: Figure, moments: Sequence[Bones], view: View) -> Look:
    head = sum(view.depth(apply(bones["head"].turned, (0.0, 0.0, 1.0))) for bones in moments)
    aside = apply(moments[0]["pelvis"].turned, (1.0, 0.0, 0.0))
    left = view.depth(aside)
    near: Side = OTHER[figure.far] if figure.far else "left" if left > 0.05 else "right"
    return Look(figure, view, near, head / len(moments) < -0.35, abs(left) < 0.3 and abs(aside[1]) < 0.5)


def layers(look: Look, bones: Bones, effort: float = 1.0) -> list[tuple[str, Shape]]:
    """From back to front, each with its name."""
    far, near, shoes = OTHER[look.near], look.near, look.figure.shoes
    foot = (FAR_SHOES, SHOES) if shoes else (FAR_SKIN, SKIN)
    behind = (SKIN, SHIRT, LEGS, foot[1]) if look.level else (FAR_SKIN, FAR_SLEEVE, FAR_LEGS, foot[0])
    found = [
        *_things(look, bones, front=False),
        ("shadow", _shadow(look, bones)),
        *_arm(look, bones, far, behind[:2]),
        (f"{far}_foot", _parts(look, bones, (f"{far}_foot",), behind[3])),
        (f"{far}_leg", _parts(look, bones, _leg(far), behind[2])),
        ("neck", _parts(look, bones, ("neck",), SKIN)),
        ("shirt", _parts(look, bones, ("belly", "chest"), SHIRT)),
        (f"{near}_foot", _parts(look, bones, (f"{near}_foot",), foot[1])),
        (f"{near}_leg", _parts(look, bones, ("pelvis", *_leg(near)), LEGS)),
        *_work(look, bones, effort),
        *_head(look, bones),
        *_arm(look, bones, near, (SKIN, SHIRT)),
        *_things(look, bones, front=True),
    ]
    return sorted(found, key=lambda it: it[0] in look.figure.over)


def _leg(side: str) -> tuple[str, ...]:
    return f"{side}_thigh", f"{side}_calf", f"{side}_shin"


def _arm(look: Look, bones: Bones, side: str, colours: tuple[str, str]) -> Iterator[tuple[str, Shape]]:
    skin = (f"{side}_arm", f"{side}_forearm", f"{side}_hand")
    yield f"{side}_arm", _parts(look, bones, skin, colours[0])
    yield f"{side}_arm", _parts(look, bones, (f"{side}_sleeve",), colours[1])


def _parts(look: Look, bones: Bones, names: Sequence[str], colour: str) -> Shape:
    return Shape(f'fill="{colour}"', "".join(outline(circles(bones, PARTS[name], look.view)) for name in names))


def circles(bones: Bones, balls: Sequence[Ball], view: View) -> list[Circle]:
    return [view.circle(skeleton.where(bones, ball), ball.radius) for ball in balls]


def _things(look: Look, bones: Bones, front: bool) -> Iterator[tuple[str, Shape]]:
    for thing in look.figure.things:
        if thing.front == front:
            for shape in equipment.shapes(thing, bones, look.view):
                yield thing.kind, shape


def _work(look: Look, bones: Bones, effort: float) -> Iterator[tuple[str, Shape]]:
    """The harder it works, the larger the glow."""
    for zone in look.figure.works:
        glow = [it._replace(r=it.r * (0.35 + 0.65 * effort)) for it in circles(bones, ZONES[zone], look.view)]
        yield "work", Shape(f'fill="{WORK}" stroke="none" filter="url(#soft)"', outline(glow))


def _head(look: Look, bones: Bones) -> Iterator[tuple[str, Shape]]:
    hair = "hair", _parts(look, bones, ("hair",), HAIR)
    nose = (Ball("head", (0.0, 0.012, 0.08), 0.03), Ball("head", (0.0, -0.008, 0.108), 0.017))
    face = outline(circles(bones, PARTS["face"], look.view)) + outline(circles(bones, nose, look.view))
    skin = "face", Shape(f'fill="{SKIN}"', face)
    if look.faces_away:
        yield from (skin, hair)
        return
    yield from (hair, skin)
    for sign in (1.0, -1.0):
        yield from _features(look, bones, sign)


def _features(look: Look, bones: Bones, sign: float) -> Iterator[tuple[str, Shape]]:
    """An eye and an ear where they are seen; what turns away is left out at its place."""
    for name, at, way, radius, paint in (
        ("eye", (sign * 0.034, 0.03, 0.098), (sign * 0.75, 0.0, 1.0), 0.0085, f'fill="{INK}" stroke="none"'),
        ("ear", (sign * 0.082, 0.01, -0.004), (sign, 0.0, -0.1), 0.019, f'fill="{FAR_SKIN}" stroke="none"'),
    ):
        seen = look.view.depth(apply(bones["head"].turned, way)) > (0.25 if name == "eye" else 0.45)
        place = look.view.circle(skeleton.on(bones["head"], at), radius)
        yield name, Shape(paint, outline([place]) if seen else "")


def _shadow(look: Look, bones: Bones) -> Shape:
    """Under what is near the floor: as wide as that is, and flat, as the floor is seen at a slant."""
    slant = max(0.12, sqrt(1 - look.view.turned[1][1] ** 2))
    found = []
    for ball in (ball for part in SHADED for ball in PARTS[part]):
        left, up, forward = skeleton.where(bones, ball)
        if up - ball.radius < LOW:
            it = look.view.circle((left, 0.0, forward), ball.radius)
            found.append(Circle(it.x, it.y / slant, it.r))
    flat = [(x, y * slant) for x, y in ring(found or [Circle(0, 0, 0)], 12)]
    return Shape('fill="#000" fill-opacity=".18" stroke="none" filter="url(#soft)"', polygon(flat))
