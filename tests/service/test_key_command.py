"""`homestretch key`: a key made, listed and ended by the operator."""

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result
from sqlalchemy import select

from service.cli import main
from service.database import connect
from service.tables import audit
from tests.world import populate


def said(url: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["key", *words], env={"HOMESTRETCH_DATABASE_URL": url})


async def fill(url: str) -> None:
    async with await connect(url, {}) as db:
        await db.write(populate)


async def who_did_what(url: str) -> list[tuple[str, str]]:
    async with await connect(url, {}) as db:
        rows = await db.read(lambda db: db.execute(select(audit.c.who, audit.c.what)).all())
        return [tuple(row) for row in rows if "key" in row.what]


def test_a_key_is_made_listed_and_ended(sqlite_original: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'homestretch.db'}"
    (tmp_path / "homestretch.db").write_bytes(sqlite_original.read_bytes())
    asyncio.run(fill(url))
    made = said(
        url, "create", "Riverside", "Calendar", "--verb", "read patients", "--verb", "read flags", "--days", "9"
    )
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    id = text.split("_")[1]
    listed = said(url, "list", "riverside").stdout
    assert listed.startswith(f"hs_{id}  Calendar: read flags, read patients (made ")
    assert "never used, ends " in listed
    assert text not in listed
    assert said(url, "list", "harbour").stdout == ""
    assert said(url, "end", "harbour", id).exit_code == 1
    assert said(url, "end", "Riverside", f"hs_{id}").stdout == "The key has ended.\n"
    assert said(url, "list", "riverside").stdout == ""
    assert asyncio.run(who_did_what(url)) == [
        ("operator:command-line", "make key"),
        ("operator:command-line", "end key"),
    ]


def test_a_mistake_is_said_in_one_line(sqlite_original: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'homestretch.db'}"
    (tmp_path / "homestretch.db").write_bytes(sqlite_original.read_bytes())
    asyncio.run(fill(url))
    for words, expected in (
        (("create", "Rivrside", "x", "--verb", "read flags"), "no such clinic. Did you mean “Riverside”?"),
        (("create", "Riverside", "x", "--verb", "read flag"), "Did you mean “read flags”?"),
        (("end", "Riverside", "0"), "We could not find that. It may have been removed."),
    ):
        result = said(url, *words)
        assert result.exit_code == 1
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1
