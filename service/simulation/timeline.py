"""Draws who was told what and when, against allowed hours and windows: SVG, a row a patient. Pure; it chooses nothing.

Each row is on its patient's own wall clock, so that nights and mornings of all zones stand below each other.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple
from xml.sax.saxutils import escape

import msgspec

from notifications.timing import AllowedHours

DAY = 24 * 60
WIDTH = 1600
LEFT, RIGHT = 190, 330  # columns for the name and for the story
ROW = 54
TOP = 96
LEGEND = 92
BAND, SAID, REPLIED = 14, 33, 46  # where in a row things stand, from its upper edge

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart; each mark has its own shape, too.
INK, GREY = "#1b1f24", "#5b6470"
COLOURS = {
    "check_in": "#0072b2",
    "nudge": "#0072b2",
    "reminder": "#b87900",
    "merged": "#8c3b7a",
    "alert": "#d55e00",
    "answer": "#00795a",
    "done": "#00795a",
    "skipped": GREY,
    "needle": INK,
    "event": INK,
}
NIGHT, WINDOW, WINDOW_EDGE = "#e6e7ec", "#bfe0f2", "#6aaed6"
FONT = "system-ui, 'Noto Sans', 'DejaVu Sans', 'Noto Sans CJK JP', sans-serif"


class Mark(NamedTuple):
    """`wall` is minutes of the patient's clock since the first midnight of the chart; `kind` is one of COLOURS."""

    wall: int
    kind: str
    title: str


class Window(NamedTuple):
    """A check-in's window on the same clock; `lane` is 1 where another needling session's windows run beside it."""

    opens: int
    target: int
    closes: int
    lane: int
    title: str


class Line(msgspec.Struct, frozen=True):
    """One patient: `place` says where their clock stands, `story` what there is to see, in one or two short lines."""

    name: str
    place: str
    story: tuple[str, ...]
    hours: AllowedHours
    windows: Sequence[Window]
    marks: Sequence[Mark]


class Chart(msgspec.Struct, frozen=True):
    title: str
    subtitle: str
    first: date
    days: int
    lines: Sequence[Line]


LEGEND_WORDS = (
    ("needle", "needling session ends"),
    ("check_in", "check-in"),
    ("nudge", "one nudge, if unanswered"),
    ("reminder", "exercise reminder"),
    ("merged", "check-in and reminder in one"),
    ("alert", "alert to the clinician"),
    ("answer", "patient answers"),
    ("done", "exercises done"),
    ("skipped", "skipped, with a reason"),
    ("event", "something changed"),
)


def draw(chart: Chart) -> str:
    """A whole SVG document. The same chart gives the same bytes."""
    height = TOP + ROW * len(chart.lines) + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="timeline-title timeline-description" font-family="{FONT}">',
        f'<title id="timeline-title">{escape(chart.title)}</title>',
        f'<desc id="timeline-description">{escape(_description(chart))}</desc>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(24, 34, chart.title, 22, INK, "600"),
        _text(24, 58, chart.subtitle, 14, GREY),
        *_days(chart),
    ]
    for number, line in enumerate(chart.lines):
        parts += _row(chart, line, TOP + ROW * number)
    parts += _legend(height - LEGEND + 34)
    return "\n".join([*parts, "</svg>\n"])


def _description(chart: Chart) -> str:
    """What the picture shows, in words, for who cannot see it."""
    rows = "; ".join(f"{line.name} ({line.place}): {' '.join(line.story)}" for line in chart.lines)
    return f"{chart.subtitle} {chart.days} days from {chart.first.isoformat()}. {rows}."


def _x(chart: Chart, wall: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * wall / (chart.days * DAY)


def _days(chart: Chart) -> Iterable[str]:
    bottom = TOP + ROW * len(chart.lines)
    for number in range(chart.days + 1):
        x = _x(chart, number * DAY)
        yield f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#c9ccd3"/>'
        if number < chart.days:
            day = date.fromordinal(chart.first.toordinal() + number)
            middle = _x(chart, (number + 0.5) * DAY)
            yield _text(middle, TOP - 10, f"{day:%a} {day.day} {day:%b}", 12, INK, anchor="middle")
    yield _text(24, TOP - 10, "patient, and their clock", 12, GREY)
    yield _text(WIDTH - RIGHT + 14, TOP - 10, "what happens here", 12, GREY)


# one row


def _row(chart: Chart, line: Line, top: int) -> Iterable[str]:
    yield f"<g><title>{escape(line.name)}</title>"
    yield from _nights(chart, line.hours, top)
    yield _text(24, top + 22, _fit(line.name, 13, LEFT - 30), 13, INK, "600")
    yield _text(24, top + 40, _fit(line.place, 11, LEFT - 30), 11, GREY)
    for number, story in enumerate(line.story[:2]):
        yield _text(WIDTH - RIGHT + 14, top + 22 + 18 * number, story, 12, INK if number == 0 else GREY)
    lanes = max((it.lane for it in line.windows), default=0) + 1
    for window in line.windows:
        yield from _window(chart, window, top, lanes)
    for mark in sorted(line.marks, key=lambda it: (it.kind not in ("done", "skipped"), it.wall, it.kind)):
        if 0 <= mark.wall < chart.days * DAY:
            yield _mark(mark.kind, _x(chart, mark.wall), top, mark.title)
    yield f'<path d="M0 {top + ROW}H{WIDTH}" stroke="#d9dbe0"/></g>'


def _nights(chart: Chart, hours: AllowedHours, top: int) -> Iterable[str]:
    """The hours in which nothing is sent to this patient."""
    for day in range(-1, chart.days):
        start = max(0, day * DAY + hours.closes + (DAY if hours.closes <= hours.opens else 0))
        end = min(chart.days * DAY, (day + 1) * DAY + hours.opens)
        if start < end:
            yield _box((_x(chart, start), _x(chart, end)), top, ROW, f'fill="{NIGHT}"')


def _window(chart: Chart, it: Window, top: int, lanes: int) -> Iterable[str]:
    last = chart.days * DAY
    if it.closes <= 0 or it.opens >= last:
        return
    height = 14 if lanes == 1 else 8
    y = top + BAND - 7 + (9 * it.lane if lanes > 1 else 0)
    ends = _x(chart, max(0, it.opens)), _x(chart, min(last, it.closes))
    yield f"<g><title>{escape(it.title)}</title>"
    yield _box(ends, y, height, f'rx="2" fill="{WINDOW}" stroke="{WINDOW_EDGE}" stroke-width="0.8"')
    if 0 <= it.target < last:
        yield f'<path d="M{_x(chart, it.target):.1f} {y}v{height}" stroke="#0072b2" stroke-width="2"/>'
    yield "</g>"


def _mark(kind: str, x: float, top: float, title: str) -> str:
    """A shape of its own for each kind, at its own height in the row."""
    colour = COLOURS[kind]
    y = top + _line_of(kind)
    match kind:
        case "check_in":
            shape = f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}"/>'
        case "nudge":
            shape = f'<circle cx="{x:.1f}" cy="{y}" r="4.2" fill="#ffffff" stroke="{colour}" stroke-width="2"/>'
        case "reminder":
            shape = f'<rect x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" fill="{colour}"/>'
        case "merged":
            shape = f'<path d="M{x:.1f} {y - 7}l7 7l-7 7l-7 -7z" fill="{colour}"/>'
        case "alert":
            shape = (
                f'<path d="M{x:.1f} {top + BAND - 9}l9 16h-18z" fill="{colour}" stroke="#ffffff" stroke-width="1.5"/>'
            )
        case "answer":
            shape = f'<path d="M{x - 4:.1f} {y}l3 3.5l6 -7" fill="none" stroke="{colour}" stroke-width="2.4"/>'
        case "done":
            shape = f'<path d="M{x:.1f} {y - 4}v8" stroke="{colour}" stroke-width="2" opacity="0.75"/>'
        case "skipped":
            shape = f'<path d="M{x - 3:.1f} {y - 3}l6 6m0 -6l-6 6" stroke="{colour}" stroke-width="1.4"/>'
        case "needle":
            shape = (
                f'<path d="M{x:.1f} {top + 4}v20" stroke="{colour}" stroke-width="2"/>'
                f'<circle cx="{x:.1f}" cy="{top + 5}" r="3.6" fill="{colour}"/>'
            )
        case _:
            dashes = 'stroke-width="1.6" stroke-dasharray="3 3"'
            shape = f'<path d="M{x:.1f} {top + 10}v{ROW - 20}" stroke="{colour}" {dashes}/>'
    return f"<g><title>{escape(title)}</title>{shape}</g>"


# legend and text


def _legend(y: int) -> Iterable[str]:
    step = (WIDTH - 48) / 6
    for number, (kind, words) in enumerate(LEGEND_WORDS):
        x, line = 36 + step * (number % 6), y + 28 * (number // 6)
        yield _mark(kind, x, line - _height(kind), words)
        yield _text(x + 16, line + 4, words, 13, INK)
    x, line = 28 + step * 4, y + 28
    yield _box((x, x + 20), line - 8, 16, f'fill="{NIGHT}"')
    yield _text(x + 28, line + 4, "night there: nothing is sent", 13, INK)
    x += step
    yield _box((x, x + 20), line - 7, 14, f'rx="2" fill="{WINDOW}" stroke="{WINDOW_EDGE}" stroke-width="0.8"')
    yield f'<path d="M{x + 7:.1f} {line - 7}v14" stroke="#0072b2" stroke-width="2"/>'
    yield _text(x + 28, line + 4, "check-in window, its target", 13, INK)


def _height(kind: str) -> float:
    """How far below its row's upper edge a mark of this kind has its middle."""
    return {"needle": 14, "event": ROW / 2, "alert": BAND}.get(kind, _line_of(kind))


def _line_of(kind: str) -> int:
    return REPLIED if kind in ("answer", "done", "skipped") else SAID


def _box(ends: tuple[float, float], top: float, height: float, style: str) -> str:
    left, right = ends
    return f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{height}" {style}/>'


def _text(x: float, y: float, words: str, size: int, colour: str, weight: str = "400", anchor: str = "start") -> str:
    style = f'font-size="{size}" fill="{colour}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(words)}</text>'


def _fit(words: str, size: int, room: float) -> str:
    """As much of it as there is room for, by a guess of how wide letters are: no font is at hand here."""
    used = 0.0
    for at, letter in enumerate(words):
        used += size * (1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56)
        if used > room:
            return f"{words[: max(at - 1, 1)].rstrip()}…"
    return words
