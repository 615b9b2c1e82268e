"""What holds every statement of a test run against the first wall sees a statement that forgot its clinic."""

import pytest
from sqlalchemy import Connection, select

from programs import people
from programs.tables import patient
from service.database import Database
from tests import statements
from tests.world import CLINIC, populate

OF_ONE = (
    "SELECT patient.name FROM patient WHERE patient.clinic_id = ? AND patient.id = ?",
    'SELECT 1 FROM patient WHERE patient.clinic_id = %(c)s AND EXISTS (SELECT 1 FROM "plan" '
    'WHERE "plan".clinic_id = patient.clinic_id)',
    "UPDATE due SET state=? WHERE due.clinic_id = ?",
    "INSERT INTO patient (clinic_id, id) VALUES (?, ?)",
    "SELECT until FROM rate WHERE rate.name = ?",
    "SELECT 1 FROM patient, plan AS p WHERE patient.clinic_id = ? AND p.clinic_id = patient.clinic_id",
    "DELETE FROM due USING message WHERE due.clinic_id = %(c)s AND message.clinic_id = %(c)s",
)
OF_ANY = (
    "SELECT patient.name FROM patient WHERE patient.id = ?",
    "SELECT 1 FROM patient JOIN plan ON plan.patient_id = patient.id WHERE patient.clinic_id = ?",
    "SELECT 1 FROM patient JOIN plan ON plan.clinic_id = patient.clinic_id",
    "DELETE FROM reply WHERE reply.made_at < ?",
    "SELECT 1 FROM patient, plan WHERE patient.clinic_id = ?",
    "SELECT 1 FROM patient AS p, plan AS q WHERE q.clinic_id = ? AND p.id = q.patient_id",
    "DELETE FROM due USING message WHERE due.clinic_id = %(c)s",
    "UPDATE flag SET note=?",
)


def test_a_statement_is_of_one_clinic_when_each_of_its_tables_is_tied_to_it() -> None:
    assert [it for it in OF_ONE if not statements._is_of_a_clinic(it)] == []
    assert [it for it in OF_ANY if statements._is_of_a_clinic(it)] == []


async def test_a_verb_that_forgets_its_clinic_is_stopped_and_a_test_may_look_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(populate)
    anybodys = select(*people.PATIENT).where(patient.c.id == "ada")
    assert len(await database.read(lambda db: db.execute(anybodys).all())) == 1
    monkeypatch.setattr(people, "_SOME", anybodys)

    def forgetful(db: Connection) -> object:
        return people.some_patients(db, CLINIC, ["ada"])

    with pytest.raises(AssertionError, match=r"programs\.people:some_patients asks a clinic's table for rows of any"):
        await database.read(forgetful)
    assert len(statements.faults) == 1
    statements.faults.clear()
