"""Nothing of a record is in the log, in a message, in what a stranger is told or in an address; nothing anywhere, once
it was erased.

Each field in which somebody writes holds a word of its own (canaries.py). What a caller is shown by each route about
each object is looked at in test_matrix.py; the log of every test by tests/logs.py.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from notifications.channels import Allowed, Channel
from notifications.channels.console import Console
from notifications.channels.email import Email, Smtp
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from notifications.tables import address
from programs.instants import HOUR
from service import care
from service.auth.tokens import find_token
from service.clock import SetClock
from service.database import Bridge, Database, Verb, connect
from service.jobs import Worker
from service.metrics import Figures
from service.subject import METADATA
from tests import logs
from tests.conftest import application_url, same_vault
from tests.peers.mail_service import MailService
from tests.peers.push_service import PushService
from tests.service.application import built
from tests.service.matrix.canaries import EVENING, canary, private, unsown
from tests.service.matrix.door import Reply, ask
from tests.service.matrix.expected import API, ROWS, Row
from tests.service.matrix.test_matrix import COOKIE, SETTINGS, Stage, _filled, stage
from tests.service.matrix.world import furnish, targets
from tests.world import ADA, CLINIC

__all__ = ["stage"]

PUBLIC_URL = "https://care.example.org"
TOKENS = {"staff": "ben", "admin": "ana", "patient": "ada", "anybody": ""}
SENT = "canary-sent"
WORDS = {"note", "reason", "words", "title", "name", "label"}  # fields in which somebody writes
SAYS_TOO_MUCH = (b"needl", b"gluteus", b"hip_bridge", b"bridge", b"bleed", b"sore", b"Riverside", b"Ben")


@pytest.fixture(autouse=True)
def everything_is_logged() -> Iterator[None]:
    ours = logging.getLogger("homestretch")
    before = ours.level
    ours.setLevel(logging.DEBUG)
    yield
    ours.setLevel(before)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_field_somebody_writes_in_is_sown(database: Database) -> None:
    await database.write(furnish)
    assert await database.read(unsown, CLINIC, "ada") == []


# requests


async def request(stage: Stage, key: str, row: Row, body: bytes, query: str, *more: tuple[bytes, bytes]) -> Reply:
    method, path = key.split(" ")
    own = stage.targets[0].ids
    path = path.format(**{"clinic": CLINIC, **row.fixed, **{name: own[kind] for name, kind in row.names.items()}})
    token = TOKENS[row.whom].encode()
    headers = [(b"if-match", row.if_match.encode())] if row.if_match else []
    headers += [(b"authorization", b"Bearer " + token), (b"sec-fetch-site", b"same-origin")]
    headers += [(b"cookie", COOKIE.encode() + b"=" + token)]
    form = b"application/x-www-form-urlencoded" if row.form is not None else b"application/json"
    return await ask(stage.app, method, path, query, [*headers, *more, (b"content-type", form)], body)


def spoilt(row: Row) -> bytes:
    """Every field of the wrong kind, with a word that was never asked for."""
    if row.form is not None:
        return urlencode(dict.fromkeys([*row.form, SENT], f"{SENT}\n{'9' * 40}")).encode()
    fields = row.body if isinstance(row.body, dict) else {}
    return msgspec.json.encode({name: {SENT: [SENT]} for name in [*fields, SENT]})


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # which is the pickier of the two
async def test_what_is_refused_is_quoted_in_no_log_header_or_address(stage: Stage) -> None:
    tried, before = 0, logs.watch.lines
    for key, row in ROWS.items():
        for body, query in ((spoilt(row), ""), (b"", urlencode({"cursor": SENT, SENT: SENT})), (SENT.encode(), "")):
            reply = await request(stage, key, row, body, query)
            assert reply.status < 500, (key, reply.body)
            told = [value for _, value in reply.headers if SENT.encode() in value]
            assert not told, (key, told)
            tried += 1
    assert tried >= 400
    assert logs.watch.lines >= before + tried


class Broken(Database):
    """Knows who asks, and fails at everything else with the words of a database that quotes the row."""

    def __init__(self, whole: Database) -> None:
        super().__init__()
        self.whole = whole

    def at(self, clinic: str) -> Bridge:
        return self

    async def read(self, verb: Verb, *args: Any) -> Any:
        if verb is find_token:
            return await self.whole.read(verb, *args)
        raise IntegrityError("INSERT INTO patient (name)", {"name": canary("ada")}, ValueError(private("ada")))

    async def write(self, verb: Verb, *args: Any) -> Any:
        return await self.read(verb, *args)

    async def _close(self) -> None:
        return None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_fails_tells_nothing_of_the_row_it_failed_at(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = stage.app.state.desk
    broken = Broken(desk.db)
    monkeypatch.setattr(desk.gate, "_db", broken)
    monkeypatch.setattr(desk.watch, "_db", broken)
    monkeypatch.setattr(stage.app.state, "desk", msgspec.structs.replace(desk, db=broken))
    failed, before = 0, logs.watch.lines
    for key, row in ROWS.items():
        own = stage.targets[0].ids
        given = urlencode(row.form, doseq=True, safe="$") if row.form is not None else ""
        given = given or msgspec.json.encode(row.body or {}).decode()
        reply = await request(stage, key, row, _filled(given, own).encode(), row.query)
        said = reply.body + b" ".join(value for _, value in reply.headers)
        assert not logs.NAMED.search(said.decode()), (key, said)
        failed += reply.status == 500
    assert failed >= 120
    assert logs.watch.lines >= before + failed


# messages, and erasing


class Wire:
    """One real channel for each of three patients, with what its far side received."""

    def __init__(self, push: PushService, mail: MailService) -> None:
        self.push, self.mail, self.printed = push, mail, list[str]()
        keys = VapidKeys.generate("mailto:operator@example.org")
        sending = PushSettings(keys, PUBLIC_URL, Allowed(loopback=True))
        smtp = Smtp(host="127.0.0.1", port=mail.port, tls="none", sender="care@example.org", public_url=PUBLIC_URL)
        self.channels: dict[str, Channel] = {
            "web_push": WebPush(sending, lambda: EVENING / 1000),
            "email": Email(smtp, lambda: EVENING / 1000),
            "console": Console(PUBLIC_URL, self.printed.append),
        }

    def connect(self, db: Connection) -> None:
        """Ada is reached by push, Fay by mail, Eve on a console."""
        care.put_address(db, ADA, "ada", "ada-push", "web_push", self.push.subscribe("ada-phone"), EVENING)
        for person, kept in (("ada", "ada-push"), ("fay", "fay-box"), ("eve", "eve-phone")):
            others = (address.c.person_id == person) & (address.c.id != kept)
            db.execute(update(address).where(others).values(gone_at=EVENING))

    def received(self) -> Iterator[bytes]:
        for push in self.push.accepted:
            yield msgspec.json.encode(push)
        for mail in self.mail.mails:
            yield mail.raw.replace(mail.recipient.encode(), b"")
        yield from (line.encode() for line in self.printed)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with PushService(now=lambda: EVENING / 1000) as push, MailService() as mail:
        made = Wire(push, mail)
        yield made
        for channel in made.channels.values():
            await channel.close()


async def test_no_message_and_no_figure_says_anything_of_a_record(database: Database, wire: Wire) -> None:
    def arrange(db: Connection) -> None:
        furnish(db)
        wire.connect(db)

    await database.write(arrange)
    clock = SetClock(EVENING)
    worker = Worker(database, wire.channels, clock)
    for hours in range(0, 30, 3):
        clock.move_to(EVENING + hours * HOUR)
        await worker.turn()
    assert wire.push.accepted
    assert wire.mail.mails
    assert [line for line in wire.printed if "eve" in line]
    for said in wire.received():
        assert not logs.NAMED.search(said.decode()), said
        assert not [word for word in SAYS_TOO_MUCH if word in said], said
    figures = CollectorRegistry()
    figures.register(Figures(worker))
    shown = generate_latest(figures).decode()
    assert 'homestretch_sends_total{channel="email",result="accepted"}' in shown
    assert not logs.NAMED.search(shown)
    assert not [who for who in ("ada", "fay", "eve", "riverside", "harbour") if who in shown]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_turn_that_fails_is_logged_without_the_row_it_failed_at(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(Broken(database), {}, SetClock(EVENING))
    monkeypatch.setattr(worker, "_arm", lambda at: None)
    before = logs.watch.lines
    await worker._turn_and_arm()
    assert logs.watch.lines == before + 1


async def test_what_was_erased_over_the_api_is_nowhere_any_more(database_url: str, tmp_path: Path) -> None:
    """Not in a row of any table, nor in the files of SQLite, nor in what is kept beside the database."""
    vault = same_vault(tmp_path / "vault")
    async with await connect(database_url, vault.carried) as owner:
        ids = await owner.write(furnish)
    async with await connect(application_url(database_url), vault.carried) as database:
        app = built(SETTINGS, database, SetClock(EVENING))
        assert await written(Stage(app, targets(ids))) >= 20
        where = f"{API.format(clinic=CLINIC)}/patients/ada/erasure/approve"
        headers = [(b"authorization", b"Bearer ana"), (b"content-type", b"application/json")]
        reply = await ask(app, "POST", where, "", headers, b'{"ground":"asked"}')
        assert reply.status == 200, reply.body
        assert not left(tmp_path, "ada"), "while the server runs"
    async with await connect(database_url, vault.carried) as owner:
        rows = await owner.read(everything)
    assert canary("fay") in rows
    assert private("fay") in rows
    assert [it for it in rows.splitlines() if canary("ada") in it or private("ada") in it] == []
    assert not left(tmp_path, "ada")
    assert left(tmp_path, "fay") or not database_url.startswith("sqlite")


async def written(stage: Stage) -> int:
    """Whatever can be written of Ada over the API, with a word of hers in each field for words; how often it was. The
    replies are kept for whoever sends the same once more."""
    done = 0
    for key, row in ROWS.items():
        hers = row.of_a_patient or row.whom == "patient"
        if hers and isinstance(row.body, dict) and not any(word in key for word in ("eras", "unenrol", "hold")):
            body = _filled(msgspec.json.encode(worded(row.body)).decode(), stage.targets[0].ids).encode()
            once = (b"idempotency-key", f"k{done}".encode())
            done += (await request(stage, key, row, body, row.query, once)).status < 300
    return done


def worded(body: Any) -> Any:
    if isinstance(body, list):
        return [worded(it) for it in body]
    if not isinstance(body, dict):
        return body
    return {name: canary("ada", "written") if name in WORDS else worded(it) for name, it in body.items()}


def everything(db: Connection) -> str:
    return "\n".join(f"{table}: {row!r}" for table in METADATA.sorted_tables for row in db.execute(select(table)))


def left(folder: Path, person: str) -> list[str]:
    """The files in which anything of theirs stands: the database with its log, the key folder with its lists."""
    words = (canary(person).encode(), private(person).encode())
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if any(word in file.read_bytes() for word in words)]
