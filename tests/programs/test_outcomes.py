"""A change is marked where it reaches what a study found to matter, and not a hair before."""

import pytest

from programs.instants import DAY, HOUR
from programs.outcomes import (
    EVERY,
    Point,
    Said,
    Score,
    activities_change,
    curves,
    due,
    felt_change,
    pain_change,
    usual_pain,
)
from tests.world import NOON

ENDED = NOON - HOUR


def said(step: str, hours: float, sore: int | None = None, usual: int | None = None, session: str = "s1") -> Said:
    ended = ENDED if session == "s1" else ENDED + 3 * DAY
    return Said(session, ended, step, ended + round(hours * HOUR), sore, usual)


def test_a_curve_is_in_hours_since_its_own_needling_session() -> None:
    found = curves(
        [said("evening", 6, 5), said("day1", 25.5, 4), said("evening", 6, 2, session="s2"), said("day7", 168)]
    )
    assert [it.session_id for it in found] == ["s2", "s1"]
    assert found[0].points == (Point(6, 2, "evening"),)
    assert found[1].points == (Point(6, 5, "evening"), Point(25.5, 4, "day1"))


def test_an_answer_sent_again_keeps_its_time_unless_the_score_is_another() -> None:
    (same,) = curves([said("evening", 6, 5), said("evening", 9, 5)])
    (other,) = curves([said("evening", 6, 5), said("evening", 9, 3)])
    assert same.points == (Point(6, 5, "evening"),)
    assert other.points == (Point(9, 3, "evening"),)


def test_usual_pain_goes_on_over_all_needling_sessions() -> None:
    found = usual_pain([said("evening", 6, 5, 7), said("day1", 24, 4, 6), said("evening", 6, 2, 4, session="s2")])
    assert [it.score for it in found] == [7, 6, 4]
    assert [it.at for it in found] == sorted(it.at for it in found)


@pytest.mark.parametrize(
    ("first", "last", "direction"),
    [
        (6, 5, ""),  # 3.1 NPRS: 2 points in general use
        (6, 4, "better"),
        (6, 3, "better"),
        (6, 7, ""),
        (6, 8, "worse"),
        (8, 6, ""),  # 3 to 4 from a start of 8 to 10
        (8, 5, "better"),
        (10, 7, "better"),
        (7, 5, "better"),
        (2, 0, "better"),
        (1, 0, ""),  # below what the scale can tell (1.77)
    ],
)
def test_a_change_of_usual_pain_counts_from_the_threshold_of_3_1(first: int, last: int, direction: str) -> None:
    found = pain_change([Score(NOON, first), Score(NOON + DAY, 5), Score(NOON + 2 * DAY, last)])
    assert found is not None
    assert (found.points, found.direction) == (last - first, direction)
    assert "3.1" in found.source


def test_one_score_is_no_change() -> None:
    assert pain_change([Score(NOON, 5)]) is None
    assert pain_change([]) is None


@pytest.mark.parametrize(
    ("before", "now", "points", "direction", "size"),
    [
        ((2, 2, 2), (3, 3, 3), 1, "", ""),  # 3.1 PSFS: 1.3 small, 2.3 medium, 2.7 large
        ((2, 2, 2), (3, 3, 4), 4 / 3, "better", "small"),
        ((2, 2, 2), (4, 4, 4), 2, "better", "small"),
        ((2, 2, 2), (4, 4, 5), 7 / 3, "better", "medium"),
        ((2, 2, 2), (5, 5, 4), 8 / 3, "better", "medium"),
        ((2, 2, 2), (5, 5, 5), 3, "better", "large"),
        ((5, 5, 5), (4, 4, 3), -4 / 3, "worse", "small"),
        ((5, 5, 5), (4, 4, 4), -1, "", ""),
    ],
)
def test_a_change_of_activities_has_the_sizes_of_3_1(
    before: tuple[int, ...], now: tuple[int, ...], points: float, direction: str, size: str
) -> None:
    found = activities_change(dict(zip("abc", before, strict=True)), dict(zip("abc", now, strict=True)))
    assert found is not None
    assert found.points == pytest.approx(points, abs=1e-5)
    assert (str(found.direction), str(found.size)) == (direction, size)


def test_only_activities_rated_both_times_are_compared() -> None:
    found = activities_change({"a": 2, "gone": 9}, {"a": 5, "new": 0})
    assert found is not None
    assert found.points == 3
    assert activities_change({"a": 2}, {"b": 5}) is None


@pytest.mark.parametrize(("score", "direction"), [(2, ""), (3, "better"), (5, "better"), (-2, ""), (-3, "worse")])
def test_the_change_a_patient_feels_counts_from_two_and_a_half_points(score: int, direction: str) -> None:
    assert felt_change(score).direction == direction


def test_a_rating_is_due_at_the_start_and_every_two_weeks_and_never_without_an_activity() -> None:
    assert not due([], False, NOON)
    assert due([], True, NOON)
    assert not due([NOON], True, NOON + EVERY - 1)
    assert due([NOON - DAY, NOON], True, NOON + EVERY)
