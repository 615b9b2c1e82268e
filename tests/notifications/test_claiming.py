"""Whose messages are taken first where more is due than one batch takes."""

from collections import Counter

from sqlalchemy import Connection

from notifications import claiming
from notifications.claiming import BATCH, SHARE
from notifications.outbox import insert_messages
from programs import people
from programs.instants import DAY, HOUR
from programs.people import Clinic
from service.database import Database
from tests.world import CLINIC, NOON, OTHER, populate

BULK = 5_000


def pile(db: Connection, clinic: str, kind: str, count: int, planned: int = NOON) -> None:
    """`count` messages that are due, all of them of one person."""
    rows = [
        {
            "clinic_id": clinic,
            "id": f"{kind}-{number}",
            "person_id": "ada",
            "kind": kind,
            "key": f"{kind}:{number:06}",
            "planned_for": planned,
            "closes": planned + DAY,
            "subjects": (f"{kind}:{number:06}",),
            "reasons": (),
            "planned_at": planned,
        }
        for number in range(count)
    ]
    insert_messages(db, rows)


def taken(db: Connection, now: int, turn: int = 0) -> list[tuple[str, str]]:
    """Clinic and kind of each message of one claim, in the order in which they were taken."""
    return [(it.clinic, it.key.partition(":")[0]) for it in claiming._take(db, now, BATCH, turn)]


async def test_a_clinics_import_delays_nobody_elses_check_in(database: Database) -> None:
    await database.write(populate)
    await database.write(pile, CLINIC, "bout", BULK // 2)
    await database.write(pile, CLINIC, "check_in", BULK // 2)
    await database.write(pile, OTHER, "bout", 1, NOON + HOUR - 2)
    await database.write(pile, OTHER, "check_in", 1, NOON + HOUR - 1)
    first = await database.write(taken, NOON + HOUR)
    assert len(first) == BATCH
    assert {(OTHER, "check_in"), (OTHER, "bout")} < set(first)
    # What room the others leave is for who is asked before who is reminded.
    assert Counter(first)[CLINIC, "check_in"] == BATCH - SHARE - 2
    second = await database.write(taken, NOON + HOUR, 1)
    assert Counter(second) == {(CLINIC, "check_in"): BATCH - SHARE, (CLINIC, "bout"): SHARE}


async def test_clinics_that_all_wait_have_their_share_one_after_the_other(database: Database) -> None:
    clinics = [f"c{number:02}" for number in range(20)]

    def fill(db: Connection) -> None:
        for clinic in clinics:
            people.add_clinic(db, Clinic(clinic, clinic, "America/New_York", "US", ""), NOON)
            pile(db, clinic, "check_in", SHARE)
        pile(db, clinics[-1], "alert", 1)

    await database.write(fill)
    turns = [await database.write(taken, NOON, turn) for turn in range(3)]
    # The one who must act now is in the first claim, whosever turn it is.
    assert turns[0][0] == (clinics[-1], "alert")
    assert {clinic for turn in turns for clinic, _ in turn} == set(clinics)
    assert max(len(set(turn)) for turn in turns) == BATCH // SHARE + 1
