"""bars: a share of 100 for each of some groups, with how much it stands on. No number is no bar."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

WIDTH, LABELS, NUMBERS, ROW = 720, 220, 110, 28
TRACK = WIDTH - LABELS - NUMBERS
FILL = {"on track": "#0b5c63", "partial": "#5f8fb4", "low": "#b07a2a"}
LONGEST = 28  # letters of a label


class Bar(NamedTuple):
    label: str
    percent: float | None
    n: int
    band: str


def bars(rows: Sequence[Bar], title: str) -> Markup:
    height = ROW * len(rows) + 22
    lines = [(LABELS + TRACK * at / 100, f"{at}") for at in (0, 50, 80, 100)]
    grid = [
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 18}" stroke="#d5dcdf"/>'
        f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle" fill="#5a666d">{at}%</text>'
        for x, at in lines
    ]
    drawn = [_bar(row, 4 + ROW * number) for number, row in enumerate(rows)]
    return Markup(  # noqa: S704 (every text in it is escaped)
        f'<svg class="chart" role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {height}" '
        f'font-size="13" font-family="system-ui, sans-serif">{"".join(grid)}{"".join(drawn)}</svg>'
    )


def _bar(row: Bar, top: int) -> str:
    text, middle = escape(_short(row.label)), top + ROW / 2 + 4
    label = f'<text x="{LABELS - 8}" y="{middle}" text-anchor="end">{text}</text>'
    after = LABELS + TRACK + 10
    if row.percent is None:
        return f'{label}<text x="{LABELS + 6}" y="{middle}" fill="#5a666d">not enough data (n {row.n})</text>'
    length = max(TRACK * row.percent / 100, 1)
    return (
        f'{label}<rect x="{LABELS}" y="{top + 5}" width="{length:.1f}" height="{ROW - 10}" fill="{FILL[row.band]}"/>'
        f'<text x="{after}" y="{middle}">{row.percent:.0f}% of {row.n:,}</text>'
    )


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
