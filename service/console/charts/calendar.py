"""calendar: weeks as rows, days as columns, a square for every item of the ledger, filled by how it ended."""

from collections.abc import Mapping, Sequence
from datetime import date

from markupsafe import Markup, escape

from programs import adherence
from programs.adherence import Item, State
from programs.schedule import days_of, time_of, week_of

LEFT, TOP, DAY, GAP, SIDE = 96, 22, 88, 4, 14
ACROSS = (DAY - 2 * GAP) // (SIDE + GAP)
FILL: Mapping[State, str] = {
    "done": "#0b5c63",
    "late": "#4f9ca2",
    "partly": "#a5d3d6",
    "skipped": "#e0b45c",
    "excused": "#d5dcdf",
    "not_reached": "#c9b6e4",
    "missed": "#ffffff",
    "open": "#ffffff",
}
NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def calendar(items: Sequence[Item], said: Mapping[str, str], titles: Mapping[str, str], title: str) -> Markup:
    """`said` are the words for each state, `titles` those of the exercises."""
    parts = [
        f'<text x="{LEFT + DAY * day + DAY / 2}" y="14" text-anchor="middle" fill="#5a666d">{name}</text>'
        for day, name in enumerate(NAMES)
    ]
    top = TOP
    for week, some in sorted(adherence.grouped(items, lambda it: week_of(it.wall)).items()):
        by_day = adherence.grouped(some, lambda it: it.day)
        rows = max(-(-len(one) // ACROSS) for one in by_day.values())
        monday = date.fromordinal(days_of(week)[0])
        parts.append(f'<text x="0" y="{top + 16}" fill="#5a666d">{monday.day} {monday:%b %Y}</text>')
        for day, one in by_day.items():
            parts += [_square(it, day - monday.toordinal(), place, top, said, titles) for place, it in enumerate(one)]
        top += rows * (SIDE + GAP) + 12
        parts.append(f'<line x1="0" x2="{LEFT + 7 * DAY}" y1="{top - 6}" y2="{top - 6}" stroke="#d5dcdf"/>')
    return Markup(  # noqa: S704 (every text in it is escaped)
        f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {LEFT + 7 * DAY} {top}" '
        f'font-size="12" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )


def _square(it: Item, column: int, place: int, top: int, said: Mapping[str, str], titles: Mapping[str, str]) -> str:
    x = LEFT + DAY * column + GAP + place % ACROSS * (SIDE + GAP)
    y = top + place // ACROSS * (SIDE + GAP)
    words = f"{time_of(it.wall)} {titles.get(it.exercise, it.exercise)}: {said[it.state]}"
    dashed = ' stroke-dasharray="2 2"' if it.state == "open" else ""
    return (
        f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" fill="{FILL[it.state]}" stroke="#5a666d"{dashed}>'
        f"<title>{escape(words)}</title></rect>"
    )


def legend(said: Mapping[str, str]) -> Markup:
    """What each filling means, in a row."""
    parts = []
    for place, (state, fill) in enumerate(FILL.items()):
        x, y = place % 4 * 178, place // 4 * 22
        dashed = ' stroke-dasharray="2 2"' if state == "open" else ""
        parts.append(
            f'<rect x="{x + 1}" y="{y + 2}" width="{SIDE}" height="{SIDE}" fill="{fill}" stroke="#5a666d"{dashed}/>'
            f'<text x="{x + 22}" y="{y + 14}">{escape(said[state])}</text>'
        )
    return Markup(  # noqa: S704 (every text in it is escaped)
        '<svg class="chart" role="img" aria-label="What the squares mean" viewBox="0 0 712 46" '
        f'font-size="12" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )
