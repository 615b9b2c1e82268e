"""The command line as an operator meets it: a process, its words, its exit code."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from notifications.channels.vapid import VapidKeys
from programs import people
from programs.errors import NoSuchRecord
from programs.instants import HOUR, Instant, moment
from programs.people import Clinic
from programs.tables import clinic, needling_session
from service import demo_command
from service.auth.tokens import find_token
from service.cli import main
from service.clock import SystemClock
from service.database import Database, connect
from service.migrations import migrate
from tests.conftest import application_url
from tests.processes import Running, fork
from tests.service.test_imports import DATA, export
from tests.world import ADA, populate

MAIN = "service.cli:main"


class Said(NamedTuple):
    code: int
    out: str
    complaints: str


async def homestretch(folder: Path, *args: str, **settings: str) -> Said:
    """`homestretch args` in a folder of its own, with these settings and no others."""
    process = await fork(MAIN, args, folder, settings)
    out, complaints = await process.communicate()
    assert process.returncode is not None
    # Whether there is progress to tell depends on the machine; what is left are complaints.
    lines = [
        line for line in complaints.decode().splitlines(True) if not re.fullmatch(r"[\d,]+ of [\d,]+ rows\n", line)
    ]
    return Said(process.returncode, out.decode(), "".join(lines))


def recent(**changed: str) -> dict[str, str]:
    """A visit that ended an hour ago by the real clock."""
    ended = moment(SystemClock().now() - HOUR).isoformat(timespec="seconds")
    return {"starts_at": "", "ends_at": ended, **changed}


async def count(url: str) -> tuple[int, int]:
    async with await connect(url, {}) as db:
        found: tuple[int, int] = await db.read(
            lambda it: tuple(
                it.execute(select(func.count()).select_from(t)).scalar() for t in (clinic, needling_session)
            )
        )
        return found


def test_help_names_every_command_without_importing_what_they_need(tmp_path: Path) -> None:
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from service.cli import main; main()"
    anew = [sys.executable, "-W", "error", "-c", code, "--help"]
    checkout = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    said = subprocess.run(anew, cwd=tmp_path, env=checkout, capture_output=True, text=True, check=True, timeout=60)
    assert all(name in said.stdout for name in ("demo", "import", "migrate", "serve", "simulate", "vapid"))
    assert not {"sqlalchemy", "litestar", "aiohttp", "uvicorn"} & set(said.stdout.split())


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    for name, it in group.commands.items():
        yield from commands(it, *names, name) if isinstance(it, click.Group) else [(*names, name)]


@pytest.mark.parametrize("command", [*commands(main)], ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    said = CliRunner().invoke(main, [*command, "--help"], prog_name="homestretch")
    assert said.exit_code == 0, said.output
    assert said.output.startswith(f"Usage: homestretch {' '.join(command)} ")


async def test_an_import_reports_and_may_be_repeated(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "visits.csv").write_bytes(export(recent(), recent(appointment_id="A2", status="cancelled")))
    for what in ("recorded", "unchanged"):
        said = await homestretch(
            tmp_path, "import", "needling-sessions", "visits.csv", HOMESTRETCH_DATABASE_URL=database_url
        )
        assert (said.code, said.complaints) == (0, "")
        assert what in said.out
        assert await count(database_url) == (1, 1)
        assert "Without consent here: 1 patient." in said.out if what == "recorded" else "Made" not in said.out


async def test_a_token_lets_one_person_in_and_a_wrong_name_gets_the_nearest(tmp_path: Path, database_url: str) -> None:
    async with await connect(database_url, {}) as db:
        await db.write(populate)
    words = ("token", "patient", "Riverside")
    said = await homestretch(tmp_path, *words, "Ada", HOMESTRETCH_DATABASE_URL=database_url)
    assert (said.code, said.complaints) == (0, "")
    async with await connect(database_url, {}) as db:
        assert (await db.read(find_token, said.out.strip(), SystemClock().now())).who == ADA
    wrong = await homestretch(tmp_path, *words, "Adda", HOMESTRETCH_DATABASE_URL=database_url)
    assert (wrong.code, wrong.complaints) == (1, "Error: no such patient. Did you mean “Ada”?\n")


async def test_a_second_process_is_told_that_the_file_is_in_use(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    migrate(url)
    async with await connect(url, {}):
        words = ("token", "patient", "Riverside", "Ada")
        said = await homestretch(tmp_path, *words, HOMESTRETCH_DATABASE_URL=url)
    assert said.code == 1
    assert "is open in another process (the server?): stop that one first" in said.complaints


async def test_an_import_with_bad_rows_takes_the_good_ones_and_exits_1(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "visits.csv").write_bytes(export(recent(side="middle"), recent(appointment_id="A2")))
    said = await homestretch(
        tmp_path, "import", "needling-sessions", "visits.csv", HOMESTRETCH_DATABASE_URL=database_url
    )
    assert said.code == 1
    assert "line     2  REFUSED: side is not one of the words known here. One of: left, right, both." in said.out
    assert await count(database_url) == (1, 1)


async def test_a_file_with_the_wrong_columns_is_refused_in_one_line_and_exits_2(
    tmp_path: Path, database_url: str
) -> None:
    file = str(DATA / "wrong-columns.csv")
    said = await homestretch(tmp_path, "import", "needling-sessions", file, HOMESTRETCH_DATABASE_URL=database_url)
    assert said.code == 2
    assert said.complaints == (
        "wrong-columns.csv: the columns are not as expected; missing: ends_at, patient_time_zone; "
        "unknown: end_at Did you mean “ends_at”?, colour\n"
    )
    assert await count(database_url) == (0, 0)


async def test_a_dry_run_shows_every_row_and_writes_nothing(tmp_path: Path, database_url: str) -> None:
    args = ("import", "needling-sessions", str(DATA / "needling-sessions.csv"), "--dry-run")
    now = ("--now", "2026-10-31T19:00:00Z")
    said = await homestretch(tmp_path, *args, *now, HOMESTRETCH_DATABASE_URL=database_url)
    assert (said.code, said.complaints) == (0, "")
    assert said.out.count("\nline ") == 159
    assert (
        "line     2  A00001  Riverside Physical Therapy  would record, 5 check-ins: "
        "evening 31 Oct 20:00, day1 1 Nov 13:00, day2 2 Nov 13:00, day3 if still sore, day7 7 Nov 13:00"
    ) in said.out
    assert "Would make the clinic Island Movement: emergency number 000" in said.out
    assert await count(database_url) == (0, 0)
    assert (await homestretch(tmp_path, *args[:-1], *now, HOMESTRETCH_DATABASE_URL=database_url)).code == 2


async def test_an_import_may_be_of_one_clinic_only(tmp_path: Path, database_url: str) -> None:
    args = ("import", "needling-sessions", str(DATA / "needling-sessions.csv"), "--dry-run", "--clinic")
    said = await homestretch(tmp_path, *args, "Harbour Physio", HOMESTRETCH_DATABASE_URL=database_url)
    assert said.code == 0
    assert said.out.count("Harbour Physio  ") == 33
    assert "Riverside" not in said.out
    said = await homestretch(tmp_path, *args, "Harbor Physio", HOMESTRETCH_DATABASE_URL=database_url)
    assert said.code == 2
    assert "no row is of the clinic “Harbor Physio”. Did you mean “Harbour Physio”?" in said.complaints


async def test_migrate_makes_the_database_and_may_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/homestretch.db"
    for _ in range(2):
        assert (await homestretch(tmp_path, "migrate", HOMESTRETCH_DATABASE_URL=url)).code == 0
    assert await count(url) == (0, 0)


async def test_a_setting_that_is_none_is_refused_with_the_nearest(tmp_path: Path) -> None:
    said = await homestretch(tmp_path, "migrate", HOMESTRETCH_DATABASE_ULR="sqlite:///x.db")
    assert said.code == 1
    assert "HOMESTRETCH_DATABASE_ULR is not a setting. Did you mean “HOMESTRETCH_DATABASE_URL”?" in said.complaints


async def test_vapid_makes_a_key_that_only_its_owner_reads_and_never_overwrites_one(tmp_path: Path) -> None:
    args = ("vapid", "push.pem", "--subject", "mailto:ops@clinic.example")
    said = await homestretch(tmp_path, *args)
    assert said.code == 0, said.complaints
    key = tmp_path / "push.pem"
    pem = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert VapidKeys.from_pem(pem, "mailto:ops@clinic.example").public() in said.complaints
    assert (await homestretch(tmp_path, *args)).code == 1
    assert key.read_text() == pem


# serving


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextlib.asynccontextmanager
async def serving(folder: Path, *args: str, **settings: str) -> AsyncIterator[Running]:
    """A server that has said hello; killed where a test failed."""
    process = await fork(MAIN, args, folder, settings)
    try:
        async for line in process.stdout:
            if b"Ctrl-C stops it" in line:
                break
        else:
            raise AssertionError((await process.stderr.read()).decode())
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
async def test_a_server_answers_until_a_signal_stops_it_cleanly(
    tmp_path: Path, database_url: str, by: signal.Signals
) -> None:
    port = free_port()
    settings = {"HOMESTRETCH_DATABASE_URL": application_url(database_url), "HOMESTRETCH_PORT": str(port)}
    async with serving(tmp_path, "serve", **settings) as process, httpx.AsyncClient(trust_env=False) as browser:
        reply = await browser.get(f"http://127.0.0.1:{port}/healthz")
        assert reply.status_code == 200
        process.send_signal(by)  # with a connection still open
        async with asyncio.timeout(3):
            _, complaints = await process.communicate()
    assert process.returncode == 0
    assert [line for line in complaints.decode().splitlines() if " INFO " not in line] == []


async def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = await homestretch(tmp_path, "serve", HOMESTRETCH_PORT=str(port))
    assert said.code == 1
    assert said.complaints == f"Error: port {port} of 127.0.0.1 is taken: is Homestretch running already?\n"
    assert not (tmp_path / "data").exists()


async def test_a_key_that_is_none_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("not a key")
    keys = {"HOMESTRETCH_VAPID_KEY_FILE": "key.pem", "HOMESTRETCH_VAPID_SUBJECT": "mailto:ops@clinic.example"}
    said = await homestretch(tmp_path, "serve", **keys)
    assert (said.code, said.complaints) == (1, "Error: VAPID key: not an unencrypted private key in PEM form\n")


async def test_a_demonstration_starts_at_once_when_it_was_filled_before(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    migrate(f"sqlite:///{tmp_path}/data/demo.db")
    port = free_port()
    # Settings of a real clinic are not looked at.
    real = {
        "HOMESTRETCH_DATABASE_URL": "postgresql://nowhere.example/clinic?sslmode=disable",
        "HOMESTRETCH_SMTP_HOST": "mail.example",
    }
    async with (
        serving(tmp_path, "demo", "--port", str(port), **real) as process,
        httpx.AsyncClient(trust_env=False) as it,
    ):
        page = await it.get(f"http://127.0.0.1:{port}/sign-in")
        assert page.status_code == 200
        assert "demo-ada" in page.text
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(3):
            await process.communicate()
    assert process.returncode == 0


async def test_a_demonstration_that_was_interrupted_while_it_was_filled_is_filled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def interrupted(db: Database, now: Instant, progress: Callable[[Instant, int], None]) -> None:
        await db.write(people.add_clinic, Clinic("half", "Half", "America/New_York", "US", ""), now)
        raise KeyboardInterrupt

    async def whole(db: Database, now: Instant, progress: Callable[[Instant, int], None]) -> None:
        await db.write(people.add_clinic, Clinic("whole", "Whole", "America/New_York", "US", ""), now)

    monkeypatch.setattr(demo_command, "fill_demo", interrupted)
    with pytest.raises(KeyboardInterrupt):
        await demo_command.fill()
    assert not demo_command.FILE.exists()
    monkeypatch.setattr(demo_command, "fill_demo", whole)
    await demo_command.fill()
    async with await connect(f"sqlite:///{demo_command.FILE}", {}) as db:
        assert (await db.read(people.clinic_of, "whole")).name == "Whole"
        with pytest.raises(NoSuchRecord):
            await db.read(people.clinic_of, "half")
