"""How a figure is looked at: from which side, from how high, and where on the page. Parallel, so nothing shrinks."""

from collections.abc import Iterable
from typing import NamedTuple

from programs.figures.outline import Circle
from programs.figures.vectors import Matrix, Vector, about_x, about_y, apply, multiply


class View(NamedTuple):
    """`scale` is page units a metre; `left` and `top` move the picture; `flip` is -1 for its mirror image."""

    turned: Matrix
    flip: float = 1.0
    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def place(self, at: Vector) -> tuple[float, float]:
        """On the page, where down is more."""
        x, y, _ = apply(self.turned, at)
        return self.left + x * self.flip * self.scale, self.top - y * self.scale

    def depth(self, at: Vector) -> float:
        """More is nearer to whoever looks."""
        return apply(self.turned, at)[2]

    def circle(self, at: Vector, radius: float) -> Circle:
        return Circle(*self.place(at), radius * self.scale)


def looking(turn: float, tilt: float, flip: bool = False) -> View:
    return View(multiply(about_x(tilt), about_y(turn)), -1.0 if flip else 1.0)


class Extent(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    @property
    def wide(self) -> float:
        return self.right - self.left

    @property
    def high(self) -> float:
        return self.bottom - self.top


def extent(circles: Iterable[Circle]) -> Extent:
    found = list(circles)
    return Extent(
        min(it.x - it.r for it in found),
        min(it.y - it.r for it in found),
        max(it.x + it.r for it in found),
        max(it.y + it.r for it in found),
    )
