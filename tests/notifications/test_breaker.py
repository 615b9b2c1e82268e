"""A provider that is down is asked once a pause, however many wait for it; none is asked more often than it bears."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from notifications.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPENS_AFTER, Breaker, Bucket
from programs.instants import HOUR, SECOND
from tests.world import NOON


def test_it_opens_after_failures_in_a_row_and_then_one_asks_for_all() -> None:
    it = Breaker()
    for _ in range(OPENS_AFTER):
        assert it.wait(NOON) == 0
        it.failed(NOON)
    assert it.wait(NOON + 1) == FIRST_PAUSE - 1
    assert it.wait(NOON + FIRST_PAUSE) == 0
    # While that one is asking, nobody else does.
    assert it.wait(NOON + FIRST_PAUSE) == FIRST_PAUSE


def test_what_was_under_way_when_it_opened_does_not_make_the_pause_longer() -> None:
    it = Breaker()
    for _ in range(OPENS_AFTER + 50):
        it.failed(NOON)
    assert it.wait(NOON + FIRST_PAUSE) == 0


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    it = Breaker()
    for _ in range(OPENS_AFTER):
        it.failed(NOON)
    assert it.wait(NOON - HOUR) == 0


@given(st.lists(st.integers(0, 5 * SECOND), min_size=20, max_size=100))
def test_an_outage_costs_no_more_requests_than_its_pauses(gaps: list[int]) -> None:
    it, now, asked = Breaker(), NOON, []
    for gap in gaps:
        now += gap
        if it.wait(now) == 0:
            asked.append(now)
            it.failed(now)
    probes = asked[OPENS_AFTER:]
    pauses = [min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) for number in range(len(probes))]
    since = asked[OPENS_AFTER - 1 :] if probes else []
    for before, after, pause in zip(since, probes, pauses, strict=False):
        assert after - before >= pause


@given(st.floats(0.5, 500), st.lists(st.floats(0, 0.2), min_size=2, max_size=50))
def test_a_bucket_gives_no_more_turns_a_second_than_its_rate(rate: float, gaps: list[float]) -> None:
    it, now, turns = Bucket(rate), 0.0, []
    for gap in gaps:
        now += gap
        wait = it.wait(now, 3)
        assert wait is None or wait <= 3
        if wait is not None:
            turns.append(now + wait)
    assert all(after - before >= 1 / rate - 1e-9 for before, after in pairwise(turns))


def test_a_bucket_without_a_rate_keeps_nobody_waiting() -> None:
    it = Bucket(None)
    assert [it.wait(1.0, 0) for _ in range(100)] == [0] * 100
