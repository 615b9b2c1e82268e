"""An exercise that stands still: its key frames beside one another, numbered, with arrows for what moves."""

from itertools import pairwise
from typing import NamedTuple

from programs.figures.drawing import INK, Look, layers, look_of
from programs.figures.outline import line, polygon, whole
from programs.figures.page import BODY, HIGH, WIDE, fitted, page
from programs.figures.poses import Arrow, Figure, Frame, frames_of
from programs.figures.skeleton import Bones, Moment, point, solve
from programs.figures.track import still
from programs.figures.view import Extent, View

MARGIN, TAG_WIDE = 34, 30
ARROW, ARROW_STEPS = "#d1461f", 8
TAG = 'font-family="sans-serif" font-size="20" font-weight="700" text-anchor="middle"'


class Row(NamedTuple):
    """The place of one panel, and of its number."""

    page: Extent
    tag: tuple[float, float]


def panels(figure: Figure, flip: bool = False) -> str:
    """The key frames beside or above one another, whichever is larger, with arrows for what moves."""
    shown = [frame for frame in frames_of(figure) if not frame.passing]
    solved = [solve(figure, still(frame)) for frame in shown]
    drawn = []
    for number, row in enumerate(_rows(figure, solved, flip)):
        view = fitted(figure, solved, row.page, flip)
        look = look_of(figure, solved, view)
        drawn.append(_panel(look, solved[number], still(shown[number]).effort))
        drawn.append(_tag(number + 1, *row.tag))
        drawn += [_arrow(figure, shown[number - 1 : number + 1], arrow, view) for arrow in figure.arrows if number]
    return "".join(drawn)


def _rows(figure: Figure, solved: list[Bones], flip: bool) -> list[Row]:
    count = len(solved)
    wide, high = WIDE / count, HIGH / count
    beside = [Row(page(wide, HIGH, wide * n), (wide * n + MARGIN, MARGIN)) for n in range(count)]
    above = [Row(page(WIDE - TAG_WIDE, high, TAG_WIDE, high * n), (MARGIN, high * n + MARGIN)) for n in range(count)]
    return max(beside, above, key=lambda rows: fitted(figure, solved, rows[0].page, flip).scale)


def _panel(look: Look, bones: Bones, effort: float) -> str:
    shapes = "".join(f'<path {it.paint} d="{it.path}"/>' for _, it in layers(look, bones, effort) if it.path)
    return f"<g {BODY}>{shapes}</g>"


def _tag(number: int, x: float, y: float) -> str:
    left, top = whole(x), whole(y)
    return (
        f'<circle cx="{left}" cy="{top}" r="15" fill="{INK}" stroke="#fff" stroke-width="2"/>'
        f'<text x="{left}" y="{top + 7}" fill="#fff" {TAG}>{number}</text>'
    )


def _arrow(figure: Figure, ends: list[Frame], arrow: Arrow, view: View) -> str:
    """Along the way of the point; nothing where it hardly moves."""
    way = [solve(figure, Moment(ends[0].pose, ends[1].pose, n / ARROW_STEPS)) for n in range(ARROW_STEPS + 1)]
    aside = arrow.shift[0] * view.scale * view.flip, -arrow.shift[1] * view.scale
    points = [(x + aside[0], y + aside[1]) for x, y in (view.place(point(bones, arrow.follow)) for bones in way)]
    (a, b), (x, y) = points[-2:]
    long = ((x - a) ** 2 + (y - b) ** 2) ** 0.5
    if sum(((c - e) ** 2 + (d - f) ** 2) ** 0.5 for (c, d), (e, f) in pairwise(points)) < 12:
        return ""
    along = (x - a) / long, (y - b) / long
    head = [
        (x + along[0] * 16, y + along[1] * 16),
        (x - along[1] * 11 - along[0] * 4, y + along[0] * 11 - along[1] * 4),
        (x + along[1] * 11 - along[0] * 4, y - along[0] * 11 - along[1] * 4),
    ]
    way_drawn, head_drawn = line(points), polygon(head)
    return (  # white below, so that it is seen before a body as well
        f'<g stroke-linecap="round" stroke-linejoin="round"><path fill="none" stroke="#fff" stroke-width="12" '
        f'd="{way_drawn}"/><path fill="#fff" stroke="#fff" stroke-width="6" d="{head_drawn}"/>'
        f'<path fill="none" stroke="{ARROW}" stroke-width="6" d="{way_drawn}"/>'
        f'<path fill="{ARROW}" d="{head_drawn}"/></g>'
    )
