"""kill -9 at every step between claim and settle: a push service with a journal is the judge of what left us."""

import asyncio
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from notifications import addresses, outbox
from notifications.channels import topic
from notifications.channels.vapid import VapidKeys
from notifications.claiming import LEASE
from notifications.delivery import FAILPOINTS
from notifications.tables import message, outcome
from programs.instants import HOUR
from service import care
from service.database import Database, connect
from tests.peers.push_service import PushService, read_journal
from tests.peers.worker import SUBJECT
from tests.world import BEN, CLINIC, NOON, patient, populate, session

PATIENTS = tuple(f"p{number}" for number in range(6))
DUE = NOON + 6 * HOUR
# At these two the worker comes by once a message: the first, and one in the middle of the batch.
HITS = {"sending": (1, 4), "sent": (1, 4)}
KILLS = [(name, hit) for name in FAILPOINTS for hit in HITS.get(name, (1,))]


def enrol_all(db: Connection, phones: dict[str, dict[str, str]]) -> None:
    populate(db)
    for id in PATIENTS:
        care.enrol(db, BEN, patient(id, "ben"), None, NOON)
        addresses.put_address(db, CLINIC, id, f"{id}-phone", "web_push", phones[id], NOON)
        care.record_session(db, BEN, f"s-{id}", session(patient_id=id), NOON)


async def run_worker(url: str, now: int, key: Path, *kill: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.peers.worker", url, "--now", str(now), "--key", str(key), *kill
    )
    return await asyncio.wait_for(process.wait(), 60)


async def ended(db: Database) -> dict[str, str]:
    """Message id -> how it ended, of the check-ins that were due."""

    def read(connection: Connection) -> dict[str, str]:
        joined = select(message.c.id, outcome.c.state).outerjoin(
            outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id)
        )
        wanted = joined.where(message.c.person_id.in_(PATIENTS), message.c.planned_for <= DUE)
        return {row.id: row.state for row in connection.execute(wanted)}

    found: dict[str, str] = await db.read(read)
    return found


@pytest.mark.parametrize(("failpoint", "hit"), KILLS, ids=[f"{name}-{hit}" for name, hit in KILLS])
async def test_a_worker_killed_anywhere_loses_nothing_and_shows_nothing_twice(
    database_url: str, tmp_path: Path, failpoint: str, hit: int
) -> None:
    keys = VapidKeys.generate(SUBJECT)
    key = tmp_path / "vapid.pem"
    key.write_text(keys.pem())
    async with PushService(tmp_path / "journal") as phones:
        async with await connect(database_url, {}) as db:
            await db.write(enrol_all, {id: phones.subscribe(id, keys.public()) for id in PATIENTS})
        killed = await run_worker(database_url, DUE, key, "--kill-at", failpoint, "--hit", str(hit))
        assert killed == -signal.SIGKILL
        assert await run_worker(database_url, DUE + LEASE, key) == 0
        shown = phones.shown()

    async with await connect(database_url, {}) as db:
        states = await ended(db)
        assert await db.read(outbox.unaccounted) == 0
    assert len(states) == len(PATIENTS)
    assert set(states.values()) == {"accepted"}  # nothing lost
    assert {tag for _, tag in shown} == set(states)
    assert len(shown) == len(PATIENTS)  # nothing doubled in front of a patient
    taken = Counter(push.topic for push in read_journal(tmp_path / "journal"))
    assert set(taken) == {topic(id) for id in states}
    assert max(taken.values()) <= 2  # a crash between send and settle costs one repeat, under the same topic
