"""PostgreSQL's own wall between clinics: it stands on every table, and no role that could pass it may serve."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from itertools import cycle, islice, product

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import ProgrammingError

from notifications import addresses
from notifications.tables import message
from programs import people, walls
from programs.tables import needling_session, patient
from service import care, tables
from service.cli import main
from service.database import Database, connect, postgresql_engine
from service.migrations import migrate, migrating
from service.walls import OPEN_BY_LINK, OPEN_TO_SERVICE, WALLED, faults
from tests.conftest import APPLICATION, application_url, run
from tests.world import ADA, BEN, CLINIC, DOV, EVE, NOON, OTHER, populate, session

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
pytestmark = only_postgresql
METADATA = tables.token.metadata


def both_clinics(db: Connection) -> None:
    populate(db)
    care.record_session(db, BEN, "s1", session(), NOON)
    care.record_session(db, DOV, "s2", session(patient_id="eve", clinician_id="dov"), NOON)


@pytest.fixture
async def application(database_url: str) -> AsyncIterator[Database]:
    """Both clinics, and the application's own way to them."""
    async with await connect(database_url, {}) as owner:
        await owner.write(both_clinics)
    async with await connect(application_url(database_url), {}) as opened:
        yield opened


def rows(db: Connection) -> dict[str, set[str]]:
    """Table -> the clinics of the rows that are seen, asked for without any filter."""
    found = {}
    for name in WALLED:
        column = METADATA.tables[name].c.clinic_id
        found[name] = set(db.execute(select(column).distinct()).scalars())
    return found


async def test_a_transaction_of_one_clinic_sees_that_clinic_alone_whatever_it_asks_for(application: Database) -> None:
    for clinic in (CLINIC, OTHER):
        seen = await application.at(clinic).read(rows)
        assert set().union(*seen.values()) == {clinic}
        assert seen["patient"] == seen["due"] == seen["message"] == seen["needling_session"] == {clinic}


async def test_where_no_clinic_was_named_only_what_the_service_needs_is_seen(application: Database) -> None:
    seen = await application.read(rows)
    assert {name for name, clinics in seen.items() if clinics} <= set(OPEN_TO_SERVICE)
    assert seen["due"] == seen["clinic"] == {CLINIC, OTHER}


async def test_a_connection_that_says_nothing_sees_nothing_at_all(application: Database, database_url: str) -> None:
    engine = postgresql_engine(application_url(database_url))
    with engine.connect() as db:
        assert set().union(*rows(db).values()) == set()
    engine.dispose()


@pytest.mark.parametrize("clinic", ["", "nowhere", "riverside' OR '1'='1", "riverside'; RESET ROLE; --", "%s", "рівне"])
async def test_the_name_of_a_clinic_is_never_taken_for_sql(application: Database, clinic: str) -> None:
    seen = await application.at(clinic).read(rows)
    assert seen["patient"] == set()


async def test_a_row_of_another_clinic_can_neither_be_written_nor_changed_nor_removed(application: Database) -> None:
    here = application.at(CLINIC)
    with pytest.raises(ProgrammingError, match="row-level security"):
        await here.write(people.add_clinician, OTHER, "mallory", "Mallory")
    everybody = patient.update().values(name="Mallory")
    assert await here.write(lambda db: db.execute(everybody).rowcount) == 1
    assert await here.write(lambda db: db.execute(message.update().values(kind="bout")).rowcount) > 0
    with pytest.raises(ProgrammingError, match="row-level security"):
        await here.write(lambda db: db.execute(patient.update().values(clinic_id=OTHER)))
    assert await here.write(lambda db: db.execute(needling_session.delete().where(text("id = 's2'"))).rowcount) == 0
    assert (await application.at(OTHER).read(people.patient_of, OTHER, "eve")).name == "Eve"


async def test_the_pool_never_hands_on_the_clinic_before(application: Database) -> None:
    """A thousand transactions of both clinics, of none, and of those that fail, over eight connections at once."""

    def look(db: Connection, fail: bool, seen: set[str]) -> None:
        seen |= set(db.execute(select(patient.c.id)).scalars())
        if fail:
            raise LookupError

    async def one(clinic: str, fail: bool, write: bool) -> None:
        part = application.at(clinic) if clinic else application
        seen: set[str] = set()
        with nullcontext() if not fail else pytest.raises(LookupError):
            await (part.write if write else part.read)(look, fail, seen)
        assert seen == {CLINIC: {"ada"}, OTHER: {"eve"}, "": set()}[clinic]

    kinds = list(product((CLINIC, "", OTHER), (False, True), (False, True)))
    await asyncio.gather(*(one(*kind) for kind in islice(cycle(kinds), 1_000)))


async def test_a_link_opens_the_one_message_whose_id_it_holds(application: Database) -> None:
    [theirs] = await application.at(OTHER).read(lambda db: db.execute(select(message.c.id).limit(1)).scalars().all())

    def followed(db: Connection) -> list[str]:
        walls.follow(db, theirs)
        return list(db.execute(select(message.c.id)).scalars())

    assert await application.read(followed) == [theirs]
    await application.write(addresses.stop_mail, theirs, NOON)


async def test_a_transaction_may_go_on_to_another_clinic_but_sees_one_at_a_time(application: Database) -> None:
    def walk(db: Connection) -> list[str]:
        found = []
        for clinic in people.clinics_of(db):
            walls.enter(db, clinic)
            found.append(",".join(db.execute(select(patient.c.id)).scalars()))
        return found

    assert await application.read(walk) == ["eve", "ada"]


# every table, and every role


def test_every_table_with_a_clinic_is_walled(database_url: str) -> None:
    """Whoever adds a table does nothing for it: `migrate` walls what has a clinic_id, and this fails if it did not."""
    named = {table.name for table in METADATA.tables.values() if "clinic_id" in table.c}
    assert set(WALLED) == named
    assert set(OPEN_TO_SERVICE) | set(OPEN_BY_LINK) <= named
    forced = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relrowsecurity AND relforcerowsecurity")
    with migrating(database_url) as db:
        assert set(db.execute(forced).scalars()) == named


def test_migrating_again_leaves_standing_walls_alone_and_mends_what_was_torn_down(database_url: str) -> None:
    oids = text("SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_policy")
    with migrating(database_url) as db:
        before = db.execute(oids).scalar_one()
    migrate(database_url, APPLICATION)
    with migrating(database_url) as db:
        assert db.execute(oids).scalar_one() == before
        db.execute(text("ALTER TABLE patient NO FORCE ROW LEVEL SECURITY"))
        db.execute(text("DROP POLICY clinic ON answer"))
        db.execute(text("CREATE POLICY all_of_it ON plan USING (true)"))
    assert faults_of(application_url(database_url)) != []
    migrate(database_url, APPLICATION)
    assert faults_of(application_url(database_url)) == []


def faults_of(url: str) -> list[str]:
    engine = postgresql_engine(url)
    with engine.connect() as db:
        found = faults(db)
    engine.dispose()
    return found


@pytest.fixture
def spoilt(request: pytest.FixtureRequest, postgresql_server: str, database_url: str) -> Iterator[str]:
    """The address for a role that could pass the walls, in one of the ways there are."""
    change = str(request.param)
    run(postgresql_server, "CREATE ROLE spoilt LOGIN")
    migrate(database_url, "spoilt")
    assert faults_of(application_url(database_url).replace(APPLICATION, "spoilt", 1)) == []
    for statement in filter(None, change.split(";")):
        run(database_url, statement)
    yield application_url(database_url).replace(APPLICATION, "spoilt", 1)
    run(database_url, "REASSIGN OWNED BY spoilt TO postgres")
    run(database_url, "DROP OWNED BY spoilt")
    run(postgresql_server, "DROP ROLE spoilt")


SPOILT = {
    "ALTER ROLE spoilt SUPERUSER": ("is a superuser", 'ALTER ROLE "spoilt" NOSUPERUSER'),
    "ALTER ROLE spoilt BYPASSRLS": ("bypasses row-level security", 'ALTER ROLE "spoilt" NOBYPASSRLS'),
    "ALTER TABLE answer OWNER TO spoilt": ('owns "answer"', "REASSIGN OWNED BY"),
    "ALTER TABLE flag NO FORCE ROW LEVEL SECURITY": ('"flag" is not walled', 'ALTER TABLE "flag" ENABLE'),
    "ALTER TABLE flag DISABLE ROW LEVEL SECURITY": ('"flag" is not walled', 'ALTER TABLE "flag" ENABLE'),
    "GRANT postgres TO spoilt": ('may become "postgres"', 'REVOKE "postgres" FROM "spoilt"'),
    "CREATE POLICY all_of_it ON patient USING (true)": ('policies of the table "patient"', "homestretch migrate"),
}


@pytest.mark.parametrize(("spoilt", "said"), SPOILT.items(), ids=list(SPOILT), indirect=["spoilt"])
def test_serve_does_not_start_for_a_role_that_could_pass_the_walls(spoilt: str, said: tuple[str, str]) -> None:
    result = CliRunner().invoke(main, ["serve"], env={"HOMESTRETCH_DATABASE_URL": spoilt, "HOMESTRETCH_PORT": "0"})
    assert result.exit_code == 1
    fault, remedy = said
    assert fault in result.stderr
    assert remedy in result.stderr


def test_the_applications_role_may_change_rows_and_no_schema(database_url: str) -> None:
    engine = postgresql_engine(application_url(database_url))
    with engine.connect() as db:
        for statement in (
            "CREATE TABLE mine (id int)",
            "ALTER TABLE patient DISABLE ROW LEVEL SECURITY",
            "DROP POLICY clinic ON patient",
            "UPDATE alembic_version SET version_num = '0'",
            "TRUNCATE patient",
        ):
            with pytest.raises(ProgrammingError):
                db.execute(text(statement))
            db.rollback()
        assert db.execute(select(func.count()).select_from(patient)).scalar_one() == 0
    engine.dispose()


def test_an_older_schema_is_left_to_its_owner(database_url: str) -> None:
    with migrating(database_url) as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    settings = {"HOMESTRETCH_DATABASE_URL": application_url(database_url), "HOMESTRETCH_PORT": "0"}
    for command in ("migrate", "serve"):
        said = CliRunner().invoke(main, [command], env=settings)
        assert said.exit_code == 1
        assert "set HOMESTRETCH_MIGRATING_URL to the owner's address" in said.stderr


def test_both_addresses_together_migrate_and_pass(database_url: str) -> None:
    settings = {
        "HOMESTRETCH_DATABASE_URL": application_url(database_url),
        "HOMESTRETCH_MIGRATING_URL": database_url,
    }
    said = CliRunner().invoke(main, ["migrate"], env=settings)
    assert (said.exit_code, said.stdout) == (0, "The database is up to date.\n")
    assert faults_of(application_url(database_url)) == []


async def test_people_of_both_clinics_do_their_work_behind_the_walls(application: Database) -> None:
    for who, visit in ((ADA, "s1"), (EVE, "s2")):
        part = application.at(who.clinic)
        reply = await part.write(care.answer, who, f"{visit}-evening", {"rf_bleed": True}, NOON, NOON)
        assert reply.answered.flags
