"""How a patient gets on: the soreness chart says what its table says, on the clinician's page, in hours."""

import re

from markupsafe import Markup
from sqlalchemy import Connection

from programs import activities
from programs.activities import Rated, Rating
from programs.instants import DAY, HOUR
from programs.outcomes import Curve, Point
from service import care
from service.clock import SetClock
from service.console.charts.soreness import BOTTOM, HEIGHT, LEFT, MOST, RIGHT, TOP, WIDTH, Line, soreness
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, EVE, NOON, session

CURVE = Curve("s1", NOON, (Point(6, 10, "evening"), Point(24, 5, "day1"), Point(48, 0, "day2")))


def dots(svg: Markup) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_each_answer_is_a_dot_where_its_hours_and_score_are() -> None:
    svg = soreness([Line("Mon 1 Jun", CURVE)], "Soreness")
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    assert dots(svg) == [
        (round(LEFT + wide * hours / 96, 1), round(TOP + high * (10 - score) / 10, 1))
        for hours, score in ((6, 10), (24, 5), (48, 0))
    ]
    shaded = re.search(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)"', svg)
    assert shaded is not None
    assert (float(shaded[1]), float(shaded[2])) == (round(LEFT + wide / 4, 1), round(wide / 4, 1))
    assert 'role="img"' in svg
    assert "style=" not in svg  # the pages' policy allows none


def test_late_answers_make_it_longer_and_old_sessions_stay_in_the_table_only() -> None:
    late = Curve("s2", NOON, (Point(200.5, 3, "day3"),))
    svg = soreness([Line("<b>", late), *(Line(f"visit {number}", CURVE) for number in range(5))], "Soreness")
    assert ">216</text>" in svg
    assert all(LEFT <= x <= WIDTH - RIGHT for x, _ in dots(svg))
    assert svg.count("<polyline") == MOST
    assert "&lt;b&gt;" in svg
    assert dots(soreness([], "Soreness")) == []


async def test_the_page_shows_curve_table_pain_and_activities_as_they_were_said(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    def live(db: Connection) -> None:
        care.record_session(db, BEN, "s1", session(), NOON)
        for step, at, sore, usual in (("evening", 5, 6, 7), ("day1", 24, 4, 5)):
            said = {"q_sore": sore, "q_usual": usual}
            care.answer(db, ADA, f"s1-{step}", said, NOON + at * HOUR, NOON + at * HOUR)
        care.add_activity(db, ADA, "ada", "a1", "Climb <the> stairs", NOON)
        care.rate(db, ADA, Rating("r1", NOON, Rated({"a1": 2})), NOON)
        care.rate(db, ADA, Rating("r2", NOON + DAY, Rated({"a1": 5}, 3)), NOON + DAY)

    await world.write(live)
    clock.move_to(NOON + 2 * DAY)
    text = (await browser(BEN).get("/clinic/patients/ada")).text
    assert text.count("<circle") == 2
    assert re.findall(r'<td class="number">(\d+)</td><td class="number">(\d+)</td>', text) == [("6", "6"), ("25", "4")]
    assert "Climb &lt;the&gt; stairs</bdi>: 2 → 5" in text
    assert "<strong>better</strong> by 2.0" in text
    assert "<strong>better</strong> by 3.0, large" in text
    assert "-5 to 5: <strong>3</strong>, better" in text


async def test_a_patient_names_and_rates_activities_on_a_page_of_their_own(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    ada = browser(ADA)
    assert '<a href="/activities">My activities</a>' in (await ada.get("/today")).text
    form = Reader((await ada.get("/activities")).text).form("/activities")
    for _ in range(2):  # sent twice, it is one
        text = (await ada.post("/activities", data={**form.fields, "words": "Tie <my> shoes"})).text
    assert text.count("<bdi>Tie &lt;my&gt; shoes</bdi>") == 2  # in the list, and to be rated
    (shoes,) = await world.read(activities.activities_of, ADA.clinic, "ada")
    assert "How is your problem now?" not in text
    for bad in ({}, {shoes.id: "11"}, {shoes.id: "-1"}):
        assert (await ada.post("/activities/rate", data=bad)).status_code == 422
    rating = Reader(text).form("/activities/rate").fields
    text = (await ada.post("/activities/rate", data={**rating, shoes.id: "3"})).text
    assert "3 of 10" in text
    assert "We ask again two weeks after your last answer." in text
    clock.move_to(NOON + 14 * DAY)
    text = (await ada.get("/activities")).text
    assert "How is your problem now?" in text
    await ada.post("/activities/rate", data={"id": "second", shoes.id: "6", "change": "-2"})
    rated = await world.read(activities.ratings_of, ADA.clinic, "ada")
    assert [(dict(it.value.scores), it.value.change) for it in rated] == [({shoes.id: 3}, None), ({shoes.id: 6}, -2)]
    await ada.post(f"/activities/{shoes.id}/end")
    assert "Tie" not in (await ada.get("/activities")).text
    assert (await browser(EVE).post(f"/activities/{shoes.id}/end")).status_code == 404
