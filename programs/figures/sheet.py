"""Every exercise of the library on one sheet: its still, its title beneath, region by region."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import NamedTuple
from xml.sax.saxutils import escape

from programs.exercises import Exercise, library, words
from programs.figures.document import SOFT, figure_of
from programs.figures.page import HIGH, WIDE
from programs.figures.stills import panels

COLUMNS = 7
CELL, GAP, EDGE = 236, 12, 24
PICTURE = CELL * HIGH // WIDE
TITLE, HEADING = 52, 40  # how high
REGIONS = ("hip", "thigh", "trunk")  # in this order, then the others
INK, SOFT_INK, LINE = "#1c2429", "#5a666d", "#d5dcdf"


class Cell(NamedTuple):
    """`heading` is its region's name on the first of a region."""

    exercise: Exercise
    row: int
    column: int
    heading: str


def sheet(language: str = "en") -> str:
    cells = list(_cells())
    tops = _tops(cells)
    wide, high = 2 * EDGE + COLUMNS * CELL + (COLUMNS - 1) * GAP, tops[-1]
    drawn = "".join(_drawn(cell, tops[cell.row], language) for cell in cells)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" aria-labelledby="sheet" '
        f'font-family="sans-serif"><title id="sheet">The exercises of the library: {len(cells)}</title>'
        f'<defs>{SOFT}</defs><rect width="{wide}" height="{high}" fill="#f5f7f7"/>{drawn}</svg>\n'
    )


def _cells() -> Iterator[Cell]:
    """A region begins beside the one before where all of it fits, else on a row of its own."""
    place = 0
    for region, group in groupby(sorted(library().values(), key=_order), key=lambda it: it.region):
        exercises = list(group)
        if place % COLUMNS + len(exercises) > COLUMNS:
            place = -(-place // COLUMNS) * COLUMNS
        for number, exercise in enumerate(exercises):
            yield Cell(exercise, place // COLUMNS, place % COLUMNS, "" if number else region)
            place += 1


def _order(it: Exercise) -> tuple[int, str, str]:
    rank = REGIONS.index(it.region) if it.region in REGIONS else len(REGIONS)
    return rank, it.region, it.id


def _tops(cells: Sequence[Cell]) -> list[int]:
    """Where the pictures of each row begin, and where the sheet ends; a row where a region begins has room above."""
    tops, y = [], EDGE
    for _, row in groupby(cells, key=lambda cell: cell.row):
        y += HEADING if any(cell.heading for cell in row) else 0
        tops.append(y)
        y += PICTURE + TITLE
    return [*tops, y]


def _drawn(cell: Cell, y: int, language: str) -> str:
    x = EDGE + cell.column * (CELL + GAP)
    heading = _text(x, y - 12, 20, INK, cell.heading.capitalize(), 'font-weight="700"') if cell.heading else ""
    lines = wrap(words(cell.exercise, language).title, 27)[:2]
    title = "".join(
        _text(x + CELL // 2, y + PICTURE + 20 + 17 * n, 15, SOFT_INK, it, MIDDLE) for n, it in enumerate(lines)
    )
    return (
        f'{heading}<rect x="{x}" y="{y}" width="{CELL}" height="{PICTURE}" rx="8" fill="#fff" stroke="{LINE}"/>'
        f'<svg x="{x}" y="{y}" width="{CELL}" height="{PICTURE}" viewBox="0 0 {WIDE} {HIGH}">'
        f"{panels(figure_of(cell.exercise))}</svg>{title}"
    )


MIDDLE = 'text-anchor="middle"'


def _text(x: int, y: int, size: int, colour: str, said: str, more: str) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" {more}>{escape(said)}</text>'
