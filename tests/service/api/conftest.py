"""The whole application in this process, with everybody of tests/world.py at its door, on both databases.

Every reply is held against what its route says of itself: its status and the type of its body.
"""

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import Connection

from programs.instants import HOUR
from service import care
from service.care import Who
from service.clock import SetClock
from service.database import Database
from service.errors import KINDS, MEDIA_TYPE, Problem
from service.settings import Settings
from tests.service.application import built
from tests.world import BEN, DOV, NOON, assignment, replayed, session, tokens_too

EVENING = NOON + 3 * HOUR  # the first check-in is open


@cache
def paths(openapi: bytes) -> Any:
    return msgspec.json.decode(openapi)["paths"]


class Api:
    """One door for all; `who` is None for nobody we know."""

    def __init__(self, app: Litestar, db: Database, clock: SetClock, http: httpx.AsyncClient) -> None:
        self.app, self.db, self.clock, self.http = app, db, clock, http

    async def __call__(
        self, method: str, path: str, who: Who | None = BEN, body: Any = None, **headers: str
    ) -> httpx.Response:
        """`body` is sent as JSON, or as it is if it is bytes; headers by their names with _ for -."""
        named = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        if who is not None:
            named[b"authorization"] = f"Bearer {who.id}".encode()
        content = body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
        whole = path if path.startswith(("/healthz", "/exercises/", "/nowhere")) else f"/api/v1{path}"
        reply = await self.http.request(method, whole, content=content, headers=named)
        self._check(method, whole, reply)
        return reply

    def _check(self, method: str, path: str, reply: httpx.Response) -> None:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" in reply.headers
        if reply.status_code >= 400 and reply.status_code != 503:
            problem = msgspec.json.decode(reply.content, type=Problem)
            assert reply.headers["content-type"] == MEDIA_TYPE
            kind = next(kind for kind in KINDS if kind.status == reply.status_code)
            assert (problem.type, problem.title, problem.status) == (kind.type, kind.title, kind.status)
            assert problem.detail
        else:
            self._check_type(method, path.partition("?")[0], reply)
        self._check_documented(method, path.partition("?")[0], reply.status_code)

    def _check_type(self, method: str, path: str, reply: httpx.Response) -> None:
        handler = self.app.asgi_router.handle_routing(path=path, method=method)[1]
        if (doc := handler.opt.get("doc")) is None:
            return
        assert reply.headers["content-type"].partition(";")[0] == doc.media_type
        if doc.media_type != "application/json":
            return
        it = msgspec.json.decode(reply.content, type=doc.gives)
        assert msgspec.json.decode(msgspec.json.encode(it)) == reply.json(), "more or less than is documented"

    def _check_documented(self, method: str, path: str, status: int) -> None:
        try:
            template = self.app.asgi_router.handle_routing(path=path, method=method)[4]
        except Exception:
            return
        documented = paths(self.app.state.documentation.openapi)
        operations = documented.get(template.replace(":str", ""), {})
        if method.lower() in operations:
            assert str(status) in operations[method.lower()]["responses"], (
                f"{method} {template} does not document {status}"
            )

    async def problem(
        self, method: str, path: str, who: Who | None = BEN, body: Any = None, **headers: str
    ) -> tuple[int, list[tuple[str, str, str]]]:
        """The status, and for each thing wrong where (pointer or parameter), what, and what would be right."""
        reply = await self(method, path, who, body, **headers)
        errors = msgspec.json.decode(reply.content, type=Problem).errors
        return reply.status_code, [(it.parameter or it.pointer, it.problem, it.hint) for it in errors]


@replayed
def furnish(db: Connection) -> None:
    """Ada was needled an hour ago ("s1") and has a plan ("p1"); so has Eve at the other clinic ("s2", "p2")."""
    tokens_too(db)
    care.record_session(db, BEN, "s1", session(), NOON)
    care.assign_plan(db, BEN, "p1", assignment(), NOON)
    care.record_session(db, DOV, "s2", session(patient_id="eve", clinician_id="dov"), NOON)
    care.assign_plan(db, DOV, "p2", msgspec.structs.replace(assignment(), patient_id="eve", clinician_id="dov"), NOON)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def settings() -> Settings:
    return Settings(public_url="https://aftercare.example.org")


@pytest.fixture
async def empty(database: Database, clock: SetClock, settings: Settings) -> AsyncIterator[Api]:
    """People and their tokens, and nothing yet recorded; noon."""
    await database.write(tokens_too)
    async for api in _opened(database, clock, settings):
        yield api


@pytest.fixture
async def api(database: Database, clock: SetClock, settings: Settings) -> AsyncIterator[Api]:
    """With needling sessions and plans; the evening of the visit."""
    await database.write(furnish)
    clock.move_to(EVENING)
    async for api in _opened(database, clock, settings):
        yield api


async def _opened(database: Database, clock: SetClock, settings: Settings) -> AsyncIterator[Api]:
    app = built(settings, database, clock)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://aftercare.example.org") as http:
        yield Api(app, database, clock, http)
