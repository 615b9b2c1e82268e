"""The picture of who was told what: well formed, the same each time, everything in it explained."""

import asyncio
import random
import re
from datetime import date
from xml.etree import ElementTree

import msgspec
import pytest

from notifications.timing import AllowedHours
from service.simulation import picture, script, timeline
from service.simulation.cast import Cast
from service.simulation.proof import Proof, prove
from service.simulation.scratch import scratch
from service.simulation.script import Span
from service.simulation.stage import Stage
from service.simulation.timeline import COLOURS, Chart, Line, Mark, Window, draw

SVG = "{http://www.w3.org/2000/svg}"
HOURS = AllowedHours(8 * 60, 21 * 60)
LINE = Line(
    "Ada & <Ben>",
    "New York, 08:00–21:00",
    ("Answers & exercises",),
    HOURS,
    [Window(600, 720, 1200, 0, "same evening check-in")],
    [Mark(700 + 10 * number, kind, f"{kind} & more") for number, kind in enumerate(COLOURS)],
)
CHART = Chart("Who was told what", "One patient.", date(2026, 6, 1), 3, [LINE])


def texts(svg: str) -> list[str]:
    return [it.text or "" for it in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def titles(svg: str) -> list[str]:
    return [it.text or "" for it in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def changed(**changes: object) -> str:
    return draw(msgspec.structs.replace(CHART, lines=[msgspec.structs.replace(LINE, **changes)]))


def test_it_is_one_document_with_a_title_and_a_description_for_screen_readers() -> None:
    root = ElementTree.fromstring(draw(CHART))
    named = (root.get("aria-labelledby") or "").split()
    described = {it.get("id"): it.text or "" for it in root if it.get("id")}
    assert root.get("role") == "img"
    assert described[named[0]] == "Who was told what"
    assert "Ada & <Ben>" in described[named[1]]


def test_what_people_are_called_is_text_and_never_markup() -> None:
    assert "Ada & <Ben>" in texts(draw(CHART))


def test_every_kind_of_mark_is_drawn_with_its_words_and_stands_in_the_legend() -> None:
    svg = draw(CHART)
    assert {f"{kind} & more" for kind in COLOURS} <= set(titles(svg))
    assert {words for _, words in timeline.LEGEND_WORDS} <= set(texts(svg))
    assert {kind for kind, _ in timeline.LEGEND_WORDS} == set(COLOURS)


def test_a_mark_outside_the_days_of_the_chart_is_not_drawn() -> None:
    svg = changed(
        marks=[Mark(-1, "check_in", "before"), Mark(3 * 1440, "check_in", "after"), Mark(0, "nudge", "first")]
    )
    assert "first" in titles(svg)
    assert not {"before", "after"} & set(titles(svg))


@pytest.mark.parametrize(
    ("hours", "nights"),
    [
        (HOURS, [(0, 480), (1260, 1920), (2700, 3360), (4140, 4320)]),
        (AllowedHours(9 * 60, 60), [(60, 540), (1500, 1980), (2940, 3420)]),  # until one in the morning
        (AllowedHours(0, 0), []),  # any hour
    ],
)
def test_nights_are_the_hours_in_which_nothing_may_be_sent(hours: AllowedHours, nights: list[tuple[int, int]]) -> None:
    svg = changed(hours=hours)
    row = svg[svg.index("<g>") : svg.index("needling session ends")]
    drawn = re.findall(rf'<rect x="([\d.]+)" y="\d+" width="([\d.]+)" height="{timeline.ROW}" fill', row)
    width = (timeline.WIDTH - timeline.LEFT - timeline.RIGHT) / (3 * 1440)
    found = [((float(x) - timeline.LEFT) / width, (float(x) + float(w) - timeline.LEFT) / width) for x, w in drawn]
    assert [(round(a, -1), round(b, -1)) for a, b in found] == nights


def test_a_long_name_is_cut_before_it_runs_into_the_days() -> None:
    long = "Wolfeschlegelsteinhausenbergerdorff the Elder"
    shown = next(it for it in texts(changed(name=long)) if it.startswith("Wolfe"))
    assert shown.endswith("…")
    assert len(shown) < 26


async def play() -> tuple[Proof, Span]:
    async with scratch() as db:
        span = script.season(date(2026, 10, 28), 6)
        cast = Cast(Stage(db, span.start, random.Random(2)))
        await script.arrange(cast, span, 16)
        await cast.stage.run(span.end)
        return await prove(db, cast.journal), span


@pytest.fixture(scope="module")
def season() -> tuple[Proof, Span]:
    """A week of some patients, played once for all tests that only look at it."""
    return asyncio.run(play())


def test_a_simulation_becomes_rows_of_different_patients_each_with_its_story(season: tuple[Proof, Span]) -> None:
    chart = picture.chart(*season, "A week", rows=5)
    assert len(chart.lines) == 5
    assert len({line.name for line in chart.lines}) == 5
    assert all(line.story[0] and line.marks and line.windows for line in chart.lines)
    ElementTree.fromstring(draw(chart))


def test_each_message_a_channel_took_on_these_days_is_one_mark(season: tuple[Proof, Span]) -> None:
    proof, span = season
    chart = picture.chart(proof, span, "A week", rows=100)
    drawn = [mark for line in chart.lines for mark in line.marks if mark.kind in picture.SAYS]
    inside = [it for it in proof.to_patients if proof.local(it.sent.who, it.sent.at).toordinal() < span.last]
    assert len(drawn) == len({it.message.id for it in inside})


def test_of_a_long_time_the_busiest_days_are_drawn(season: tuple[Proof, Span]) -> None:
    proof, span = season
    chart = picture.chart(proof, span, "Two days", days=2)
    days = [proof.local(it.sent.who, it.sent.at).toordinal() for it in proof.to_patients]
    first = chart.first.toordinal()
    most = max(sum(start <= day < start + 2 for day in days) for start in range(span.first, span.last - 1))
    assert sum(first <= day < first + 2 for day in days) == most
