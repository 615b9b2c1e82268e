"""The demo clinic has something of each kind to see, and it all came about through the engine."""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import pytest

from notifications import conservation
from notifications.timing import zone
from programs import adherence, checkins, people, plans
from programs.errors import Conflict
from programs.instants import of
from service import counting, reading
from service.auth import tokens
from service.database import Database
from service.demo import HOME, ROLES, TOKENS, fill_demo
from service.simulation.proof import messages
from service.simulation.scratch import scratch

NOW = of(datetime.fromisoformat("2026-11-21T10:00:00+01:00"))  # in New York a Saturday, four in the morning


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """SQLite only, as a demo is always a file of its own; both databases play in test_simulate."""
    async with scratch() as db:
        yield db


async def test_the_demo_shows_something_of_each_kind_and_is_filled_once(database: Database) -> None:
    seen: list[int] = []
    await fill_demo(database, NOW, lambda at, messages: seen.append(messages))
    assert seen == sorted(seen)

    ada = TOKENS["demo-ada"]
    today = await database.read(reading.today, ada, NOW)
    assert [it.check_in.state for it in today.check_ins] == ["open"]
    assert [task.logged for task in today.tasks] == [{}]
    for given, who in TOKENS.items():
        assert str((await database.read(tokens.find_token, given, NOW)).who) == str(who)

    flags = await database.read(checkins.flags_of, HOME.id)
    assert any(it.tier == "emergency" and it.acknowledged_at is not None for it in flags)
    assert any(it.tier == "same_day" and it.acknowledged_at is None for it in flags)

    assert await bands(database) == {"on track", "partial", "low", "not enough data"}
    everybody = await database.read(people.patients_of, HOME.id)
    assert len(everybody) == len(ROLES)
    assert any(it.discharged_at is not None for it in everybody)
    assert any(not it.consented for it in everybody)
    courses = await database.read(plans.courses_of, HOME.id, ["ines"])
    assert [hold.until_wall for hold in courses["ines"][0].holds] == [None]

    ended = {(it.who.id, it.reason) for it in await database.read(messages)}
    assert ("hollis", "no_address") in ended
    assert await database.read(conservation.unaccounted) == 0

    with pytest.raises(Conflict):
        await fill_demo(database, NOW)


async def bands(database: Database) -> set[str]:
    last = date.fromordinal(zone(HOME.zone).wall(NOW).day)
    found = set()
    for role in ROLES:
        items = await database.read(counting.patient_ledger, HOME.id, role.id, last - timedelta(days=27), last, NOW)
        found.add(adherence.sum_up(items).band)
    return found
