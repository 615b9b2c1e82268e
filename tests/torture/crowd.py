"""Thousands of patients with a check-in due, in a second: the rows of one, made by the engine itself, written again."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert, select

from notifications.tables import message
from programs.instants import HOUR, Instant
from service import care
from service.tables import token
from tests.world import ADA, BEN, CLINIC, NOON, patient, session

TABLES = tuple(it for it in token.metadata.sorted_tables if "clinic_id" in it.c and not it.name.startswith("audit"))
SEED = "x00000"
DUE = NOON + 5 * HOUR
"""When the first check-in of each is due."""


def seed(db: Connection, channel: str = "console", id: str = SEED, due: Instant = DUE) -> None:
    """One patient with a check-in due then. The world of tests/world.py must be there."""
    care.enrol(db, BEN, patient(id, BEN.id), None, NOON)
    care.put_address(db, msgspec.structs.replace(ADA, id=id), id, f"{id}-phone", channel, {"label": id}, NOON)
    care.record_session(db, BEN, f"s-{id}", session(due - 6 * HOUR, patient_id=id), NOON)


def clone(db: Connection, first: int, count: int, phones: dict[str, dict[str, str]] | None = None) -> list[str]:
    """So many more like the seed, from number `first` on; their ids. `phones` are their Web Push addresses, if any."""
    ids = [f"x{number:05}" for number in range(first, first + count)]
    messages = set(db.execute(select(message.c.id).where(message.c.person_id == SEED)).scalars())
    for table in TABLES:
        rows = [dict(row._mapping) for row in db.execute(select(table).where(table.c.clinic_id == CLINIC))]
        mine = [row for row in rows if any(isinstance(it, str) and SEED in it for it in row.values())]
        mine += [row for row in rows if row not in mine and not messages.isdisjoint(map(str, row.values()))]
        written = [_again(table, row, id, messages, phones) for id in ids for row in mine]
        if written:
            db.execute(insert(table), written)
    return ids


def _again(
    table: Table, row: dict[str, Any], id: str, messages: set[str], phones: dict[str, dict[str, str]] | None
) -> dict[str, Any]:
    def anew(it: Any) -> Any:
        if not isinstance(it, str):
            return it
        said = f"{it}.{id}" if it in messages else it.replace(SEED, id)
        return msgspec.json.decode(said) if said[:1] in ("[", "{") else said  # a JSON value goes in as what it says

    again = {name: anew(it) for name, it in row.items()}
    if table.name == "address" and phones is not None:
        again |= {"channel": "web_push", "value": phones[id]}
    return again
