"""The chain of the audit: what breaks it, what the database refuses, what an operator is told."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from programs.instants import DAY, HOUR
from service import anchors, audit
from service.audit import Head, Link, Note
from service.cli import main
from service.database import Database, connect
from service.vault import Keys, Vault, VaultError, open_vault, vault_of
from tests.world import ADA, BEN, CLINIC, DOV, NOON, OTHER

KEY = Keys([bytes(range(32))])
ROWS = 1_000


def notes(count: int, clinic: str = CLINIC) -> list[Note]:
    return [
        Note(clinic, str(BEN), "GET /api/v1/me/today", f"p{at % 7}", f"r{at}", NOON + at * HOUR, "192.0.2.1")
        for at in range(count)
    ]


def chained(count: int) -> list[Link]:
    last, found = audit.START, []
    for it in notes(count):
        mac = audit.mac_of(KEY, last.mac, last.number + 1, it)
        last = Head(last.number + 1, mac)
        found.append(Link(last.number, it, mac))
    return found


def problem_at(links: list[Link], at: int) -> str:
    """What a walk finds that has come without trouble to the row before the place `at`."""
    last = Head(links[at - 1].number, links[at - 1].mac) if at else audit.START
    return anchors.walk(KEY, last, links[at : at + 4], {})[1]


def test_an_untouched_chain_is_whole() -> None:
    links = chained(ROWS)
    assert anchors.walk(KEY, audit.START, links, {})[0] == Head(ROWS, links[-1].mac)
    assert not any(problem_at(links, at) for at in range(ROWS))


def test_whichever_row_is_changed_in_whichever_field_breaks_it() -> None:
    links = chained(ROWS)
    fields = [*Note._fields, "mac"]
    for at, it in enumerate(links):
        field = fields[at % len(fields)]
        if field == "mac":
            other = it._replace(mac=it.mac[:-1] + ("0" if it.mac[-1] != "0" else "1"))
        else:
            old: Any = getattr(it.note, field)
            changed: Any = {field: old + 1 if isinstance(old, int) else old + "x"}
            other = it._replace(note=it.note._replace(**changed))
        assert problem_at([*links[:at], other, *links[at + 1 :]], at).startswith(f"row {it.number}: "), field


def test_whichever_row_is_deleted_or_moved_breaks_it() -> None:
    links = chained(ROWS)
    for at in range(ROWS - 1):
        assert problem_at([*links[:at], *links[at + 1 :]], at) == f"row {at + 1}: is missing"
        one, two = links[at], links[at + 1]
        swapped = [*links[:at], two._replace(number=one.number), one._replace(number=two.number), *links[at + 2 :]]
        assert problem_at(swapped, at).startswith(f"row {at + 1}: ")
        closed = [*links[:at], *(it._replace(number=it.number - 1) for it in links[at + 1 :])]
        assert problem_at(closed, at).startswith(f"row {at + 1}: ")
        doubled = [*links[: at + 1], *(it._replace(number=it.number + 1) for it in links[at:])]
        assert problem_at(doubled, at + 1).startswith(f"row {at + 2}: ")


def test_no_row_can_lose_its_mac_and_pass_for_one_from_before_the_chain() -> None:
    links = chained(5)
    for at in range(1, 5):
        assert problem_at([*links[:at], links[at]._replace(mac=""), *links[at + 1 :]], at)


def test_fields_do_not_run_into_each_other() -> None:
    one = Note("c", "patient:a", "read", "ab", "c", 1)
    assert audit.mac_of(KEY, "", 1, one) != audit.mac_of(KEY, "", 1, one._replace(patient="a", record="bc"))
    assert audit.mac_of(KEY, "", 1, one) != audit.mac_of(KEY, "", 11, one._replace(clinic=""))


# in a database


@pytest.fixture
def folder(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands find the key of the database under test."""
    monkeypatch.setenv("HOMESTRETCH_DATABASE_URL", database_url)
    monkeypatch.setenv("HOMESTRETCH_VAULT", str(tmp_path / "kept"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "kept"


@pytest.fixture
async def vault(folder: Path, database_url: str) -> Vault:
    """Two clinics with some rows each, anchored."""
    vault = open_vault(folder)
    async with await connect(database_url, vault.carried) as db:
        await db.append(CLINIC, audit.append, CLINIC, notes(30))
        await db.append(OTHER, audit.append, OTHER, notes(5, OTHER))
        for clinic in (CLINIC, OTHER):
            anchors.keep(vault, clinic, await db.read(audit.head, clinic), NOON)
    return vault


def said(*words: str) -> Result:
    return CliRunner().invoke(main, ["audit", *words])


async def tampered(url: str, *statements: str) -> Result:
    """As somebody with all rights on the database does it, who knows of the triggers and not of the key."""

    def do(db: Connection) -> None:
        if db.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            names = db.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                db.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            db.execute(text(statement))

    async with await connect(url, {}) as db:
        await db.write(do)
    return said("verify")


async def test_an_operator_is_told_that_all_is_well(vault: Vault) -> None:
    found = said("verify")
    assert found.exit_code == 0
    assert found.stdout == "harbour: whole, 5 rows\nriverside: whole, 30 rows\n"
    assert "riverside: 30 rows" in found.stderr


MINE = "WHERE clinic_id = 'riverside'"


@pytest.mark.parametrize(
    ("statements", "first"),
    [
        ((f"UPDATE audit SET who = 'clinician:cleo' {MINE} AND number = 17",), 17),
        ((f"UPDATE audit SET outcome = 'refused' {MINE} AND number = 1",), 1),
        ((f"DELETE FROM audit {MINE} AND number = 17",), 17),
        ((f"DELETE FROM audit {MINE} AND number > 27",), 28),
        ((f"DELETE FROM audit {MINE}",), 1),
        (
            (
                f"UPDATE audit SET number = 99 {MINE} AND number = 4",
                f"UPDATE audit SET number = 4 {MINE} AND number = 5",
                f"UPDATE audit SET number = 5 {MINE} AND number = 99",
            ),
            4,
        ),
        (
            (
                "INSERT INTO audit SELECT clinic_id, 31, who, what, patient_id, record_id, at, origin, outcome, mac "
                f"FROM audit {MINE} AND number = 30",
            ),
            31,
        ),
        ((f"UPDATE audit SET mac = '' {MINE}",), 30),
    ],
)
async def test_what_was_tampered_with_is_found_and_the_first_row_named(
    vault: Vault, database_url: str, statements: tuple[str, ...], first: int
) -> None:
    found = await tampered(database_url, *statements)
    assert found.exit_code == 1
    assert "harbour: whole, 5 rows\n" in found.stdout
    assert f"riverside: BROKEN. row {first}: " in found.stdout


async def test_a_forged_checkpoint_hides_nothing(vault: Vault, database_url: str) -> None:
    forged = "INSERT INTO audit_checkpoint (clinic_id, number, mac, at, seal) VALUES ('riverside', 9, 'x', 1, 'x')"
    found = await tampered(database_url, forged, f"DELETE FROM audit {MINE} AND number <= 9")
    assert found.exit_code == 1
    assert "riverside: BROKEN. the checkpoint at 9 was not sealed with this key" in found.stdout


async def test_a_database_put_back_as_it_was_no_longer_reaches_its_anchors(vault: Vault, database_url: str) -> None:
    """Whoever also cuts the anchors beside the key is found by those that were kept elsewhere."""
    printed = said("anchor")
    assert printed.exit_code == 0
    elsewhere = vault.folder / "elsewhere"
    elsewhere.write_text(printed.stdout)
    vault.anchors.write_text("")
    found = await tampered(database_url, f"DELETE FROM audit {MINE} AND number > 27")
    assert found.exit_code == 0
    against = said("verify", "--anchors", str(elsewhere))
    assert against.exit_code == 1
    assert "riverside: BROKEN. row 28: is missing; an anchor says that there were 30" in against.stdout
    vault.anchors.unlink()
    assert said("verify").exit_code == 1


async def test_an_anchor_that_was_not_sealed_with_the_key_is_named(vault: Vault) -> None:
    lines = vault.anchors.read_text().splitlines()
    vault.anchors.write_text(lines[0].replace('"number":30', '"number":20') + "\n" + lines[1] + "\n")
    found = said("verify")
    assert found.exit_code == 1
    assert "line 1: this anchor was not sealed with this key" in found.stderr


async def test_with_another_key_nothing_is_whole(vault: Vault, tmp_path: Path) -> None:
    shutil.rmtree(vault.folder)
    open_vault(vault.folder)
    assert said("verify").exit_code == 1
    shutil.rmtree(vault.folder)
    assert "there is no key in" in said("verify").stderr


@pytest.mark.parametrize("verb", ["UPDATE audit SET who = 'x'", "DELETE FROM audit", "DELETE FROM audit_checkpoint"])
async def test_the_database_itself_refuses_to_change_what_was_noted(vault: Vault, database_url: str, verb: str) -> None:
    def change(db: Connection) -> None:
        audit.prune(db, OTHER, NOON + HOUR, NOON)
        db.execute(text(verb))

    async with await connect(database_url, vault.carried) as db:
        with pytest.raises(DatabaseError, match="the audit can only grow"):
            await db.write(change)


async def test_pruning_keeps_the_rest_verifiable(vault: Vault, database_url: str) -> None:
    async with await connect(database_url, vault.carried) as db:
        assert await db.write(audit.prune, CLINIC, NOON + 10 * HOUR, NOON + DAY) == 10
        assert await db.write(audit.prune, CLINIC, NOON + 10 * HOUR, NOON + DAY) == 0
        assert await db.write(audit.prune, OTHER, NOON + 99 * HOUR, NOON + DAY) == 5
        await db.append(CLINIC, audit.append, CLINIC, notes(2))
        await db.append(OTHER, audit.append, OTHER, notes(2, OTHER))
    found = said("verify")
    assert found.exit_code == 0
    assert found.stdout == "harbour: whole, 3 rows\nriverside: whole, 23 rows\n"
    assert (await tampered(database_url, f"DELETE FROM audit {MINE} AND number = 11")).exit_code == 1


async def test_an_operator_prunes_what_is_older_than_it_must_be_kept(vault: Vault) -> None:
    found = said("prune", "--years", "100")
    assert found.stdout == "harbour: removed 0 rows\nriverside: removed 0 rows\n"
    assert said("verify").exit_code == 0


async def test_many_writers_at_once_make_one_chain_without_a_gap(vault: Vault, database_url: str) -> None:
    def one(db: Connection, at: int) -> None:
        audit.note(db, CLINIC, str(ADA), "answer check-in", "ada", f"c{at}", NOON)

    async with await connect(database_url, vault.carried) as first, _second(database_url, vault) as second:
        await asyncio.gather(*((second or first if at % 2 else first).write(one, at) for at in range(80)))
    assert "riverside: whole, 110 rows" in said("verify").stdout


class _second:
    """Another process's pool on PostgreSQL; a SQLite file has one owner."""

    def __init__(self, url: str, vault: Vault) -> None:
        self.url, self.vault = url, vault

    async def __aenter__(self) -> Database | None:
        self.db = await connect(self.url, self.vault.carried) if self.url.startswith("postgresql") else None
        return self.db

    async def __aexit__(self, *error: object) -> None:
        if self.db is not None:
            await self.db.close()


async def test_what_is_shown_cannot_be_made_to_look_like_another_line(vault: Vault, database_url: str) -> None:
    forged = "x\r\n2026-01-01T00:00:00.000Z  clinician:cleo  GET"
    note = Note(CLINIC, "clinician:ben\x1b[2K\r", "GET /x\nPOST /y", "ada", forged, NOON, "\u202e192.0.2.9")
    async with await connect(database_url, vault.carried) as db:
        await db.append(CLINIC, audit.append, CLINIC, [note, note._replace(who=str(DOV), outcome="refused")])
    shown = said("show", "--clinic", CLINIC, "--patient", "ada").stdout
    lines = shown.splitlines()
    assert len(lines) == 2
    assert all(mark.isprintable() for line in lines for mark in line)
    assert "REFUSED GET" in lines[0]
    assert "clinician:ben\\x1b[2K\\x0d" in lines[1]
    assert said("verify").exit_code == 0


# the key


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = open_vault(tmp_path / "vault")
    assert (tmp_path / "vault").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "vault" / "audit.key").stat().st_mode & 0o777 == 0o600
    assert [len(it) for it in first.keys.known] == [32]
    assert open_vault(tmp_path / "vault").keys.known == first.keys.known
    assert open_vault(tmp_path / "another").keys.known != first.keys.known
    assert sorted(it.name for it in first.folder.iterdir()) == ["audit.anchors", "audit.key", "erasures"]


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    file = vault.folder / "audit.key"
    file.chmod(0o640)
    with pytest.raises(VaultError, match="can be read by others"):
        open_vault(tmp_path)
    file.chmod(0o600)
    for wrong in ("", "abcd", "x" * 64):
        file.write_text(wrong)
        with pytest.raises(VaultError, match="is not a key"):
            open_vault(tmp_path)


@pytest.mark.parametrize(
    ("url", "named", "folder"),
    [
        ("sqlite:///data/homestretch.db", "", "data/homestretch.db.vault"),
        ("sqlite:///data/homestretch.db", "/srv/vault", "/srv/vault"),
        ("postgresql://localhost/homestretch", "", "vault"),
    ],
)
def test_the_vault_lies_where_the_settings_say(url: str, named: str, folder: str) -> None:
    assert vault_of(url, named) == Path(folder)
