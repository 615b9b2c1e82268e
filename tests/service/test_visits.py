"""How an export is read: whatever program wrote it, with what is wrong in it told by line and column."""

import csv
import io
from collections.abc import Callable

import pytest

from service import imports, spreadsheet, visits
from service.clock import SetClock
from service.database import Database
from tests.service.test_imports import CONSENTED, DATA, at, export, read
from tests.world import NOON


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: ("\n\n" + text + "\n\n").encode(),
        lambda text: text.replace("appointment_id", '"Appointment ID"').encode(),
    ],
    ids=["utf-8 with a mark", "utf-16", "windows line ends", "old mac line ends", "empty lines", "a header in words"],
)
def test_a_file_is_read_however_it_was_written(write: Callable[[str], bytes]) -> None:
    name = "Zoë “Z” 김민수"
    raw = export({"patient_name": name, "note": "=1+1"})
    (visit,) = read(write(raw.decode().replace("\r\n", "\n")))
    assert visit.details is not None
    assert visit.session is not None
    assert (visit.details.name, visit.session.note) == (name, "=1+1")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_separate_as_well_as_commas(delimiter: str) -> None:
    rows = list(csv.reader(io.StringIO(export({"precautions": "joint replacement; right hip"}).decode())))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    (visit,) = read(text.getvalue().encode())
    assert visit.session is not None
    assert visit.details is not None
    assert visit.session.muscles == ("piriformis", "gluteus medius")
    assert visit.details.precautions == ("joint replacement; right hip",)


def test_rows_start_on_the_lines_of_the_file() -> None:
    first, second, third = read(
        export({"note": "one\ntwo\n\nthree"}, {"appointment_id": "A2"}, {"appointment_id": "A3"})
    )
    assert (first.line, second.line, third.line) == (2, 6, 7)


async def test_bad_rows_among_good_ones_are_listed_with_line_column_and_remedy(database: Database) -> None:
    rows, unread = spreadsheet.read((DATA / "bad-rows.csv").read_bytes(), visits.REQUIRED)
    found, problems = visits.visits(rows)
    words = sorted((it.line, it.column, f"{it.what}. {it.hint}".rstrip()) for it in unread + problems)
    assert words == [
        (5, "ends_at", "is before starts_at."),
        (6, "electrical_stimulation", "is not one of the words known here. One of: (empty), yes, no, true, false."),
        (6, "ends_at", f"is not a date and time. {visits.FORM_OF_TIME}"),
        (6, "insertions", "must be a number from 1 to 500, “few”, “many” or empty."),
        (6, "muscles", "number 2 is not in the list of muscles. Did you mean “gluteus medius”?"),
        (6, "patient_time_zone", "is not the name of a time zone. Did you mean “America/New_York”?"),
        (6, "twitch_responses", "is not one of the words known here. One of: (empty), none, some, many."),
        (7, "status", "is not one of the words known here. Did you mean “attended”?"),
        (8, "", "has 10 cells where the header has 19. Put a cell that holds the separator in quotation marks."),
        (9, "", "its quotation marks do not match. Write a quotation mark in a quoted cell twice."),
        (10, "appointment_id", "is on line 2 already. Export each appointment once, with all its muscles in one cell."),
        (11, "muscles", "is empty. Name the needled muscles, with semicolons between them."),
        (11, "patient_email", "is not an e-mail address. For example ada@mail.example, or empty."),
        (11, "side", "is not one of the words known here. One of: left, right, both."),
    ]
    outcome = await imports.run(database, found, CONSENTED, SetClock(NOON), lambda _: None)
    assert [(it.line, it.what) for it in outcome.verdicts] == [(2, "recorded"), (12, "recorded")]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (
            (DATA / "wrong-columns.csv").read_bytes(),
            "missing: ends_at, patient_time_zone; unknown: end_at Did you mean",
        ),
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "the file is empty"),
        (b"name\n\xe9t\xe9\n", "line 2 is not UTF-8"),
        (b"a\0b", "NUL characters"),
        (b"x" * (20 * 1024 * 1024 + 1), "larger than 20 MiB"),
        (export({}) + b"A1,,,,,,,,,,,,\n" * 50_000, "more than 50,000 rows"),
        (export({}).replace(b"side", b"clinic"), "missing: side; there twice: clinic"),
    ],
    ids=["columns", "empty", "blank", "latin-1", "binary", "large", "long", "twice"],
)
def test_an_unusable_file_is_refused_as_a_whole_for_one_reason(raw: bytes, why: str) -> None:
    with pytest.raises(spreadsheet.Unusable, match=why):
        spreadsheet.read(raw, visits.REQUIRED)


@pytest.mark.parametrize(
    ("ends_at", "instant", "remark"),
    [
        ("2026-06-01 11:00", "2026-06-01T15:00:00Z", ""),
        ("2026-06-01T15:00:00Z", "2026-06-01T15:00:00Z", ""),
        ("2026-06-01T11:00:00-05:00", "2026-06-01T16:00:00Z", "has an offset that America/New_York does not have then"),
        ("2027-03-14T02:30", "2027-03-14T07:00:00Z", "does not exist in America/New_York"),
        ("2026-11-01T01:30", "2026-11-01T05:30:00Z", "happens twice in America/New_York"),
    ],
)
def test_a_time_without_an_offset_is_the_clinic_s_and_doubts_are_told(ends_at: str, instant: str, remark: str) -> None:
    (visit,) = read(export({"starts_at": "", "ends_at": ends_at}))
    assert visit.session is not None
    assert visit.session.ended_at == at(instant)
    assert bool(visit.remarks) == bool(remark)
    assert remark in " ".join(visit.remarks)


@pytest.mark.parametrize(
    "name",
    ["김민수", "X Æ", "Null", "<b>A</b>", "דוד\u200f", "A" * 200, "\U0001f469\u200d\U0001f467", "=1+1", "O’Neill, Jr."],
)
def test_any_name_is_taken(name: str) -> None:
    (visit,) = read(export({"patient_name": name}))
    assert visit.details is not None
    assert visit.details.name == name


@pytest.mark.parametrize("name", ["", "A" * 4_000, "A\x1b[2J"])
def test_a_name_must_be_there_and_fit_a_line(name: str) -> None:
    rows, _ = spreadsheet.read(export({"patient_name": name}), visits.REQUIRED)
    _, problems = visits.visits(rows)
    assert [it.column for it in problems] == ["patient_name"]
