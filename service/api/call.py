"""One request of somebody signed in: who, when, what they sent; and the reply. Every handler of the API starts here.

A handler takes (`at_clinic` or `at_me`, `body`, `query`), asks (`read`, `change`, `once`) and answers, in three lines.
"""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope

from programs.errors import NoSuchRecord
from service import access
from service.api import decode
from service.api.once import Ask, Kept, once
from service.api.todays import Todays
from service.auth.guards import Gate
from service.auth.oidc import Oidc
from service.auth.passwords import Passwords
from service.auth.peer import address_of
from service.auth.tokens import Held
from service.clock import Clock
from service.database import Database
from service.errors import INVALID, STALE, VERSION_NEEDED, Refused
from service.jobs import Pulse
from service.settings import Settings
from service.witness import Deed, Watch, Witness, deed_of

T = TypeVar("T")
ApiRequest = Request[Any, Any, State]

LONGEST_ID = 64
_ID_MARKS = frozenset("_.:~-")


class Desk(msgspec.Struct, frozen=True):
    """What every request needs and no request owns. `pulse` is None where the worker runs elsewhere."""

    db: Database
    clock: Clock
    settings: Settings
    gate: Gate
    pulse: Pulse | None
    passwords: Passwords
    oidc: Oidc | None
    watch: Watch
    todays: Todays = msgspec.field(default_factory=Todays)


class Head(msgspec.Struct, frozen=True):
    """What of a body also stands in the reply's headers."""

    id: str = ""
    version: int | None = None
    next: str | None = None


class Call:
    """`db` is the part of the database that is of the clinic of whoever asks, and of the record in the path only if it
    is theirs to see; `held` is the token they ask with."""

    __slots__ = ("db", "deed", "desk", "held", "now", "request", "who")

    def __init__(self, request: ApiRequest, desk: Desk, held: Held, deed: Deed) -> None:
        self.request, self.desk, self.held, self.deed = request, desk, held, deed
        self.who, self.now = deed.who, deed.at
        guard = access.guard_of(access.line_of(request.scope), held.who, request.path_params, deed.at)
        self.db = Witness(access.behind(desk.gate.part(held), guard), deed)

    # takes

    @property
    def address(self) -> str:
        """From where they ask, for limits and records."""
        return self.deed.origin

    async def body(self, form: type[T]) -> T:
        return decode.body(await self.request.body(), form)

    def query(self, form: type[T]) -> T:
        raw = self.request.scope["query_string"]
        if not raw.isascii():
            raise Refused(INVALID, "The query must be percent-encoded.")
        return decode.query(parse_qsl(raw.decode(), keep_blank_values=True), form)

    def id(self, name: str = "id") -> str:
        """An id of the path. One that cannot be is one that is not there."""
        return checked_id(self.request.path_params[name], name)

    def version(self) -> int:
        """The version named by If-Match, which must be there: a change is made to what its author saw."""
        found = self.version_if_given()
        if found is None:
            raise Refused(VERSION_NEEDED, "Send the ETag you got as If-Match, so that nobody's change is overwritten.")
        return found

    def version_if_given(self) -> int | None:
        given = self.request.headers.get("if-match", "*").strip()
        if given == "*":
            return None
        digits = given.strip('"')
        if given != f'"{digits}"' or not digits.isdecimal() or len(digits) > 9:
            raise Refused(STALE, 'If-Match must be one ETag as you got it, such as "3".')
        return int(digits)

    # asks and answers

    async def read(self, verb: Callable[..., Any], *args: Any) -> ASGIResponse:
        return self.show(await self.db.read(verb, *args))

    async def change(self, verb: Callable[..., Any], *args: Any) -> ASGIResponse:
        return self.show(await self.db.write(verb, *args))

    async def once(self, status: int, verb: Callable[..., Any], *args: Any) -> ASGIResponse:
        """For every POST: with an Idempotency-Key it is done once, however often it is sent."""
        key = self.request.headers.get("idempotency-key")
        if key is None:
            kept = Kept(status, msgspec.json.encode(await self.db.write(verb, *args)), False)
        else:
            where = f"{self.request.method} {self.request.scope['path']} {self.request.headers.get('if-match', '')}"
            ask = Ask.of(self.who, key, where, await self.request.body(), status, self.now)
            kept = await once(self.db, ask, verb, *args)
        headers = {"idempotency-replayed": "true"} if kept.replayed else {}
        return self._answer(kept.status, kept.body, msgspec.json.decode(kept.body, type=Head), headers)

    def show(self, it: Any) -> ASGIResponse:
        self.deed.patient = self.deed.patient or getattr(it, "patient_id", "")
        head = Head("", getattr(it, "version", None), getattr(it, "next", None))
        return self._answer(200, msgspec.json.encode(it), head, {})

    def _answer(self, status: int, body: bytes, head: Head, headers: dict[str, str]) -> ASGIResponse:
        if head.version is not None:
            headers["etag"] = f'"{head.version}"'
        if head.next is not None:
            headers["link"] = f'<{self._following(head.next)}>; rel="next"'
        if status == 201:
            headers["location"] = f"{self.request.scope['path']}/{head.id}"
        return ASGIResponse(body=body, status_code=status, headers=headers, media_type="application/json")

    def _following(self, cursor: str) -> str:
        pairs = parse_qsl(self.request.scope["query_string"].decode(), keep_blank_values=True)
        query = urlencode([pair for pair in pairs if pair[0] != "cursor"] + [("cursor", cursor)])
        return f"{self.request.scope['path']}?{query}"


def checked_id(id: str, kind: str) -> str:
    if not 1 <= len(id) <= LONGEST_ID or not all(
        mark.isascii() and (mark.isalnum() or mark in _ID_MARKS) for mark in id
    ):
        raise NoSuchRecord(kind, "")
    return id


async def at_clinic(request: ApiRequest) -> Call:
    """Staff or an integration at their own clinic. Another clinic's path answers as one that never was."""
    call = await _signed_in(request)
    if request.path_params["clinic"] != call.who.clinic:
        raise NoSuchRecord("clinic", "")
    return call


async def at_me(request: ApiRequest) -> Call:
    """A patient at what is theirs."""
    return await _signed_in(request)


async def _signed_in(request: ApiRequest) -> Call:
    """Somebody whom the route's line lets in; see access.py."""
    desk: Desk = request.app.state.desk
    held = await desk.gate.bearer(_authorization(request.scope))
    deed = deed_of(request.scope, held.who, address_of(request.scope, desk.settings.proxies), desk.clock.now())
    request.scope["state"]["deed"] = deed  # for whoever watches the reply leave
    access.admit(access.line_of(request.scope), held.who)
    return Call(request, desk, held, deed)


def _authorization(scope: HTTPScope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"authorization"), None)
