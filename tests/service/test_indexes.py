"""What everybody does every day costs the same in a clinic of ten patients and of ten thousand."""

import random
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event

from notifications import claiming, outbox, settling
from notifications.channels import Accepted
from notifications.receipts import Receipt
from programs.completions import Completion
from programs.instants import HOUR
from programs.phases import Phases
from service import care, counting, reading
from tests.world import ADA, BEN, CLINIC, NOON, assignment, populate, session

# Of these a clinic has as many rows as it has patients, or many more.
LARGE = (
    "address|answer|check_in|completion|delivery|due|hold|horizon|message|needling_session|outcome|patient|plan|"
    "preference|receipt|revision|snooze"
)
THE_WHOLE_OF = re.compile(rf"SCAN ({LARGE})\b|SEARCH ({LARGE}) .*\(clinic_id=\?\)$")
EVENING = NOON + 5 * HOUR


def a_day(db: Connection) -> None:
    """Recorded, planned, sent, confirmed, looked at, answered, done, counted."""
    care.record_session(db, BEN, "s1", session(), NOON)
    care.assign_plan(db, BEN, "p", assignment(phases=Phases()), NOON)
    _, claimed = claiming.claim(db, EVENING)
    assert claimed
    sent = [settling.Sent(it, (settling.Try(it.ladder[0][0], Accepted()),)) for it in claimed]
    settling.settle(db, sent, EVENING, random.Random(1))
    care.confirm(db, ADA, Receipt(claimed[0].row.id, "opened", EVENING), EVENING)
    reading.today(db, ADA, EVENING)
    reading.my_check_ins(db, ADA, None, 10)
    care.answer(db, ADA, "s1-evening", {"q_sore": 3}, EVENING, EVENING)
    done = Completion("c1", "p", "walking", date(2026, 6, 2), "09:00", "done", EVENING)
    assert [it.verdict for it in care.complete(db, ADA, [done], EVENING)] == ["accepted"]
    outbox.reconcile(db, CLINIC, ["ada"], EVENING)
    counting.roll_up(db, CLINIC, ["ada"], EVENING)


@pytest.fixture
def sqlite_file(sqlite_original: Path, tmp_path: Path) -> Iterator[Connection]:
    path = tmp_path / "homestretch.db"
    path.write_bytes(sqlite_original.read_bytes())
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as db:
        yield db
    engine.dispose()


def test_no_day_of_a_patient_goes_through_all_rows_of_their_clinic(sqlite_file: Connection) -> None:
    populate(sqlite_file)
    steps: list[str] = []

    def explain(db: Connection, _cursor: object, sql: str, values: object, _context: object, many: bool) -> None:
        if sql.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            raw = db.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {sql}", values[0] if many else values)  # type: ignore[index,arg-type]
            steps.extend(f"{step[3]}: {sql}" for step in raw.fetchall())

    event.listen(sqlite_file, "before_cursor_execute", explain)
    a_day(sqlite_file)
    assert len(steps) > 100
    assert [it for it in steps if THE_WHOLE_OF.search(it.partition(":")[0])] == []
