"""Things of an exercise as flat shapes: what one lies, sits or steps on, and what is held. No part of a person."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from programs.errors import Invalid, did_you_mean
from programs.figures.outline import capsule, disc, hull, line, polygon
from programs.figures.poses import Thing
from programs.figures.skeleton import Bones, point
from programs.figures.vectors import Vector, add, minus, times, unit
from programs.figures.view import View


class Shape(NamedTuple):
    """`paint` is what the path is filled or drawn with, as SVG attributes."""

    paint: str
    path: str


# top or front, sides, the end: light falls from above
WOOD = ("#d9b382", "#b98f5e", "#a07a4d")
CLOTH = ("#c9d6df", "#a3b6c4", "#8aa0b0")
MAT = ("#a9cfc0", "#7fb09d", "#6f9f8d")
WALL = ("#d5d9de", "#c3c9d0", "#aab2bb")


def edges(thing: Thing, bones: Bones) -> list[Vector]:
    """The corners of what stands in the room and the ends of what is held, for the size of the picture."""
    if thing.of:
        return list(_ends(thing, bones)) if thing.kind == "stick" else []
    (x, y, z), (wide, high, deep) = thing.at, thing.size
    return [(x + a * wide / 2, y + b * high, z + c * deep / 2) for a in (-1, 1) for b in (0, 1) for c in (-1, 1)]


def shapes(thing: Thing, bones: Bones, view: View) -> list[Shape]:
    if thing.kind not in KINDS:
        raise Invalid("thing", f"has no kind {thing.kind}", did_you_mean(thing.kind, KINDS))
    return list(KINDS[thing.kind](thing, bones, view))


def box(at: Vector, size: Vector, tones: tuple[str, str, str], view: View) -> Iterator[Shape]:
    """The three faces that are seen of a box."""
    (x, y, z), (wide, high, deep) = at, size
    half = (wide / 2, deep / 2)

    def corner(a: int, b: int, c: int) -> tuple[float, float]:
        return view.place((x + a * half[0], y + b * high, z + c * half[1]))

    nearer = view.depth((1.0, 0.0, 0.0)), view.depth((0.0, 0.0, 1.0))
    a, c = (1 if nearer[0] > 0 else -1), (1 if nearer[1] > 0 else -1)
    if abs(nearer[0]) > 0.02:
        yield Shape(_fill(tones[2]), polygon([corner(a, 0, -1), corner(a, 1, -1), corner(a, 1, 1), corner(a, 0, 1)]))
    if abs(nearer[1]) > 0.02:
        yield Shape(_fill(tones[1]), polygon([corner(-1, 0, c), corner(-1, 1, c), corner(1, 1, c), corner(1, 0, c)]))
    if view.depth((0.0, 1.0, 0.0)) > 0.02:
        yield Shape(_fill(tones[0]), polygon([corner(-1, 1, -1), corner(1, 1, -1), corner(1, 1, 1), corner(-1, 1, 1)]))


def _fill(colour: str) -> str:
    return f'fill="{colour}" stroke="{colour}"'


def _mat(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    yield from box(add(thing.at, (0.0, -0.015, 0.0)), (thing.size[0], 0.015, thing.size[2]), MAT, view)


def _wall(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    yield from box(thing.at, thing.size, WALL, view)


def _step(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    yield from box(thing.at, thing.size, WOOD, view)


def _bed(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    (x, y, z), (wide, high, deep) = thing.at, thing.size
    for left, forward in _far_first(view):
        leg = (x + left * (wide / 2 - 0.06), y, z + forward * (deep / 2 - 0.1))
        yield from box(leg, (0.06, high * 0.4, 0.06), WOOD, view)
    yield from box((x, y + high * 0.35, z), (wide - 0.03, high * 0.2, deep - 0.03), WOOD, view)
    yield from box((x, y + high * 0.52, z), (wide, high * 0.48, deep), CLOTH, view)


def _chair(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    """Its size is that of the seat; the back stands behind."""
    (x, y, z), (wide, high, deep) = thing.at, thing.size
    for left, forward in _far_first(view):
        leg = (x + left * (wide / 2 - 0.02), y, z + forward * (deep / 2 - 0.02))
        yield from box(leg, (0.035, high, 0.035), WOOD, view)
    back = box((x, y + high, z - deep / 2 + 0.02), (wide, 0.42, 0.03), WOOD, view)
    seat = box((x, y + high - 0.04, z), (wide, 0.04, deep), WOOD, view)
    first, then = (back, seat) if view.depth((0.0, 0.0, 1.0)) > -0.3 else (seat, back)
    yield from first
    yield from then


def _far_first(view: View) -> list[tuple[int, int]]:
    corners = [(left, forward) for left in (-1, 1) for forward in (-1, 1)]
    return sorted(corners, key=lambda it: view.depth((it[0], 0.0, it[1])))


def _pillow(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    """Round at its edges."""
    (x, y, z), (wide, high, deep) = thing.at, thing.size
    r = high / 2
    corners = [(x + a * (wide / 2 - r), y + r, z + c * (deep / 2 - r)) for a in (-1, 1) for c in (-1, 1)]
    yield Shape('fill="#b9c4d6" stroke="#7d8ba3"', hull([view.circle(it, r) for it in corners]))


def _ball(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    """On the body when `of` says where, `at` then being how far from there."""
    at = add(point(bones, thing.of[0]), thing.at) if thing.of else add(thing.at, (0.0, thing.size[1] / 2, 0.0))
    yield Shape('fill="#c8502f" stroke="#7d3019"', disc(view.circle(at, thing.size[1] / 2)))


def _strap(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    """From point to point of the body."""
    path = line([view.place(point(bones, name)) for name in thing.of])
    yield Shape(f'fill="none" stroke="#b5533c" stroke-opacity="1" stroke-width="{0.022 * view.scale:.0f}"', path)


def _band(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    """Round both legs, at the points of them."""
    ends = [view.circle(point(bones, name), 0.028) for name in thing.of]
    yield Shape(
        'fill="#cfd84b" stroke="#5d651a" stroke-opacity="1"', capsule(ends[0], ends[1]._replace(r=ends[1].r * 0.98))
    )


def _stick(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    a, b = (view.circle(end, 0.014) for end in _ends(thing, bones))
    yield Shape('fill="#b98f5e" stroke="#6e5231"', capsule(a, b._replace(r=b.r * 0.98)))


def _ends(thing: Thing, bones: Bones) -> tuple[Vector, Vector]:
    """Through two points of the body and as far beyond them as `size` says at each end."""
    one, other = (point(bones, name) for name in thing.of)
    way = unit(minus(other, one))
    return add(one, times(way, -thing.size[0])), add(other, times(way, thing.size[2]))


def _rail(thing: Thing, bones: Bones, view: View) -> Iterator[Shape]:
    """A post with a bar on top, to hold on to."""
    (x, y, z), (_, high, deep) = thing.at, thing.size
    for forward in (-1, 1):
        post = ((x, y, z + forward * deep * 0.4), (x, y + high, z + forward * deep * 0.4))
        yield Shape(_fill(WALL[2]), capsule(view.circle(post[0], 0.016), view.circle(post[1], 0.0155)))
    bar = ((x, y + high, z - deep / 2), (x, y + high, z + deep / 2))
    yield Shape(_fill(WALL[2]), capsule(view.circle(bar[0], 0.022), view.circle(bar[1], 0.0215)))


KINDS: Mapping[str, Callable[[Thing, Bones, View], Iterator[Shape]]] = {
    "mat": _mat,
    "wall": _wall,
    "step": _step,
    "bed": _bed,
    "chair": _chair,
    "pillow": _pillow,
    "ball": _ball,
    "strap": _strap,
    "band": _band,
    "stick": _stick,
    "rail": _rail,
}
