"""Round shapes on the page as SVG path data: the outline round two circles, or round many. Whole numbers, no colours.

Every outline of the same circles is written with the same commands, whatever their places: so one can become the other.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import acos, atan2, cos, hypot, pi, sin
from typing import NamedTuple

CORNERS = 14  # of an outline round many circles


class Circle(NamedTuple):
    x: float
    y: float
    r: float


def outline(circles: Sequence[Circle]) -> str:
    if len(circles) == 1:
        return disc(circles[0])
    return capsule(*circles) if len(circles) == 2 else hull(circles)


def disc(it: Circle) -> str:
    r = whole(it.r)
    return f"M{_pair(whole(it.x) - r, whole(it.y))}a{r} {r} 0 10{2 * r} 0a{r} {r} 0 10-{2 * r} 0z"


def capsule(one: Circle, other: Circle) -> str:
    """Round both, with straight sides between."""
    big, small = (one, other) if one.r >= other.r else (other, one)
    way = atan2(small.y - big.y, small.x - big.x)
    far = hypot(small.x - big.x, small.y - big.y) or 1.0
    # Where the small one hides in the big one there are no sides; a little is left, so that the commands stay.
    spread = acos(max(-0.98, min(0.98, (big.r - small.r) / far)))
    points = [(big, way + spread), (small, way + spread), (small, way - spread), (big, way - spread)]
    a, b, c, d = ((whole(it.x + it.r * cos(to)), whole(it.y + it.r * sin(to))) for it, to in points)
    r, big_r = whole(small.r), whole(big.r)
    turn = f"a{r} {r} 0 00{_pair(c[0] - b[0], c[1] - b[1])}"
    back = f"a{big_r} {big_r} 0 10{_pair(a[0] - d[0], a[1] - d[1])}"
    sides = (_pair(b[0] - a[0], b[1] - a[1]), _pair(d[0] - c[0], d[1] - c[1]))
    return f"M{_pair(*a)}l{sides[0]}{turn}l{sides[1]}{back}z"


def hull(circles: Sequence[Circle], corners: int = CORNERS) -> str:
    return polygon(ring(circles, corners))


def ring(circles: Sequence[Circle], corners: int) -> list[tuple[float, float]]:
    """Round all of them, in so many directions."""
    found = []
    for number in range(corners):
        x, y = cos(-2 * pi * number / corners), sin(-2 * pi * number / corners)
        it = max(circles, key=lambda it: it.x * x + it.y * y + it.r)
        found.append((it.x + it.r * x, it.y + it.r * y))
    return found


def polygon(points: Sequence[tuple[float, float]]) -> str:
    return line(points) + "z"


def line(points: Sequence[tuple[float, float]]) -> str:
    """Each point from the one before, as that is shorter to write."""
    places = [(whole(x), whole(y)) for x, y in points]
    steps = [(x - a, y - b) for (a, b), (x, y) in pairwise(places)]
    joined = "".join(f"{_gap(x) if number else ''}{_pair(x, y)}" for number, (x, y) in enumerate(steps))
    return f"M{_pair(*places[0])}l{joined}"


def whole(value: float) -> int:
    """Rounded first to what no processor disagrees about."""
    return round(round(value, 6))


def _pair(x: int, y: int) -> str:
    return f"{x}{_gap(y)}{y}"


def _gap(value: int) -> str:
    return "" if value < 0 else " "
