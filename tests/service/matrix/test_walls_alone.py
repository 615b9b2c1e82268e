"""Row-level security holds alone: the reads of the matrix once more, with our own filter taken out of every statement.

Each `clinic_id = ...` of each SELECT is made true as it is sent, also where tables are joined by it, so that nothing of
ours says any more which clinic is asked for. What then keeps a foreign row away is PostgreSQL, and nothing else: the
same statements by the owner of the tables, who is above the policies, do show them. Both are tried.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from service.app import build
from service.clock import SetClock
from service.database import PostgreSQL, connect
from tests.conftest import application_url, same_vault
from tests.service.matrix.door import Rehearsal
from tests.service.matrix.test_matrix import SETTINGS, Cell, Stage, cells, leaks, perform
from tests.service.matrix.world import EVENING, furnish, targets

LEAST_CELLS, LEAST_STATEMENTS = 500, 1_000
_FILTER = re.compile(r'"?\w+"?\.clinic_id = (?:%\(\w+\)s(?:::\w+)?|"?\w+"?\.clinic_id)')

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Stripped:
    """Takes our filter out of what an engine sends, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _db: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> Any:
        if statement.lstrip().startswith("SELECT"):
            statement, found = _FILTER.subn("true", statement)
            self.count += found
        return statement, values


@asynccontextmanager
async def unfiltered(url: str, ids: dict[str, dict[str, str]]) -> AsyncIterator[tuple[Stage, Stripped]]:
    async with await connect(url, {}) as database:
        assert isinstance(database, PostgreSQL)
        stripped = Stripped()
        event.listen(database._engine, "before_cursor_execute", stripped, retval=True)
        try:
            yield Stage(build(SETTINGS, Rehearsal(database), SetClock(EVENING), None), targets(ids)), stripped
        finally:  # the next test of this process may be given the same engine
            event.remove(database._engine, "before_cursor_execute", stripped)


def reads(stage: Stage) -> list[Cell]:
    """Of whoever sees a clinic, about what is theirs and what is the other's."""
    asking = ("patient", "clinician", "admin", "admin of another clinic", "key")
    about = ("own", "foreign", "foreign clinic")
    return [
        it for it in cells(stage) if it.key.startswith("GET ") and it.caller.name in asking and it.target.name in about
    ]


def foreign(cell: Cell, found: list[str]) -> list[str]:
    """Inside a clinic our own filter is what keeps colleagues apart; between clinics it may not be needed."""
    theirs = ("eve",) if cell.caller.clinic == "riverside" else ("ada", "fay", "old")
    return [it for it in found if it.endswith(theirs)]


async def test_without_our_filter_no_foreign_row_is_shown(
    database_url: str, tmp_path: Path, record_property: Any
) -> None:
    async with await connect(database_url, same_vault(tmp_path / "vault").carried) as owner:
        ids = await owner.write(furnish)
    async with unfiltered(application_url(database_url), ids) as (stage, stripped):
        found: list[str] = []
        asked = reads(stage)
        for cell in asked:
            found += foreign(cell, list(leaks(cell, await perform(stage.app, cell))))
        assert found == []
        assert len(asked) >= LEAST_CELLS
        assert stripped.count >= LEAST_STATEMENTS
    record_property("cells without our filter", len(asked))
    async with unfiltered(database_url, ids) as (stage, _):
        shown: list[str] = []
        for cell in (it for it in reads(stage) if it.caller.name == "admin" and "patients" in it.key):
            shown += foreign(cell, list(leaks(cell, await perform(stage.app, cell))))
        assert shown, "the filter was not taken out: the owner of the tables was shown nothing foreign either"
