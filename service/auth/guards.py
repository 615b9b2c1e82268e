"""Who is at the door: a token -> what it opens, remembered for a moment. Where they may go is api/call.py."""

from programs.instants import SECOND, Instant
from service.auth.limits import Allowance
from service.auth.tokens import Held, find_token, fingerprint, note_use
from service.care import Who
from service.clock import Clock
from service.database import Database
from service.errors import NOT_SIGNED_IN, Refused

# Within this long a device or key ended by another process still opens; one ended here stops at once. A session of
# staff is asked for each time: who was disabled, or signed out elsewhere, is out at once.
REMEMBERED = 5 * SECOND
MOST_REMEMBERED = 20_000  # some 8 MB; then all are asked for again


class Gate:
    """Looks a device or key up once in a few seconds (8 us instead of a hop to the database each time)."""

    def __init__(self, db: Database, clock: Clock, allowance: Allowance) -> None:
        self._db = db
        self._allowance = allowance
        self._clock = clock
        self._known: dict[str, tuple[Held, Instant]] = {}
        self._endings = 0

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
            raise _not_signed_in("We do not know this token, or it has ended.", 'Bearer error="invalid_token"')
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
        endings, now = self._endings, self._clock.now()
        found: Held | None = await self._db.read(find_token, presented, now)
        if found is None:
            self._known.pop(hash, None)
            return None
        if now >= found.seen_at + found.noted_every:
            await self._db.append(found.who.clinic, note_use, found, now)
        # Read before a token ended, told after: such an answer opens this once, and is not kept.
        if found.use != "session" and endings == self._endings:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[hash] = (found, min(now + REMEMBERED, found.good_until or now + REMEMBERED))
        return found

    def forget(self, who: Who) -> None:
        """After a commit that ended tokens of theirs: from here on those open nothing in this process."""
        self._endings += 1
        for hash in [hash for hash, (held, _) in self._known.items() if _same(held.who, who)]:
            del self._known[hash]

    def forget_all(self) -> None:
        """After a commit that changed what many may do."""
        self._endings += 1
        self._known.clear()


def _bearer(authorization: bytes | None) -> str:
    if authorization is None or authorization[:7].lower() != b"bearer " or len(authorization) > 512:
        return ""
    token = authorization[7:].strip()
    return token.decode("ascii") if token.isascii() else ""


def _same(one: Who, other: Who) -> bool:
    """The same person or machine, whatever either may see or do."""
    return (one.clinic, one.kind, one.id) == (other.clinic, other.kind, other.id)


def _not_signed_in(detail: str, challenge: str) -> Refused:
    return Refused(NOT_SIGNED_IN, detail, headers={"WWW-Authenticate": challenge})
