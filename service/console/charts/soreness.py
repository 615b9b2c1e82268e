"""soreness: a line a needling session over hours since it ended, the latest strongest; 24 to 48 hours are shaded."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from programs.outcomes import WINDOW, Curve

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 40, 170, 14, 40
SHORTEST, STEP = 96, 24  # hours
MOST = 3  # needling sessions that are drawn; the table has all of them
LOOKS = (("#0b5c63", ""), ("#8a4b00", "6 4"), ("#5a666d", "2 4"))  # told apart without colour too


class Line(NamedTuple):
    """One needling session; `label` is when it was, as the page says it."""

    label: str
    curve: Curve


def soreness(lines: Sequence[Line], title: str) -> Markup:
    shown = list(lines[:MOST])
    longest = max((point.hours for line in shown for point in line.curve.points), default=0)
    hours = max(SHORTEST, -(-int(longest + 1) // STEP) * STEP)
    first, last = (_x(hour, hours) for hour in WINDOW)
    window = (
        f'<rect x="{first:.1f}" y="{TOP}" width="{last - first:.1f}" height="{HEIGHT - TOP - BOTTOM}" fill="#fff3e0"/>'
        f'<text x="{(first + last) / 2:.1f}" y="{TOP + 14}" text-anchor="middle" fill="#8a4b00">24 to 48 h</text>'
    )
    drawn = [_line(line, LOOKS[place], place, hours) for place, line in enumerate(shown)]
    return Markup(  # noqa: S704 (every text in it is escaped)
        f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-size="13" font-family="system-ui, sans-serif">{window}{_axes(hours)}{"".join(reversed(drawn))}</svg>'
    )


def _x(hours: float, all_hours: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * hours / all_hours


def _y(score: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * score / 10


def _axes(hours: int) -> str:
    across = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(score):.1f}" y2="{_y(score):.1f}" stroke="#d5dcdf"/>'
        f'<text x="{LEFT - 8}" y="{_y(score) + 4:.1f}" text-anchor="end" fill="#5a666d">{score}</text>'
        for score in (0, 5, 10)
    ]
    along = [
        f'<text x="{_x(hour, hours):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#5a666d">{hour}</text>'
        for hour in range(0, hours + 1, STEP * max(1, hours // 240))
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    name = f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle" fill="#5a666d">hours since needling</text>'
    return "".join((*across, *along, name))


def _line(line: Line, look: tuple[str, str], place: int, hours: int) -> str:
    color, dashes = look
    places = [(_x(point.hours, hours), _y(point.score)) for point in line.curve.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>' for x, y in places)
    top = TOP + 10 + 22 * place
    key = (
        f'<line x1="{WIDTH - RIGHT + 8}" x2="{WIDTH - RIGHT + 34}" y1="{top}" y2="{top}" stroke="{color}" '
        f'stroke-width="2" stroke-dasharray="{dashes}"/>'
        f'<text x="{WIDTH - RIGHT + 40}" y="{top + 4}">{escape(line.label)}</text>'
    )
    drawn = f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    return f"{drawn}{dots}{key}"
