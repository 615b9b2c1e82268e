"""How one patient gets on, as the clinician's page shows it: the chart, its table, and what changed."""

from typing import NamedTuple

from markupsafe import Markup
from sqlalchemy import Connection

from programs import activities, outcomes
from programs.outcomes import Change, Curve, Score
from service.console.charts.soreness import Line, soreness
from service.console.words import day_at, say_date


class Progress(NamedTuple):
    """`activities` are words, whether off the list, and scores in order of time."""

    curves: list[Curve]
    chart: Markup
    usual: list[Score]
    usual_change: Change | None
    activities: list[tuple[str, bool, list[int]]]
    activities_change: Change | None
    felt: int | None
    felt_change: Change | None


def progress(db: Connection, clinic: str, patient: str, zone: str) -> Progress:
    said, rated = activities.said_of(db, clinic, patient), activities.ratings_of(db, clinic, patient)
    curves, usual = outcomes.curves(said), outcomes.usual_pain(said)
    felt = next((it.value.change for it in reversed(rated) if it.value.change is not None), None)
    lines = [Line(say_date(day_at(it.ended_at, zone)), it) for it in curves]
    both = len(rated) > 1
    return Progress(
        curves,
        soreness(lines, "Soreness where the needles went, 0 to 10, by hours since needling"),
        usual,
        outcomes.pain_change(usual),
        [
            (it.words, it.ended_at is not None, [one.value.scores[it.id] for one in rated if it.id in one.value.scores])
            for it in activities.activities_of(db, clinic, patient)
        ],
        outcomes.activities_change(rated[0].value.scores, rated[-1].value.scores) if both else None,
        felt,
        outcomes.felt_change(felt) if felt is not None else None,
    )
