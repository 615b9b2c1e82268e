"""Who is at the door of the API: a Bearer token -> Who, remembered for a moment. Where they may go is api/call.py."""

from programs.instants import SECOND, Instant
from service.auth.tokens import end_token, fingerprint, who_has
from service.care import Who
from service.clock import Clock
from service.database import Database
from service.errors import NOT_SIGNED_IN, Refused

# Within this long a token ended by another process still opens; one ended here stops at once.
REMEMBERED = 5 * SECOND
MOST_REMEMBERED = 20_000  # some 8 MB; then all are asked for again


class Gate:
    """Looks a token up once in a few seconds (8 us instead of a hop to the database each time)."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._known: dict[str, tuple[Who, Instant]] = {}
        self._endings = 0

    async def who(self, authorization: bytes | None) -> Who:
        """Raises Refused for no token, and in the same words for one that never was or has ended."""
        presented = _bearer(authorization)
        if not presented:
            raise _not_signed_in("Send your token as “Authorization: Bearer …”.", "Bearer")
        hash = fingerprint(presented)
        known = self._known.get(hash)
        if known is not None and self._clock.now() < known[1]:
            return known[0]
        return await self._look_up(presented, hash)

    async def _look_up(self, presented: str, hash: str) -> Who:
        endings = self._endings
        found: Who | None = await self._db.read(who_has, presented)
        if found is None:
            self._known.pop(hash, None)
            raise _not_signed_in("We do not know this token, or it has ended.", 'Bearer error="invalid_token"')
        # Read before a token ended, told after: such an answer opens this once, and is not kept.
        if endings == self._endings:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[hash] = (found, self._clock.now() + REMEMBERED)
        return found

    async def end(self, presented: str) -> None:
        """From here on the token opens nothing in this process, and nothing anywhere in a few seconds."""
        await self._db.write(end_token, presented, self._clock.now())
        self._endings += 1
        self._known.pop(fingerprint(presented), None)


def _bearer(authorization: bytes | None) -> str:
    if authorization is None or authorization[:7].lower() != b"bearer " or len(authorization) > 512:
        return ""
    token = authorization[7:].strip()
    return token.decode("ascii") if token.isascii() else ""


def _not_signed_in(detail: str, challenge: str) -> Refused:
    return Refused(NOT_SIGNED_IN, detail, headers={"WWW-Authenticate": challenge})
