"""How large a figure is on its page, and where: all its moments share one size."""

from programs.figures.body import PARTS
from programs.figures.drawing import INK, circles
from programs.figures.equipment import edges
from programs.figures.outline import Circle
from programs.figures.poses import Figure
from programs.figures.skeleton import Bones
from programs.figures.view import Extent, View, extent, looking

WIDE, HIGH, EDGE = 800, 600, 26
LARGEST = 430.0  # page units a metre
BODY = f'stroke="{INK}" stroke-opacity=".55" stroke-width="2.4" stroke-linejoin="round" paint-order="stroke"'


def page(wide: float, high: float, left: float = 0.0, top: float = 0.0) -> Extent:
    return Extent(left + EDGE, top + EDGE, left + wide - EDGE, top + high - EDGE)


def fitted(figure: Figure, moments: list[Bones], page: Extent, flip: bool = False) -> View:
    """As large as all moments leave room for, in the middle."""
    view = looking(figure.turn, figure.tilt, flip)
    found: list[Circle] = [it for bones in moments for balls in PARTS.values() for it in circles(bones, balls, view)]
    found += [view.circle(corner, 0.01) for it in moments for thing in figure.things for corner in edges(thing, it)]
    whole_of = extent(found)
    scale = min(page.wide / whole_of.wide, page.high / whole_of.high, LARGEST)
    left = (page.left + page.right) / 2 - (whole_of.left + whole_of.right) / 2 * scale
    top = (page.top + page.bottom) / 2 - (whole_of.top + whole_of.bottom) / 2 * scale
    return view._replace(scale=scale, left=left, top=top)
