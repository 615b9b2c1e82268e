"""The clinic's adherence: every number with its n, its counts and the items behind it."""

from datetime import date, timedelta

from sqlalchemy import Connection

from notifications.timing import zone
from programs.completions import Completion
from programs.instants import DAY, MINUTE
from programs.schedule import wall_at
from service import care
from service.clock import SetClock
from service.console.charts.bars import Bar, bars
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, DOV, NOON, assignment


async def a_week(db: Database, clock: SetClock) -> None:
    """Ada's program ran from Monday to Sunday; she did half of it, and said why not the other half."""

    def fill(db: Connection) -> None:
        care.assign_plan(db, BEN, "p1", assignment(times=("13:00",)), NOON)
        for number in range(7):
            day = date(2026, 6, 1) + timedelta(days=number)
            wall = wall_at(day, "13:00")
            at = zone("America/New_York").instant(*divmod(wall, 1440)) + MINUTE
            done = Completion(f"b{number}", "p1", "hip_bridge", day, "13:00", "done", at)
            not_done = Completion(f"w{number}", "p1", "walking", day, "13:00", "skipped", at, reason="no_time")
            care.complete(db, ADA, [done, not_done], at)

    await db.write(fill)
    clock.move_to(NOON + 7 * DAY)


async def test_the_numbers_stand_with_what_they_are_made_of(browser: Browser, world: Database, clock: SetClock) -> None:
    await a_week(world, clock)
    ben = browser(BEN)
    for by, name in (("clinician", "Ben"), ("program", "Hip program"), ("week", "2026-W23")):
        text = (await ben.get(f"/clinic/adherence?by={by}")).text
        for words in ("Patient-reported", "Not reached", "50%", "partly on track", f">{name}</a>"):
            assert words in text
        assert f"{name.lower()}" not in " ".join(tag.get("href", "") for _, tag in Reader(text).tags).lower()
    assert "Ada" not in (await browser(DOV).get("/clinic/adherence")).text


async def test_the_items_behind_a_number_are_a_click_away(browser: Browser, world: Database, clock: SetClock) -> None:
    await a_week(world, clock)
    ben = browser(BEN)
    page = Reader((await ben.get("/clinic/adherence?by=week")).text)
    links = [tag["href"] for name, tag in page.tags if name == "a" and "show=" in tag.get("href", "")]
    first = (await ben.get(links[0])).text
    assert "Behind the number: 2026-W23" in first
    assert first.count("skipped: no time") == 7
    assert first.count("3 of 3") == 7
    assert "Sun 7 Jun 2026, 13:00" in first
    assert "Behind the number: all together" in (await ben.get(links[-1])).text
    assert "Behind the number" not in (await ben.get("/clinic/adherence?show=nothing")).text


async def test_under_three_there_is_no_number(browser: Browser, world: Database) -> None:
    await world.write(care.assign_plan, BEN, "p1", assignment(times=("13:00",)), NOON)
    text = (await browser(BEN).get("/clinic/adherence?from=2026-06-01&to=2026-06-01")).text
    assert "not enough data" in text
    assert "%" not in text[text.index("<tbody>") : text.index("</tbody>")]


async def test_dates_that_cannot_be_are_explained_and_kept(browser: Browser, world: Database, clock: SetClock) -> None:
    await a_week(world, clock)
    ben = browser(BEN)
    for query, words in (
        ("from=2026-06-09&to=2026-06-01", "To: is before from."),
        ("from=2020-01-01&to=2026-06-01", "To: is more than 366 days after from."),
        ("from=last+week", "From: must be a date"),
        ("from=0001-01-01&to=0001-01-02", ""),
        ("from=9999-12-30&to=9999-12-31", ""),
    ):
        reply = await ben.get(f"/clinic/adherence?{query}&by=moon")
        assert reply.status_code == (422 if words else 200)
        assert words in reply.text
        assert "By clinician" in reply.text
    assert Reader((await ben.get("/clinic/adherence?from=last+week")).text).forms[1].fields["from"] == "last week"


async def test_a_patients_numbers_stand_with_every_item(browser: Browser, world: Database, clock: SetClock) -> None:
    await a_week(world, clock)
    ben = browser(BEN)
    assert "/clinic/patients/ada/adherence" in (await ben.get("/clinic/patients/ada")).text
    page = Reader((await ben.get("/clinic/patients/ada/adherence")).text)
    squares = [tag for name, tag in page.tags if name == "rect"]
    assert len(squares) == 16 + 8  # fourteen items and today's two, and the eight of the legend
    text = (await ben.get("/clinic/patients/ada/adherence")).text
    for words in ("Last 7 days: <strong>50% of 12", "Last 28 days: <strong>50% of 14", "on 7 of 7 days", "2026-W23"):
        assert words in text, words
    assert (await browser(DOV).get("/clinic/patients/ada/adherence")).status_code == 404


async def test_a_patient_without_a_program_has_no_number_and_no_chart(browser: Browser) -> None:
    text = (await browser(BEN).get("/clinic/patients/ada/adherence")).text
    assert "No exercise was due" in text
    assert "not enough data (0)" in text
    for by in ("clinician", "program", "week", "patient"):
        assert "No exercise was due in this time" in (await browser(BEN).get(f"/clinic/adherence?by={by}")).text


async def test_the_lowest_patients_are_listed_by_name_with_a_bar(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await a_week(world, clock)
    page = Reader((await browser(BEN).get("/clinic/adherence?by=patient")).text)
    assert "/clinic/patients/ada/adherence" in {tag.get("href") for _, tag in page.tags}
    assert next(tag for name, tag in page.tags if name == "svg")["role"] == "img"


async def test_a_patient_sees_what_went_well_and_what_is_ahead(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    """Never what was missed, never a percentage: clinical.md 7.4."""
    await a_week(world, clock)
    ada = browser(ADA)
    assert "/progress" in (await ada.get("/today")).text
    text = (await ada.get("/progress")).text
    assert "<strong>0 of 7</strong> sessions. 7 still ahead." in text
    assert "Week of Monday 1 June: <strong>7 of 7</strong> sessions." in text
    assert not [word for word in ("missed", "failed", "compliance", "%", "low") if word in text.lower()]


async def test_names_in_a_chart_are_text_and_nothing_else() -> None:
    drawing = bars([Bar("<script>x</script>", 50.0, 3, "partial"), Bar("a" * 80, None, 1, "not enough data")], 'a "b"')
    assert "<script>" not in drawing
    assert "not enough data (n 1)" in drawing
    assert 'aria-label="a &#34;b&#34;"' in drawing
