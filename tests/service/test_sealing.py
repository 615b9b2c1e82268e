"""The secret of one-time codes is not readable where it lies, and opens only in its own row with its own vault."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text, update

from service import sealing
from service.auth import staff, tickets
from service.auth.tickets import State
from service.care import Who
from service.database import Database, connect
from service.serving import _seal
from service.tables import credential, ticket
from service.vault import open_vault
from tests.service.console.staff import SECRET, with_ben
from tests.world import BEN, CLEO, CLINIC, NOON


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(with_ben)
    return database


def kept(db: Connection) -> str:
    return str(db.execute(select(credential.c.totp).where(credential.c.clinician_id == "ben")).scalar_one())


def secret(db: Connection, who: Who = BEN) -> str | None:
    return staff.secret_of(db, staff.staff_of(db, who))


async def test_what_is_kept_is_not_the_secret_and_opens_in_its_own_row_alone(clinic: Database) -> None:
    def moved(db: Connection) -> str | None:
        staff.add(db, CLINIC, "cleo@riverside.example", "Cleo", "clinician", NOON)
        db.execute(update(credential).where(credential.c.clinician_id == "cleo").values(totp=kept(db)))
        return secret(db, CLEO)

    assert SECRET not in await clinic.read(kept)
    assert await clinic.read(secret) == SECRET
    assert await clinic.write(moved) is None


async def test_changed_by_a_letter_or_left_readable_it_opens_nothing(clinic: Database) -> None:
    sealed = await clinic.read(kept)
    for other in (
        sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:],
        sealed[:-8],
        SECRET,
        "sealed1:",
        "sealed9" + sealed[7:],
    ):

        def put(db: Connection, it: str = other) -> str | None:
            db.execute(update(credential).where(credential.c.clinician_id == "ben").values(totp=it))
            return secret(db)

        assert await clinic.write(put) is None, other


async def test_another_vault_opens_nothing(clinic: Database, tmp_path: Path) -> None:
    other = open_vault(tmp_path / "other").carried

    def elsewhere(db: Connection) -> str | None:
        own = dict(db.info)
        db.info.update(other)
        try:
            return secret(db)
        finally:
            db.info.update(own)

    assert await clinic.read(elsewhere) is None
    assert await clinic.read(secret) == SECRET


async def test_one_that_is_being_set_up_is_sealed_too(clinic: Database) -> None:
    def begun(db: Connection) -> tuple[str, str]:
        code = tickets.make_ticket(db, "factor", BEN, State(secret=SECRET), NOON)
        found = tickets.find_ticket(db, code, NOON, ["factor"])
        assert found is not None
        return found.state.secret, str(db.execute(select(ticket.c.state)).scalars().all())

    shown, rows = await clinic.write(begun)
    assert (shown, SECRET in rows) == (SECRET, False)


async def test_what_an_earlier_version_left_readable_is_sealed_as_the_server_starts(
    database_url: str, tmp_path: Path
) -> None:
    carried = open_vault(tmp_path / "vault").carried
    async with await connect(database_url, carried) as db:
        await db.write(with_ben)
        await db.write(lambda it: it.execute(text(f"UPDATE credential SET totp = '{SECRET}'")).rowcount)
        await _seal(db)
        assert sealing.key_of(await db.read(kept)) == 1
        assert await db.read(secret) == SECRET
