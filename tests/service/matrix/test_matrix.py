"""Every route x every caller x every object, on both databases, and on PostgreSQL once more without our own filter.

What is expected stands in expected.py. Writes are rolled back, so that every cell finds the same world.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from service.auth.guards import Gate
from service.auth.tokens import DEVICE, Held
from service.clock import SetClock
from service.database import connect
from service.settings import Settings
from tests.conftest import application_url, same_vault
from tests.service.application import built
from tests.service.matrix.canaries import canary, private
from tests.service.matrix.door import Rehearsal, Reply, ask
from tests.service.matrix.expected import OPENED_BY_GLASS, ROWS, Row
from tests.service.matrix.world import CALLERS, EVENING, OPERATOR, Caller, Target, furnish, targets
from tests.world import CLINIC

COOKIE = "__Host-homestretch"
LEAST_CELLS = 8_000
SETTINGS = Settings(public_url="https://aftercare.example.org", api_requests_a_minute=1_000_000)
EVERYBODY = ("ada", "fay", "old", "eve")
LEADS_OUT = ("/record/copy.html", "POST /record/unenrol")  # a file to keep, and the last page of whoever goes
_CLINIC_LESS = ("missing clinic", "foreign clinic")


class Stage(NamedTuple):
    app: Litestar
    targets: tuple[Target, ...]


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    carried = same_vault(tmp_path / "vault").carried  # erasing notes it there first
    async with await connect(database_url, carried) as owner:
        ids = await owner.write(furnish)
    async with await connect(application_url(database_url), carried) as database:
        app = built(SETTINGS, Rehearsal(database), SetClock(EVENING))
        _let_in_the_operator(app.state.desk.gate)
        yield Stage(app, targets(ids))


def _let_in_the_operator(gate: Gate) -> None:
    """Whoever runs the server has no token at all; this is one who has made themselves a way in."""
    ours, held = gate.held, Held(OPERATOR, "op", DEVICE.use, "", (), None, EVENING, EVENING, None, None)

    async def anybody(presented: str) -> Held | None:
        return held if presented == "operator" else await ours(presented)

    gate.held = anybody  # type: ignore[method-assign]


def routes(app: Litestar) -> set[str]:
    """From the application itself, whatever it was built from."""
    return {
        f"{method} {re.sub(r':[a-z]+}', '}', route.path)}"
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.route_handler_map
        if method != "OPTIONS"
    }


class Cell(NamedTuple):
    key: str
    row: Row
    caller: Caller
    target: Target

    @property
    def page(self) -> bool:
        return not self.key.split(" ")[1].startswith(("/api/", "/healthz", "/exercises"))

    def __str__(self) -> str:
        return f"{self.key} by {self.caller.name}, {self.target.name}"


def cells(stage: Stage) -> Iterator[Cell]:
    for key, row in ROWS.items():
        for target in stage.targets:
            if "{clinic}" not in key and target.name in _CLINIC_LESS:
                continue
            if not row.of_a_patient and target.name not in ("own", *_CLINIC_LESS):
                continue
            for caller in CALLERS:
                yield Cell(key, row, caller, target)


def _filled(text: str, ids: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: ids[found[1]], text)


async def perform(app: Litestar, cell: Cell) -> Reply:
    row, ids = cell.row, cell.target.ids
    method, path = cell.key.split(" ")
    named = {"clinic": cell.target.clinic, **row.fixed, **{name: ids[kind] for name, kind in row.names.items()}}
    path = path.format(**named)
    headers = [(b"if-match", row.if_match.encode())] if row.if_match else []
    if cell.page:
        headers += [(b"sec-fetch-site", b"same-origin")]
        headers += [(b"cookie", f"{COOKIE}={cell.caller.token}".encode())] if cell.caller.token else []
    elif cell.caller.token:
        headers += [(b"authorization", f"Bearer {cell.caller.token}".encode())]
    body = b""
    if row.form is not None:
        body = _filled(urlencode(row.form, doseq=True, safe="$"), ids).encode()
        headers += [(b"content-type", b"application/x-www-form-urlencoded")]
    elif row.body is not None:
        body = _filled(msgspec.json.encode(row.body).decode(), ids).encode()
        headers += [(b"content-type", b"application/json")]
    return await ask(app, method, path, row.query, headers, body)


class Answer(NamedTuple):
    """`place` is where a page leads; `unseen` that to this caller the object is not there."""

    status: tuple[int, ...]
    place: bytes = b""
    unseen: bool = False


def expected(cell: Cell) -> Answer:
    row, caller, target = cell.row, cell.caller, cell.target
    if row.whom == "anybody":
        return Answer(row.ok)
    if not caller.kind or (cell.page and caller.kind in ("key", "operator")):
        return Answer((303,), b"/sign-in") if cell.page else Answer((401,))
    if not admitted(row, caller):
        colleague = row.whom == "admin" and caller.kind == "clinician"
        return Answer((303,), b"/") if cell.page and not colleague else Answer((403,))
    if "{clinic}" in cell.key and target.clinic != caller.clinic:
        return Answer((404,), unseen=True)
    # Break-glass is for those who are not seen yet: whoever is of the clinic is there for it.
    known = frozenset({"ada", "fay"}) if cell.key == OPENED_BY_GLASS and caller.clinic == CLINIC else caller.sees
    if row.of_a_patient and target.person not in known:
        return Answer((row.denied,), unseen=True)
    return Answer(row.ok)


def admitted(row: Row, caller: Caller) -> bool:
    if caller.kind == "key":
        return row.key and caller.verbs
    staff = caller.kind in ("clinician", "admin")
    return {"staff": staff, "admin": caller.kind == "admin", "patient": caller.kind == "patient"}[row.whom]


def faults(cell: Cell, reply: Reply) -> Iterator[str]:
    status, place, unseen = expected(cell)
    if reply.status not in status:
        yield f"{cell}: {reply.status} instead of {' or '.join(map(str, status))}: {reply.body[:200]!r}"
    elif place and reply.header(b"location") != place:
        yield f"{cell}: leads to {reply.header(b'location')!r}"
    elif unseen and cell.row.refusal.encode() not in reply.body:
        yield f"{cell}: does not say {cell.row.refusal}"
    kind = reply.header(b"content-type")
    if reply.body and (not kind or (kind.startswith((b"text/", b"image/svg")) and b"charset=utf-8" not in kind)):
        yield f"{cell}: a body of kind {kind!r}"
    inside = cell.row.whom != "anybody" and cell.page and reply.status == 200 and kind.startswith(b"text/html")
    if inside and b'action="/sign-out"' not in reply.body and not cell.key.endswith(LEADS_OUT):
        yield f"{cell}: one cannot sign out"
    yield from leaks(cell, reply)


def leaks(cell: Cell, reply: Reply) -> Iterator[str]:
    shown = reply.body + b" ".join(value for _, value in reply.headers)
    for person in EVERYBODY:
        if canary(person).encode() in shown and person not in cell.caller.sees and cell.key != OPENED_BY_GLASS:
            yield f"{cell}: shows {person}"
        if private(person).encode() in shown and (person not in cell.caller.sees or cell.caller.kind == "patient"):
            yield f"{cell}: shows the private note about {person}"


def indistinguishable(refused: dict[tuple[str, str, bool], dict[str, Reply]]) -> Iterator[str]:
    """What is foreign, erased or not there is answered in the same words, headers and all."""
    for (key, caller, _), replies in refused.items():
        if len(set(replies.values())) > 1:
            yield f"{key} by {caller}: told apart are {', '.join(replies)}"


async def test_every_route_says_to_every_caller_about_every_object_what_it_should(
    stage: Stage, record_property: Any
) -> None:
    missing = routes(stage.app) - set(ROWS)
    assert not missing, f"add a row to ROWS in tests/service/matrix/expected.py for: {', '.join(sorted(missing))}"
    assert not set(ROWS) - routes(stage.app), "rows of routes there are not"
    found: list[str] = []
    count = 0
    refused: dict[tuple[str, str, bool], dict[str, Reply]] = defaultdict(dict)
    for cell in cells(stage):
        reply = await perform(stage.app, cell)
        count += 1
        found += faults(cell, reply)
        if expected(cell).unseen:
            elsewhere = cell.target.name in _CLINIC_LESS
            refused[cell.key, cell.caller.name, elsewhere][cell.target.name] = reply
    found += indistinguishable(refused)
    assert not found, f"{len(found)} of {count} cells:\n" + "\n".join(found[:60])
    assert count >= LEAST_CELLS
    record_property("matrix cells", count)
