"""The figures of the loop as Prometheus reads them, at a door of their own, with nobody's name in them."""

import asyncio
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from notifications.channels import Accepted, Later, Outcome, Parcel
from programs.instants import HOUR
from service import care, metrics
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from tests.notifications.test_delivery import Wire
from tests.world import BEN, CLINIC, NOON, populate, session


def fetched(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        return str(reply.read().decode())


async def scraped(worker: Worker) -> dict[str, float]:
    """Each sample by its name and labels."""
    with metrics.serving(0, worker) as port:
        raw = await asyncio.to_thread(fetched, port)
    assert CLINIC not in raw
    assert "ada" not in raw
    return {
        " ".join([it.name, *it.labels.values()]): it.value
        for family in text_string_to_metric_families(raw)
        for it in family.samples
    }


async def test_what_the_loop_did_can_be_read(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    clock = SetClock(NOON + 6 * HOUR)
    answers: list[Outcome] = [Later("503"), Accepted()]

    def answer(_label: str, _parcel: Parcel) -> Outcome:
        return answers.pop(0)

    worker = Worker(database, {"console": Wire(answer)}, clock)
    await worker.next_wake()
    before = await scraped(worker)
    assert before["homestretch_oldest_due_seconds"] == HOUR / 1000
    await worker.turn()
    clock.move_to(await worker.next_wake())
    await worker.turn()
    await worker.next_wake()
    after = await scraped(worker)
    assert after["homestretch_sends_total console later"] == after["homestretch_sends_total console accepted"] == 1
    assert after["homestretch_provider_seconds_count console"] == 2
    assert after["homestretch_provider_seconds_bucket console +Inf"] == 2
    assert (after["homestretch_messages_total claimed"], after["homestretch_messages_total postponed"]) == (2, 1)
    assert (after["homestretch_oldest_due_seconds"], after["homestretch_last_turn_seconds"]) == (0, 0)
    assert after["homestretch_providers_away console"] == after["homestretch_unaccounted"] == 0


async def test_threads_that_nobody_waits_for_any_more_are_seen_before_none_is_left(database: Database) -> None:
    class Texts(Wire):
        stuck = 3

    found = await scraped(Worker(database, {"sms": Texts(), "console": Wire()}, SetClock(NOON)))
    assert {name: value for name, value in found.items() if "stuck" in name} == {"homestretch_sends_stuck sms": 3}


async def test_there_is_no_door_where_none_was_asked_for(database: Database) -> None:
    with metrics.serving(None, Worker(database, {}, SetClock(NOON))) as port:
        assert port == 0
