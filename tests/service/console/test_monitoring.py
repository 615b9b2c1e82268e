"""Days with data and staff time on a page, and a clinic's month as a file that no spreadsheet takes for formulas."""

import csv
import io
from datetime import date

import pytest
from sqlalchemy import Connection

from programs.completions import Completion
from programs.instants import DAY
from service import care
from service.clock import SetClock
from service.database import Database
from service.monitoring import safe
from tests.service.console.conftest import Browser
from tests.world import ADA, BEN, DOV, NOON, assignment


async def three_days(db: Database, clock: SetClock) -> None:
    def fill(db: Connection) -> None:
        care.assign_plan(db, BEN, "p1", assignment(times=("13:00",)), NOON)
        for day in range(3):
            at = NOON + day * DAY
            it = Completion(f"b{day}", "p1", "hip_bridge", date(2026, 6, 1 + day), "13:00", "done", at)
            care.complete(db, ADA, [it], at)
        care.change_patient(db, BEN, "ada", 1, {"name": "=1+1 Ada"}, NOON)

    await db.write(fill)
    clock.move_to(NOON + 3 * DAY)


async def test_time_is_logged_and_corrected_on_the_page(browser: Browser, world: Database, clock: SetClock) -> None:
    await three_days(world, clock)
    ben = browser(BEN)
    path = "/clinic/patients/ada"
    for fields in ({"minutes": "25", "live": "yes", "note": "phoned"}, {"minutes": "7"}):
        await ben.post(f"{path}/staff-time", data={"date": "2026-06-03", **fields})
    text = (await ben.get(f"{path}/monitoring")).text
    for words in ("32 minutes", "with a live contact", "staff_minutes_20_39", "device_days_2_15", "13 more"):
        assert words in text, words
    refused = await ben.post(f"{path}/staff-time", data={"date": "2026-06-30", "minutes": "5", "note": "kept"})
    assert refused.status_code == 422
    assert "is in the future" in refused.text
    assert 'value="kept"' in refused.text
    assert (await browser(DOV).get(f"{path}/monitoring")).status_code == 404


async def test_a_month_is_a_file_with_the_evidence_behind_each_count(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await three_days(world, clock)
    ben = browser(BEN)
    await ben.post("/clinic/patients/ada/staff-time", data={"date": "2026-06-03", "minutes": "12", "note": "@SUM(A1)"})
    reply = await ben.get("/clinic/monitoring.csv?month=2026-06")
    assert reply.headers["content-type"].startswith("text/csv")
    assert "monitoring-2026-06.csv" in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    said = [(it["record"], it["from"], it["count"], it["tier"], it["id"]) for it in rows[:5]]
    assert said == [
        ("window", "2026-06-01", "3", "device_days_2_15", ""),
        *(("exercise", f"2026-06-0{day + 1}", "", "", f"b{day}") for day in range(3)),
        ("month", "2026-06-01", "12", "none", ""),
    ]
    assert {it["name"] for it in rows[:6]} == {"'=1+1 Ada"}
    assert rows[5]["note"] == "'@SUM(A1)"
    assert "ada" not in (await browser(DOV).get("/clinic/monitoring.csv?month=2026-06")).text


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@A1", "  =1", "\t=1", "\r1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert safe(cell) == f"'{cell}"
    assert safe(f"a{cell}") == f"a{cell}"
