"""The audit's key is renewed: new rows stand under the new one, old rows still verify, nothing is lost on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, insert, select, text

from programs.instants import HOUR
from service import anchors, audit, sealing
from service.audit import SERVER, Head, Link, Note
from service.auth import staff
from service.cli import main
from service.database import Database, connect
from service.tables import audit_checkpoint, credential
from service.vault import CARRIED, Keys, Vault, VaultError, open_vault
from tests.conftest import application_url, same_vault
from tests.service.console.staff import SECRET, with_ben
from tests.world import BEN, CLINIC, NOON, OTHER

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def note(at: int, clinic: str = CLINIC) -> Note:
    return Note(clinic, str(BEN), "GET /api/v1/me/today", "ada", f"r{at}", NOON + at * HOUR, "192.0.2.1")


def chain(*by: tuple[Keys, int]) -> list[Link]:
    """So many rows under each key in turn."""
    links, last = [], audit.START
    for keys in [keys for keys, count in by for _ in range(count)]:
        it = Link(last.number + 1, note(last.number), audit.mac_of(keys, last.mac, last.number + 1, note(last.number)))
        links.append(it)
        last = Head(it.number, it.mac)
    return links


def wrong(known: Keys, links: list[Link]) -> str:
    return anchors.walk(known, audit.START, links, {})[1]


def test_each_row_is_held_against_the_key_it_names_and_no_older_one_may_follow() -> None:
    old, both = Keys([OLD]), Keys([OLD, NEW])
    assert wrong(both, chain((old, 5), (both, 5))) == ""
    assert wrong(both, chain((both, 5))) == ""
    assert wrong(Keys([NEW, OLD]), chain((old, 5), (both, 5))).startswith("row 1: is not as it was written")
    assert wrong(Keys([OLD, OLD]), chain((old, 5), (both, 5))).startswith("row 6: is not as it was written")
    assert wrong(old, chain((old, 5), (both, 5))) == "row 6: names key 2, which is not in the vault"
    # Whoever took the old key goes on with it, or writes the rows under it anew.
    assert wrong(both, chain((old, 5), (both, 5), (old, 1))) == "row 11: is under key 1, though key 2 was in use"
    other = note(4)._replace(who="clinician:cleo")
    four = chain((old, 4))
    anew = [*four, Link(5, other, audit.mac_of(old, four[-1].mac, 5, other))]
    assert wrong(both, anew) == ""
    assert wrong(both, [*anew, *chain((old, 5), (both, 5))[5:]]).startswith("row 6: is not as it was written")
    for forged in ("", "x:y", ":", "0:AAAA", "2:", "2:" + "A" * 44, "99999:AAAA", "²:AAAA"):
        links = chain((old, 5), (both, 5))
        assert wrong(both, [*links[:7], links[7]._replace(mac=forged), *links[8:]]).startswith("row 8: "), forged


# the command


@pytest.fixture
async def vault(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """Two clinics with rows in their chains, and Ben, who has one-time codes."""
    monkeypatch.setenv("HOMESTRETCH_DATABASE_URL", application_url(database_url))
    if database_url.startswith("postgresql"):
        monkeypatch.setenv("HOMESTRETCH_MIGRATING_URL", database_url)
    monkeypatch.setenv("HOMESTRETCH_VAULT", str(tmp_path / "kept"))
    made = same_vault(tmp_path / "kept")
    async with await connect(database_url, made.carried) as db:
        await db.write(with_ben)
        await db.append(CLINIC, audit.append, CLINIC, [note(at) for at in range(20)])
        for clinic in (CLINIC, OTHER):
            anchors.keep(made, clinic, await db.read(audit.head, clinic), NOON)
    return made


@contextlib.asynccontextmanager
async def server(database_url: str, vault: Vault) -> AsyncIterator[Database]:
    """Another process, which has read the vault for itself."""
    async with await connect(application_url(database_url), open_vault(vault.folder).carried) as opened:
        yield opened


async def said(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["audit", *words])


def latest(db: Connection) -> tuple[str, str, int]:
    last = audit.links(db, CLINIC, 0, 1_000)[-1]
    return last.note.what, last.note.record, audit.key_of(last.mac)


def kept(db: Connection) -> tuple[int, str | None]:
    sealed = str(db.execute(select(credential.c.totp)).scalar_one())
    return sealing.key_of(sealed), staff.secret_of(db, staff.staff_of(db, BEN))


async def test_after_it_new_rows_stand_under_the_new_key_and_old_ones_verify(vault: Vault, database_url: str) -> None:
    printed = vault.folder / "printed"
    printed.write_text((await said("anchor")).stdout)
    before = (await said("verify")).stdout
    first = (vault.folder / "audit.key").read_text()
    assert "key" not in before

    done = await said("renew-key")
    assert (done.exit_code, "Key 2 is made" in done.stdout) == (0, True), done.output
    assert (vault.folder / "audit.key").read_text() == first
    assert (vault.folder / "audit.key.2").stat().st_mode & 0o777 == 0o600
    async with server(database_url, vault) as db:
        assert await db.at(CLINIC).read(latest) == (audit.RENEWED, "2", 2)
        await db.append(CLINIC, audit.append, CLINIC, [note(30)])
        await db.append(SERVER, audit.append, SERVER, [note(31, SERVER)])
        assert await db.at(CLINIC).read(kept) == (2, SECRET)
    again = await said("renew-key")
    assert "Key 3 is made" in again.stdout
    verified = await said("verify", "--anchors", str(printed))
    assert verified.exit_code == 0, verified.output
    rows_before = int(before.partition("riverside: whole, ")[2].partition(" rows")[0])
    turned = f"key 2 from row {rows_before + 1} on, key 3 from row {rows_before + 3} on"
    assert f"riverside: whole, {rows_before + 3} rows, {turned}\n" in verified.stdout
    assert "~server: whole, 2 rows, key 2 from row 1 on, key 3 from row 2 on\n" in verified.stdout

    (vault.folder / "audit.key.2").rename(vault.folder / "mislaid")
    broken = await said("verify")
    assert broken.exit_code == 1
    lost = await said("renew-key")
    assert "restore audit.key.3" in lost.stderr, "another key 2 would leave nothing verifiable"
    (vault.folder / "audit.key").unlink()
    (vault.folder / "mislaid").rename(vault.folder / "audit.key.2")
    with pytest.raises(VaultError, match="not the first"):
        open_vault(vault.folder)


@pytest.mark.parametrize("clinics", [0, 1])
async def test_stopped_halfway_it_loses_nothing_and_is_finished_when_said_again(
    vault: Vault, database_url: str, clinics: int
) -> None:
    """The key is on the disk; no chain, or one of two, goes on with it; the server starts in between."""
    assert vault.renew() == 2
    async with server(database_url, vault) as db:
        for clinic in (CLINIC, OTHER)[:clinics]:
            await db.at(clinic).write(audit.renew, clinic, NOON)
        await db.append(CLINIC, audit.append, CLINIC, [note(30)])
        assert await db.at(CLINIC).read(kept) == (1, SECRET)
    found = await said("verify")
    assert (found.exit_code, found.stdout.count("key 2 from row")) == (0, 1), found.output
    assert "Key 2 was made before" in (await said("renew-key")).stdout
    assert sorted(it.name for it in vault.folder.glob("audit.key*")) == ["audit.key", "audit.key.2"]
    found = await said("verify")
    assert (found.exit_code, found.stdout.count("key 2 from row")) == (0, 2), found.output
    async with server(database_url, vault) as db:
        assert await db.at(CLINIC).read(kept) == (2, SECRET)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_servers_that_run_take_the_new_key_up_with_their_next_note(vault: Vault, database_url: str) -> None:
    """While they write: not one row may stand under the old key behind one under the new."""
    async with server(database_url, vault) as one, server(database_url, vault) as two:
        await one.append(CLINIC, audit.append, CLINIC, [note(30)])
        renewing = asyncio.create_task(said("renew-key"))
        while not renewing.done():
            await asyncio.gather(*(db.append(CLINIC, audit.append, CLINIC, [note(31)]) for db in (one, two, one)))
        assert (await renewing).exit_code == 0
        for db in (one, two):
            await db.append(CLINIC, audit.append, CLINIC, [note(32)])
            assert (await db.at(CLINIC).read(latest))[2] == 2
            assert await db.at(CLINIC).read(kept) == (2, SECRET)
            await db.append(SERVER, audit.append, SERVER, [note(33, SERVER)])
    found = await said("verify")
    assert (found.exit_code, found.stdout.count("key 2 from row")) == (0, 3), found.output


async def test_who_has_not_the_new_key_writes_nothing_and_says_why(
    vault: Vault, database_url: str, tmp_path: Path
) -> None:
    """A server with a folder of its own, to which nobody took it: better no answer than one that nobody noted."""
    apart = Vault(vault.folder, vault.keys.known)
    apart.keys = Keys(vault.keys.known)
    assert (await said("renew-key")).exit_code == 0
    async with await connect(application_url(database_url), apart.carried) as db:
        before = await db.at(CLINIC).read(audit.head, CLINIC)
        with pytest.raises(VaultError, match=r"key 2 of the audit is not in the vault: restore audit\.key\.2"):
            await db.append(CLINIC, audit.append, CLINIC, [note(30)])
        assert await db.at(CLINIC).read(audit.head, CLINIC) == before


async def test_what_is_done_to_rows_of_either_key_is_found(vault: Vault, database_url: str) -> None:
    assert (await said("renew-key")).exit_code == 0
    taken = Keys(vault.keys.known[:1])

    def unguard(db: Connection) -> None:
        if db.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            db.execute(text("DROP TRIGGER IF EXISTS audit_delete"))

    def replace_last(db: Connection) -> None:
        unguard(db)
        last = audit.head(db, CLINIC).number
        db.execute(text(f"DELETE FROM audit WHERE clinic_id = '{CLINIC}' AND number = {last}"))
        audit.append(db, CLINIC, [note(40)])

    def prune(db: Connection) -> None:
        """As if it had been done before the key was renewed."""
        unguard(db)
        nine = audit.links(db, OTHER, 0, 9)[-1]
        seal = audit.sealed(taken, "checkpoint", OTHER, nine.number, nine.mac, NOON)
        row = {"clinic_id": OTHER, "number": nine.number, "mac": nine.mac, "at": NOON, "seal": seal}
        db.execute(insert(audit_checkpoint), row)
        db.execute(text(f"DELETE FROM audit WHERE clinic_id = '{OTHER}' AND number <= {nine.number}"))

    async with await connect(database_url, {CARRIED: taken}) as db:
        await db.write(replace_last)
    async with await connect(database_url, {CARRIED: taken}) as db:
        await db.write(prune)
    found = await said("verify")
    assert found.exit_code == 1
    assert "riverside: BROKEN" in found.stdout
    assert "an anchor says that it was another" in found.stdout
    assert "harbour: BROKEN. no row says that it was pruned up to" in found.stdout
