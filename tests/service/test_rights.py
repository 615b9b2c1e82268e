"""What is of a patient is exported whole, and erased whole; messages stop; a back-up does not bring anybody back."""

import asyncio
import shutil
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from notifications import claiming, settling
from notifications.tables import endpoint
from programs import people
from programs.consent import WORDING
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import HOUR, MINUTE
from programs.tables import Value, patient
from service import care, rights, subject
from service.auth.tokens import make_token
from service.care import Who
from service.cli import main
from service.database import Database, connect
from service.rights import PRIVATE, WITHHELD, Erasure, HandingOver, journal
from service.subject import KEPT, METADATA, OF_NOBODY, OF_PATIENT, UNDECIDED, UNLISTED
from service.tables import audit, reply
from service.vault import Vault, open_vault
from tests.world import ADA, BEN, CLINIC, EVE, NOON, OTHER, assignment, populate, session
from tests.world import patient as world_patient

ADMIN = Who(CLINIC, "admin", "ben")
FILLED = tuple(name for name in OF_PATIENT if name != "tombstone")


def test_of_every_table_it_is_known_whose_its_rows_are() -> None:
    assert not UNDECIDED, "\n".join(UNLISTED.format(name=name) for name in UNDECIDED)
    assert not OF_NOBODY.keys() & OF_PATIENT.keys()
    assert KEPT.keys() <= OF_PATIENT.keys()


def test_a_table_that_nobody_decided_about_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    other = MetaData()
    for table in METADATA.sorted_tables:
        table.to_metadata(other)
    Table("diary", other, Column("clinic_id", String(64)), Column("words", Text))
    monkeypatch.setattr(subject, "METADATA", other)
    monkeypatch.setattr(subject, "patient", other.tables["patient"])
    assert subject._criteria()[1] == ["diary"]


class Seeds:
    """A row in every table of a patient, in every column of words a string that stands nowhere else."""

    def __init__(self, who: Who) -> None:
        self.who, self.made = who, 0
        self.words: dict[tuple[str, str], str] = {}

    def sow(self, db: Connection) -> None:
        if db.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))
        tables = [table for table in METADATA.sorted_tables if table.name in FILLED and table is not patient]
        values = {"of_clinic": self.who.clinic, "of_patient": self.who.id}
        for table in reversed(tables):
            if table is not audit:
                db.execute(delete(table).where(OF_PATIENT[table.name]), values)
        for table in tables:
            self._sow(db, table)
        name = self._word(patient, patient.c.name)
        db.execute(update(patient).where(OF_PATIENT["patient"]).values(name=name), values)

    def _sow(self, db: Connection, table: Table) -> None:
        row = {column.name: self._value(table, column) for column in table.c}
        named = [name for name in ("patient_id", "person_id") if name in table.c]
        row |= dict.fromkeys(named, self.who.id)
        for key in table.foreign_key_constraints:
            parent = key.referred_table
            if parent.name in FILLED and parent is not patient and parent.name != "clinician":
                own, theirs = list(key.columns)[-1].name, key.elements[-1].column
                criterion = OF_PATIENT[parent.name]
                values = {"of_clinic": self.who.clinic, "of_patient": self.who.id}
                row[own] = db.execute(select(theirs).where(criterion).order_by(theirs.desc()), values).scalar()
            elif parent.name == "clinician":
                row[list(key.columns)[-1].name] = "ben" if self.who is ADA else "dov"
            elif parent.name == "protocol":
                row[list(key.columns)[-1].name] = None
        db.execute(insert(table), row)
        for column in table.c:  # what names another row is not a word of its own
            word = self.words.get((table.name, column.name))
            if word is not None and word not in str(row[column.name]):
                del self.words[table.name, column.name]

    def _value(self, table: Table, column: Column[Any]) -> Any:
        self.made += 1
        if column.name == "clinic_id":
            return self.who.clinic
        allowed = _allowed(table, column)
        if allowed:
            return allowed[0]
        if isinstance(column.type, Value):
            return {"said": self._word(table, column)}
        if isinstance(column.type, Boolean | Integer):
            instant = isinstance(column.type, BigInteger) and not column.primary_key
            return isinstance(column.type, Boolean) or (NOON if instant else 10_000 + self.made)
        return self._word(table, column)

    def _word(self, table: Table, column: Column[Any]) -> str:
        length = getattr(column.type, "length", None) or 64
        word = f"canary{self.who.id}{self.made:04}"[:length]
        self.words[table.name, column.name] = word
        return word


def _allowed(table: Table, column: Column[Any]) -> list[str]:
    """What a check lets stand there."""
    for check in table.constraints:
        words = str(check.sqltext) if isinstance(check, CheckConstraint) else ""
        if words.startswith(f"{column.name} IN ("):
            return words.partition("(")[2].rstrip(")").replace("'", "").split(", ")
    return []


@pytest.fixture
async def seeded(database: Database) -> tuple[Seeds, Seeds]:
    """Ada and Eve with something of theirs in every table."""
    await database.write(populate)
    ada, eve = Seeds(ADA), Seeds(EVE)
    await database.write(ada.sow)
    await database.write(eve.sow)
    return ada, eve


async def test_the_export_holds_every_word_of_ones_own_and_none_of_another(
    database: Database, seeded: tuple[Seeds, Seeds]
) -> None:
    ada, eve = seeded
    found = await database.read(rights.export, CLINIC, "ada", NOON, True)
    whole = msgspec.json.encode(found).decode()
    missing = {where for where, word in ada.words.items() if word not in whole} - WITHHELD.keys()
    assert not missing
    assert not [word for word in eve.words.values() if word in whole]
    assert not [where for where in WITHHELD if where in ada.words and ada.words[where] in whole]
    assert {table for table, _ in ada.words} <= found["records"].keys()


async def test_a_patients_own_copy_leaves_out_what_clinicians_write_for_each_other(
    database: Database, seeded: tuple[Seeds, Seeds]
) -> None:
    ada, _ = seeded
    whole, own = [await _copy(database, private) for private in (True, False)]
    notes = {word for (table, column), word in ada.words.items() if (table, column) in PRIVATE and column == "note"}
    assert len(notes) == 3
    assert all(word in whole and word not in own for word in notes)


async def test_nor_is_the_note_of_a_needling_session_in_it(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(note="Not for her eyes."), NOON)
    assert ["Not for her eyes." in await _copy(database, private) for private in (True, False)] == [True, False]


async def _copy(database: Database, private: bool) -> str:
    return msgspec.json.encode(await database.read(rights.export, CLINIC, "ada", NOON, private)).decode()


async def test_an_export_reads_times_as_times_and_values_as_values(database: Database) -> None:
    await database.write(populate)
    await database.write(care.record_session, BEN, "s1", session(), NOON)
    found = await database.read(rights.export, CLINIC, "ada", NOON, True)
    assert found["made_at"] == "2026-06-01T16:00:00Z"
    visit = found["records"]["needling_session"][0]
    assert visit["recorded_at"] == "2026-06-01T16:00:00Z"
    assert visit["value"]["muscles"] == ["gluteus medius", "iliopsoas"]
    assert found["records"]["consent"][0]["given"] is True
    assert found["clinicians"]["ben"] == "Ben"
    with pytest.raises(NoSuchRecord):
        await database.read(rights.export, OTHER, "ada", NOON, True)


def rows_of(db: Connection, who: Who) -> dict[str, int]:
    values = {"of_clinic": who.clinic, "of_patient": who.id}
    return {
        name: db.execute(select(func.count()).select_from(METADATA.tables[name]).where(mine), values).scalar_one()
        for name, mine in OF_PATIENT.items()
    }


async def test_erasing_leaves_a_tombstone_and_the_audit_and_nothing_of_anybody_else_is_touched(
    database: Database, seeded: tuple[Seeds, Seeds]
) -> None:
    ada, _ = seeded
    before = await database.read(rows_of, EVE)
    assert all(count for name, count in (await database.read(rows_of, ADA)).items() if name != "tombstone")
    assert await database.write(rights.erase, ADMIN, "ada", NOON + MINUTE)
    assert not await database.write(rights.erase, ADMIN, "ada", NOON + MINUTE)  # twice is once
    left = await database.read(rows_of, ADA)
    assert {name for name, count in left.items() if count} == {"tombstone", "audit"}
    assert await database.read(rows_of, EVE) == before
    found = await database.read(everything)
    words = [word for (table, _), word in ada.words.items() if table not in KEPT]
    assert not [word for word in words if word in found]


def everything(db: Connection) -> str:
    return "".join(repr(row) for table in METADATA.sorted_tables for row in db.execute(select(table)))


async def test_after_erasing_the_raw_files_hold_nothing_of_the_person(tmp_path: Path, sqlite_original: Path) -> None:
    file = tmp_path / "homestretch.db"
    shutil.copy(sqlite_original, file)
    ada = Seeds(ADA)
    async with await connect(f"sqlite:///{file}", open_vault(tmp_path / "vault").carried) as db:
        await db.write(populate)
        await db.write(ada.sow)
        renamed = update(patient).where(patient.c.id == "ada").values(name="canaryafter " * 400)
        await db.write(lambda it: it.execute(renamed).rowcount)  # what a name once was is gone too
        words = [word.encode() for (table, _), word in ada.words.items() if table not in KEPT] + [b"canaryafter"]
        assert [word for word in words if word in raw(file)]
        await db.write(rights.erase, ADMIN, "ada", NOON)
        await db.scrub()
        assert not [word for word in words if word in raw(file)]
        assert await db.read(people.clinic_of, CLINIC)
    assert not [word for word in words if word in raw(file)]


def raw(file: Path) -> bytes:
    return b"".join(it.read_bytes() for it in file.parent.glob(f"{file.name}*") if it.is_file())


async def test_unenrolling_ends_phones_addresses_and_messages_and_keeps_the_record(database: Database) -> None:
    await database.write(arranged)
    assert (await database.read(rows_of, ADA))["due"]
    await database.write(rights.unenrol, ADA, "ada", NOON + MINUTE)
    left = await database.read(rows_of, ADA)
    assert not any(left[name] for name in ("due", "address", "token", "enrolment"))
    assert left["needling_session"] == left["plan"] == 1
    given = [(it.given, it.wording, it.recorded_by) for it in await database.read(people.consents_of, CLINIC, "ada")]
    assert given == [(True, WORDING, "clinician:ben"), (False, WORDING, "patient:ada")]
    await database.write(rights.unenrol, ADA, "ada", NOON + HOUR)  # twice is once
    assert len(await database.read(people.consents_of, CLINIC, "ada")) == 2


@pytest.mark.parametrize("end", [rights.unenrol, rights.erase])
async def test_nobody_holds_the_phone_of_whoever_is_gone(database: Database, end: Any) -> None:
    """A push endpoint names no clinic's row by a key: it is found by the address."""
    subscription = {"endpoint": "https://push.example/abc", "p256dh": "k", "auth": "a"}

    def registered(db: Connection) -> None:
        arranged(db)
        care.put_address(db, ADA, "ada", "push", "web_push", subscription, NOON)
        care.put_address(
            db, EVE, "eve", "push", "web_push", {**subscription, "endpoint": "https://push.example/d"}, NOON
        )

    def holders(db: Connection) -> list[str]:
        return list(db.execute(select(endpoint.c.clinic)).scalars())

    await database.write(registered)
    assert sorted(await database.read(holders)) == [OTHER, CLINIC]
    await database.write(end, ADMIN, "ada", NOON)
    assert await database.read(holders) == [OTHER]


def arranged(db: Connection) -> None:
    populate(db)
    make_token(db, ADA, NOON)
    care.record_session(db, BEN, "s1", session(), NOON)
    care.assign_plan(db, BEN, "p1", assignment(), NOON)


async def test_a_legal_hold_keeps_the_record_until_it_is_released(database: Database) -> None:
    await database.write(arranged)
    with pytest.raises(Invalid):
        await database.write(rights.hold, ADMIN, "ada", "  ", NOON)
    await database.write(rights.hold, ADMIN, "ada", "A claim of 3 May.", NOON)
    await database.write(rights.hold, ADMIN, "ada", "Two claims.", NOON + MINUTE)
    found = await database.read(rights.held, CLINIC, "ada")
    assert found is not None
    assert found.reason == "Two claims."
    with pytest.raises(Conflict, match="legal hold"):
        await database.write(rights.erase, ADMIN, "ada", NOON + HOUR)
    assert (await database.read(people.patient_of, CLINIC, "ada")).name == "Ada"
    await database.write(rights.release, ADMIN, "ada", "Both were settled.", NOON + HOUR)
    assert await database.write(rights.erase, ADMIN, "ada", NOON + 2 * HOUR)


async def test_an_erased_record_is_not_brought_back_by_an_import_nor_by_a_back_up(database: Database) -> None:
    await database.write(arranged)
    vault: Vault = database.carried["vault"]
    await database.write(rights.erase, ADMIN, "ada", NOON)
    assert journal(vault) == [Erasure(CLINIC, "ada", NOON)]
    with pytest.raises(Conflict, match="erased"):
        await database.write(care.enrol, BEN, world_patient("ada", "ben"), None, NOON)
    await database.write(put_back)
    assert await database.write(rights.reapply, journal(vault)[0], NOON + HOUR) == "erased again"
    assert await database.write(rights.reapply, journal(vault)[0], NOON + HOUR) == ""
    with pytest.raises(NoSuchRecord):
        await database.read(people.patient_of, CLINIC, "ada")


def put_back(db: Connection) -> None:
    """As it was before."""
    db.execute(delete(METADATA.tables["tombstone"]))
    care.enrol(db, BEN, world_patient("ada", "ben"), None, NOON)


async def test_a_hold_set_after_the_erasure_was_noted_is_not_passed_over(database: Database) -> None:
    await database.write(arranged)
    await database.write(rights.hold, ADMIN, "ada", "A claim.", NOON + HOUR)
    said = await database.write(rights.reapply, Erasure(CLINIC, "ada", NOON), NOON + 2 * HOUR)
    assert said.startswith("left as it is")
    assert await database.read(people.patient_of, CLINIC, "ada")


async def test_nothing_is_handed_over_after_the_commit_that_erases(database: Database) -> None:
    """While a message is on its way the record waits; what the worker says afterwards breaks nothing."""
    await database.write(arranged)
    at = NOON + 6 * HOUR
    count, claimed = await database.write(claiming.claim, at)
    assert count
    with pytest.raises(HandingOver):
        await database.write(rights.erase, ADMIN, "ada", at)
    assert await database.write(rights.erase, ADMIN, "ada", at + claiming.LEASE)
    sent = [settling.Sent(it, ()) for it in claimed]
    await database.write(settling.settle, sent, at + claiming.LEASE, Random(1))
    assert await database.write(claiming.claim, at + HOUR) == (0, [])
    assert {name for name, count in (await database.read(rows_of, ADA)).items() if count} == {"tombstone", "audit"}


async def test_a_clinics_numbers_stand_without_whoever_was_erased(database: Database) -> None:
    await database.write(arranged)
    await database.write(rights.erase, ADMIN, "ada", NOON)
    assert [it.id for it in await database.read(people.patients_of, CLINIC)] == []


async def test_replies_kept_for_staff_that_quote_the_record_go_with_it(database: Database) -> None:
    await database.write(arranged)

    def keep(db: Connection) -> None:
        for key, body in (("one", '{"id":"ada","name":"Ada"}'), ("two", '{"id":"s1"}'), ("three", '{"id":"other"}')):
            row = {"clinic_id": CLINIC, "person_id": "ben", "key": key, "request": "", "status": 200, "made_at": NOON}
            db.execute(insert(reply), {**row, "body": body})

    await database.write(keep)
    await database.write(rights.erase, ADMIN, "ada", NOON)
    assert await database.read(lambda db: db.execute(select(reply.c.key)).scalars().all()) == ["three"]


async def test_an_operator_erases_what_an_admin_decided(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMESTRETCH_DATABASE_URL", database_url)
    monkeypatch.setenv("HOMESTRETCH_VAULT", str(tmp_path / "vault"))

    def staffed(db: Connection) -> None:
        arranged(db)
        people.add_clinician(db, CLINIC, "max", "Max", "admin")

    async with await connect(database_url, {}) as db:
        await db.write(staffed)

    def said(by: str) -> str:
        words = ["erasures", "erase", "--clinic", CLINIC, "--patient", "ada", "--by", by, "--yes"]
        return CliRunner().invoke(main, words).output

    assert "ben is no admin" in await asyncio.to_thread(said, "ben")
    assert await asyncio.to_thread(said, "max") == "Erased.\n"
    async with await connect(database_url, {}) as db:
        assert await db.write(people.erased_at, CLINIC, "ada")
    apply = await asyncio.to_thread(lambda: CliRunner().invoke(main, ["erasures", "apply"]).output)
    assert apply == "Erased again: 0\n"
