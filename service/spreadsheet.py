"""A CSV export as rows, each with the line of the file it starts on. It knows columns by name, not what is in them.

What programs make of CSV is taken as it comes: comma, semicolon or tab; UTF-8 or UTF-16 with a byte order mark; any
line ends; line breaks inside quotation marks. A row that cannot be read is set aside, and reading goes on after it.
"""

import codecs
import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from programs.errors import did_you_mean

LARGEST = 20 * 1024 * 1024
MOST_ROWS = 50_000
DELIMITERS = (",", ";", "\t")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Unusable(Exception):
    """Nothing of this file can be read; str() says why in a line, for the person who gave it."""


class Row(NamedTuple):
    """`line` counts from 1 and is where the row starts; every column is in `cells`, "" where the cell is empty."""

    line: int
    cells: dict[str, str]


class Problem(NamedTuple):
    """One thing wrong in one row; `column` is "" when it is the row itself."""

    line: int
    column: str
    what: str
    hint: str


def read(raw: bytes, columns: Mapping[str, bool]) -> tuple[list[Row], list[Problem]]:
    """The rows of a file whose header has these columns, in any order; True is a column that must be there."""
    if len(raw) > LARGEST:
        raise Unusable(f"the file is larger than {LARGEST // 1024**2} MiB; export fewer days at a time")
    lines = list(io.StringIO(_decoded(raw), newline=""))
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise Unusable("the file is empty")
    delimiter = max(DELIMITERS, key=lambda it: len(columns.keys() & _header(lines, first, it)))
    header = _header(lines, first, delimiter)
    _check_header(header, columns)
    return _rows(lines, first, delimiter, header, columns)


def _decoded(raw: bytes) -> str:
    encoding = "utf-16" if raw.startswith(UTF16) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unusable(f"line {line} is not {encoding[:6].upper()}; export as “CSV UTF-8”") from None
    if "\0" in text:
        raise Unusable("the file holds NUL characters; is it a CSV file? Export as “CSV UTF-8”")
    return text


def _header(lines: Sequence[str], at: int, delimiter: str) -> list[str]:
    cells, _ = _record(lines, at, delimiter)
    names = [_plain(cell).casefold().replace(" ", "_").replace("-", "_") for cell in cells or ()]
    while names and not names[-1]:
        names.pop()
    return names


def _check_header(header: Sequence[str], columns: Mapping[str, bool]) -> None:
    missing = [name for name, required in columns.items() if required and name not in header]
    unknown = [name[:40] or "(no name)" for name in header if name not in columns]
    twice = sorted({name for name in header if header.count(name) > 1 and name in columns})
    free = [name for name in columns if name not in header]
    said = [
        "missing: " + ", ".join(missing) if missing else "",
        "unknown: " + ", ".join(f"{name} {did_you_mean(name, free)}".rstrip() for name in unknown) if unknown else "",
        "there twice: " + ", ".join(twice) if twice else "",
    ]
    if any(said):
        raise Unusable("the columns are not as expected; " + "; ".join(filter(None, said)))


def _rows(
    lines: Sequence[str], first: int, delimiter: str, header: Sequence[str], columns: Mapping[str, bool]
) -> tuple[list[Row], list[Problem]]:
    blank = dict.fromkeys(columns, "")
    rows: list[Row] = []
    problems: list[Problem] = []
    _, at = _record(lines, first, delimiter)
    while at < len(lines):
        start = at
        cells, at = _record(lines, start, delimiter)
        problem = _misread(start + 1, cells, len(header))
        if problem is not None:
            # A quotation mark that is not closed swallows the rows below it: they get a chance of their own.
            problems.append(problem)
            at = start + 1
        elif cells and any(cells):
            rows.append(Row(start + 1, blank | dict(zip(header, map(_plain, cells), strict=False))))
        if len(rows) + len(problems) > MOST_ROWS:
            raise Unusable(f"the file has more than {MOST_ROWS:,} rows; export fewer days at a time")
    return rows, problems


def _record(lines: Sequence[str], at: int, delimiter: str) -> tuple[list[str] | None, int]:
    """The cells of the row that starts at this line, None if it cannot be read; and where the next one starts."""
    reader = csv.reader(map(lines.__getitem__, range(at, len(lines))), delimiter=delimiter, strict=True)
    try:
        return next(reader), at + reader.line_num
    except csv.Error:
        return None, at + 1


def _misread(line: int, cells: list[str] | None, width: int) -> Problem | None:
    if cells is None:
        return Problem(line, "", "its quotation marks do not match", "Write a quotation mark in a quoted cell twice.")
    if (len(cells) < width and any(cells)) or any(cells[width:]):
        return Problem(
            line,
            "",
            f"has {len(cells)} cells where the header has {width}",
            "Put a cell that holds the separator in quotation marks.",
        )
    return None


def _plain(cell: str) -> str:
    """One spelling of what looks the same: composed characters, \\n as line break, no space around."""
    return unicodedata.normalize("NFC", cell.replace("\r\n", "\n")).strip()
