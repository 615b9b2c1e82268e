"""What each request adds to the audit, said once for every door: whoever was let in is noted before they are answered.

A change is noted in its own transaction. A read by staff or an integration, and every refusal of somebody we know, is
written down before the first byte of the reply leaves. A patient's reads of their own record are summed up, one row an
hour and network address, and so are refusals of strangers; both are held in memory for a second at most, which a
kill -9 can lose. A route is watched unless it is on the list of those that show nothing of a patient.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from litestar.types import HTTPScope
from sqlalchemy import Connection

from programs.instants import HOUR, Instant
from service import anchors, audit
from service.audit import DEED, NOBODY, SERVER, Note
from service.auth.peer import Network, address_of
from service.care import Who
from service.clock import Clock
from service.database import Bridge, Database
from service.vault import Vault

log = logging.getLogger("homestretch.audit")

# Everything else is taken to show or change something of a patient.
NOTHING_OF_A_PATIENT = frozenset(
    {
        "/",  # leads on
        "/flags",  # leads on
        "/open/{message}",  # leads on; that a message was opened is noted by its receipt
        "/api/v1/clinics/{clinic}",  # the clinic's own name, zone and staff
        "/api/v1/clinics/{clinic}/programs",  # templates
        "/api/v1/clinics/{clinic}/keys",  # that one was made or ended is noted where it is done
        "/api/v1/clinics/{clinic}/keys/{id}",
        "/clinic/keys",
        "/clinic/keys/{id}/end",
        "/api/v1/me/push-key",  # the server's
        *(f"/api/v1/clinics/{{clinic}}/{what}" for what in ("questions", "check-in-form", "rules", "triage")),
        *(f"/api/v1/clinics/{{clinic}}/{what}" for what in ("exercises", "exercises/{id}", "protocols")),
        "/api/v1/clinics/{clinic}/protocols/{id}",
        *("/clinic/rules", "/clinic/programs", "/clinic/protocol"),
        *("/clinic/staff", "/account"),  # how staff sign in
        "/clinic/settings",
    }
)
TRIED = frozenset({"/enrol", "/api/v1/enrolments/redeem"})  # where a 404 is a code that opens nothing
REFUSALS = frozenset({401, 403, 404, 429})
OWN = "read own record"
FLUSH_AFTER = 1.0  # seconds
FLUSH_AT = 200
MOST_STRANGERS = 1_000  # an hour, each once; more come from addresses made up for the purpose
ANCHOR_EVERY = HOUR


class Way(NamedTuple):
    """A route: how it is named in the audit, the parameter that is a patient's id, whether it shows nothing of one."""

    what: str
    patient: str
    harmless: bool


@cache
def way_of(method: str, template: str) -> Way:
    plain = template.replace(":str", "")
    patient = plain.partition("/patients/{")[2].partition("}")[0] if "/patients/{" in plain else ""
    return Way(f"{method} {plain}", patient, plain in NOTHING_OF_A_PATIENT)


class Deed(msgspec.Struct):
    """What one request of somebody known is about to do. `noted` once a transaction of its own says so."""

    who: Who
    way: Way
    origin: str
    at: Instant
    patient: str = ""
    record: str = ""
    noted: bool = False
    refused: bool = False

    def note(self, outcome: audit.Outcome = "ok") -> Note:
        return Note(
            self.who.clinic, str(self.who), self.way.what, self.patient, self.record, self.at, self.origin, outcome
        )


def deed_of(scope: HTTPScope, who: Who, origin: str, at: Instant) -> Deed:
    """Whom a path is about stands in it: `patients/{...}`, or whoever asks, if they are a patient."""
    way = way_of(scope["method"], scope["path_template"])
    deed = Deed(who, way, origin, at, who.id if who.kind == "patient" else "")
    if params := scope["path_params"]:
        ids = {name: str(value) for name, value in params.items() if name != "clinic"}
        deed.patient = ids.pop(way.patient, deed.patient)
        deed.record = next(reversed(ids.values()), "")
    return deed


def witnessed(db: Connection, deed: Deed, verb: Callable[..., Any], *args: Any) -> Any:
    """`verb(db, *args)`, and last of all in its transaction what it noted, from where; one that noted nothing is noted
    by its route."""
    collected: list[Note] = []
    db.info[DEED] = collected
    try:
        result = verb(db, *args)
    finally:
        del db.info[DEED]
    notes = [it._replace(origin=deed.origin) for it in collected]
    audit.append(db, deed.who.clinic, notes or [deed.note()])
    deed.noted = True
    return result


class Witness:
    """A clinic's part of the database as one request sees it: what it writes is noted."""

    def __init__(self, db: Bridge, deed: Deed) -> None:
        self._db, self.deed = db, deed

    async def read(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self._db.read(verb, *args)

    async def write(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self._db.write(witnessed, self.deed, verb, *args)


class Watch:
    """Writes down what was read and refused. One a process."""

    def __init__(self, db: Database, clock: Clock, proxies: Sequence[Network]) -> None:
        self._db, self._clock, self._proxies = db, clock, proxies
        self._held: list[Note] = []
        self._hour = 0
        self._seen: set[int] = set()
        self._strangers: set[tuple[str, str]] = set()
        self._flushing: asyncio.Task[None] | None = None
        self._touched: set[str] = set()
        self._anchored_at: Instant = clock.now()
        db.closing.append(self.close)

    async def answered(self, scope: HTTPScope, status: int) -> bool:
        """Called before the reply's first byte is sent; False where it may not be, as it could not be written down."""
        try:
            await self._answered(scope, status)
        except Exception as error:  # whose own words may quote a row
            log.error("a reply was withheld: it could not be written down who saw what (%s)", type(error).__name__)
            return False
        return True

    async def _answered(self, scope: HTTPScope, status: int) -> None:
        deed: Deed | None = scope.get("state", {}).get("deed")
        if deed is None:
            if status in (401, 403, 429) or (status == 404 and scope.get("path_template") in TRIED):
                self._stranger(scope)
            return
        self._touched.add(deed.who.clinic)
        if status in REFUSALS or deed.refused:
            await self._write(deed.note("refused"))
        elif status < 300 and not deed.noted and not deed.way.harmless:
            await self._read(deed)
        if self._clock.now() - self._anchored_at >= ANCHOR_EVERY:
            self._flush_later()

    async def _read(self, deed: Deed) -> None:
        if deed.who.kind != "patient":
            await self._write(deed.note())
            return
        mark = hash((deed.who.clinic, deed.who.id, deed.origin))
        self._turn_hour(deed.at)
        if mark not in self._seen:
            self._seen.add(mark)
            self._hold(deed.note()._replace(what=OWN, record=""))

    async def _write(self, it: Note) -> None:
        await self._db.append(it.clinic, audit.append, it.clinic, [it])

    def _stranger(self, scope: HTTPScope) -> None:
        now, origin = self._clock.now(), address_of(scope, self._proxies)
        self._turn_hour(now)
        one = (way_of(scope["method"], scope.get("path_template", "")).what, origin)
        if one not in self._strangers and len(self._strangers) < MOST_STRANGERS:
            self._strangers.add(one)
            self._hold(Note(SERVER, NOBODY, one[0], "", "", now, origin, "refused"))

    def failed(self, scope: HTTPScope, clinic: str, what: str, record: str) -> None:
        """Somebody could not show that they are who they say: in the chain of whose name it was. Held for a moment, as
        a stranger's refusal is, so that it takes no longer to refuse somebody there is."""
        origin = address_of(scope, self._proxies)
        self._hold(Note(clinic, NOBODY, what, "", record, self._clock.now(), origin, "refused"))

    def _turn_hour(self, now: Instant) -> None:
        if now // HOUR != self._hour:
            self._hour = now // HOUR
            self._seen.clear()
            self._strangers.clear()

    # what is held for a moment

    def _hold(self, it: Note) -> None:
        self._held.append(it)
        self._flush_later()

    def _flush_later(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        try:
            for _ in range(20):
                if len(self._held) >= FLUSH_AT:
                    break
                await asyncio.sleep(FLUSH_AFTER / 20)
            await self.flush()
        except Exception as error:
            why = type(error).__name__
            log.error("what was read could not be written down (%s); it is tried again with the next", why)
        finally:
            self._flushing = None

    async def flush(self) -> None:
        held, self._held = self._held, []
        by_clinic: dict[str, list[Note]] = {}
        for it in held:
            by_clinic.setdefault(it.clinic, []).append(it)
        try:
            for clinic in list(by_clinic):
                await self._db.append(clinic, audit.append, clinic, by_clinic[clinic])
                self._touched.add(clinic)
                del by_clinic[clinic]
        finally:
            self._held = [it for notes in by_clinic.values() for it in notes] + self._held
        if self._clock.now() - self._anchored_at >= ANCHOR_EVERY:
            await self.anchor()

    async def anchor(self) -> None:
        """How far each chain has come since the last time, outside the database."""
        vault: Vault | None = self._db.carried.get("vault")
        touched = sorted(self._touched)
        self._anchored_at = self._clock.now()
        self._touched.clear()
        if vault is None:
            return
        for clinic in touched:
            anchors.keep(vault, clinic, await self._db.at(clinic).read(audit.head, clinic), self._clock.now())

    async def close(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
        await self.flush()
        await self.anchor()
