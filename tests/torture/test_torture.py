"""The torture tests, short in `make test` and long in `make torture`: the same code, other counts."""

from pathlib import Path

import pytest

from service.database import Database, SQLite
from tests.conftest import forget_everything
from tests.torture.chaos import chaos
from tests.torture.claims import claims
from tests.torture.clocks import clocks
from tests.torture.failpoints import failpoints
from tests.torture.faults import faults, fits, seeded
from tests.torture.finding import LONG, experiment, length
from tests.torture.kills import kills
from tests.torture.outages import outages
from tests.torture.pauses import pauses
from tests.torture.races import DEEDS, Deed, races
from tests.torture.zygote import Zygote


def kind(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"


async def test_whatever_happens_at_any_step_nothing_is_lost_and_nothing_shown_twice(
    zygote: Zygote, database_url: str, tmp_path: Path
) -> None:
    with experiment(f"every failpoint x every fault, {kind(database_url)}", "cases") as found:
        await failpoints(zygote, database_url, tmp_path, found)


async def test_workers_killed_at_any_moment_lose_nothing_of_two_thousand_messages_and_show_nothing_twice(
    zygote: Zygote, database_url: str, tmp_path: Path
) -> None:
    with experiment(f"kill -9 at random, 2,000 messages due, {kind(database_url)}", "kills") as found:
        await kills(zygote, database_url, tmp_path, length(25, 1_000), found)


async def test_a_worker_that_stands_still_past_its_lease_changes_nothing_when_it_goes_on(
    zygote: Zygote, database_url: str, tmp_path: Path
) -> None:
    with experiment(f"SIGSTOP past the lease, then SIGCONT, {kind(database_url)}", "pauses") as found:
        await pauses(zygote, database_url, tmp_path, length(7, 250), found)


async def test_of_eight_workers_one_wins_each_row(zygote: Zygote, database_url: str, tmp_path: Path) -> None:
    with experiment(f"eight workers at once, {kind(database_url)}", "rows") as found:
        await claims(zygote, database_url, tmp_path, length(800, 10_000), found)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
async def test_nothing_is_handed_over_after_somebody_was_told_that_it_was_taken_back(
    database_url: str, tmp_path: Path, deed: Deed
) -> None:
    with experiment(f"{deed.name} against claim and send, {kind(database_url)}", "interleavings") as found:
        await races(database_url, tmp_path, length(40, 10_000), deed, found)


def test_check_ins_near_every_clock_change_are_in_their_window_and_in_allowed_hours() -> None:
    with experiment("every clock change x session ends x allowed hours", "cases") as found:
        clocks(found)


async def test_after_an_outage_whatever_has_an_open_minute_is_sent_and_the_rest_is_named(database: Database) -> None:
    name = "SQLite" if isinstance(database, SQLite) else "PostgreSQL"
    with experiment(f"outages of 5 min to 30 h, {name}", "runs") as found:
        await outages(database, forget_everything, found)


async def test_whatever_a_provider_answers_every_message_ends_as_it_should(database: Database) -> None:
    name = "SQLite" if isinstance(database, SQLite) else "PostgreSQL"
    with experiment(f"provider chaos, {name}", "messages") as found:
        await chaos(database, forget_everything, length(60, 20_000), found)


def test_the_seeded_faults_still_fit_the_code_and_name_tests_that_are_there() -> None:
    assert len(list(faults())) >= 25
    assert [why for it in faults() if (why := fits(it))] == []


if LONG:  # ten minutes; the short form has no time for it

    def test_each_seeded_fault_is_noticed_by_its_test(tmp_path: Path) -> None:
        with experiment("faults put into the code", "faults") as found:
            seeded(tmp_path, found)
