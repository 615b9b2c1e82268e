"""Who is at the door: a token -> what it opens, remembered for a moment. Where they may go is api/call.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Connection

from programs.instants import SECOND, Instant
from service.auth.limits import Allowance
from service.auth.tokens import Held, find_token, fingerprint, note_use, stands
from service.care import Who
from service.clock import Clock
from service.database import Bridge, Database
from service.errors import NOT_SIGNED_IN, Refused

# A device or key that was found is not looked up again within this long; whether it was ended since is asked by each
# transaction it opens (`Standing`). A session of staff, whose role may change as well, is looked up each time.
REMEMBERED = 5 * SECOND
MOST_REMEMBERED = 20_000  # some 8 MB; then all are asked for again


class Gate:
    """Looks a device or key up once in a few seconds (8 us instead of a hop to the database each time)."""

    def __init__(self, db: Database, clock: Clock, allowance: Allowance) -> None:
        self._db = db
        self._allowance = allowance
        self._clock = clock
        self._known: dict[str, tuple[Held, Instant]] = {}
        self._stood: dict[tuple[str, str], int] = {}  # by clinic and id: the commits after which it still stood

    async def who(self, authorization: bytes | None) -> Who:
        """Raises Refused for no token, and in the same words for one that never was or has ended."""
        return (await self.bearer(authorization)).who

    async def bearer(self, authorization: bytes | None) -> Held:
        """As `who`, with all that is known of the token."""
        presented = _bearer(authorization)
        if not presented:
            raise _not_signed_in("Send your token as “Authorization: Bearer …”.", "Bearer")
        held = await self.held(presented)
        if held is None:
            raise ended()
        return held

    async def held(self, presented: str) -> Held | None:
        """What this token opens; that it was used is noted now and then. Raises Refused for one used too often."""
        hash, now = fingerprint(presented), self._clock.now()
        known = self._known.get(hash)
        held = known[0] if known is not None and now < known[1] else await self._look_up(presented, hash)
        if held is not None:
            await self._allowance.spend(hash, now)
        return held

    async def _look_up(self, presented: str, hash: str) -> Held | None:
        now = self._clock.now()
        found: Held | None = await self._db.read(find_token, presented, now)
        if found is None:
            self._known.pop(hash, None)
            return None
        if now >= found.seen_at + found.noted_every:
            await self._db.append(found.who.clinic, note_use, found, now)
        if found.use != "session":
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
                self._stood.clear()
            self._known[hash] = (found, min(now + REMEMBERED, found.good_until or now + REMEMBERED))
        return found

    def part(self, held: Held) -> Bridge:
        """What this token opens of the database: nothing any more, once it was ended, in whatever process that was."""
        part = self._db.at(held.who.clinic)
        return part if held.use == "session" else Standing(self, held, part)

    def commits(self) -> int | None:
        return self._db.commits

    def stood_after(self, held: Held) -> int | None:
        return self._stood.get((held.who.clinic, held.id))

    def stands_after(self, held: Held, commits: int | None) -> None:
        if commits is not None:
            self._stood[held.who.clinic, held.id] = commits


def _still(db: Connection, held: Held, verb: Callable[..., Any], *args: Any) -> Any:
    if not stands(db, held):
        raise ended()
    return verb(db, *args)


class Standing(NamedTuple):
    """A clinic's part of the database for a token that was remembered: each transaction looks first whether it still
    stands. Where one process does all the writing, that is needed only after something was written."""

    gate: Gate
    held: Held
    part: Bridge

    async def read(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self._do(self.part.read, verb, args)

    async def write(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await self._do(self.part.write, verb, args)

    async def _do(self, do: Callable[..., Any], verb: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        commits = self.gate.commits()
        if commits is not None and commits == self.gate.stood_after(self.held):
            return await do(verb, *args)
        result = await do(_still, self.held, verb, *args)
        self.gate.stands_after(self.held, commits)
        return result


def _bearer(authorization: bytes | None) -> str:
    if authorization is None or authorization[:7].lower() != b"bearer " or len(authorization) > 512:
        return ""
    token = authorization[7:].strip()
    return token.decode("ascii") if token.isascii() else ""


def ended() -> Refused:
    return _not_signed_in("We do not know this token, or it has ended.", 'Bearer error="invalid_token"')


def _not_signed_in(detail: str, challenge: str) -> Refused:
    return Refused(NOT_SIGNED_IN, detail, headers={"WWW-Authenticate": challenge})
