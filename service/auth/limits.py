"""How often something may be tried, counted in the database, for all processes together. It does not know who asks.

Each limit is one row a subject (GCRA): the instant until which what was taken so far fills the period. A try is one
upsert; a try that is refused changes nothing, so that waiting as long as one is told is always enough.

A throttle must not lock a colleague out: whoever knows an account's name can fail to sign in as often as they like. So
the limits of an account and of a clinic hold only for browsers and addresses from which nobody of theirs has come in
lately (`signed_in`); those that are familiar have a limit of their own, which nobody elsewhere can use up.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, select, text, update

from programs.ids import derived_id
from programs.instants import DAY, HOUR, MINUTE, Instant
from service.auth.peer import network
from service.database import Database
from service.errors import TOO_MANY, Refused
from service.tables import rate


class Limit(NamedTuple):
    """`tries` at once, and then one more each time `step` has passed."""

    name: str
    tries: int
    per: Instant

    @property
    def step(self) -> int:
        return self.per // self.tries


LOGIN_BY_ACCOUNT = Limit("login by account", 10, HOUR)
LOGIN_BY_ADDRESS = Limit("login by address", 50, HOUR)  # a clinic's colleagues share one
LOGIN_BY_CLINIC = Limit("login by clinic", 100, HOUR)
LOGIN_AT_HOME = Limit("login at home", 10, 10 * MINUTE)  # of one account, at a familiar browser or address
REDEEM_BY_ADDRESS = Limit("redeem by address", 30, 10 * MINUTE)  # a waiting room shares one
EXPORT_BY_PERSON = Limit("export by person", 10, HOUR)
STOP_BY_ADDRESS = Limit("stop by address", 300, 10 * MINUTE)  # a mail provider's one-click posts come from few
LIMITS = (
    STOP_BY_ADDRESS,
    LOGIN_BY_ACCOUNT,
    LOGIN_BY_ADDRESS,
    LOGIN_BY_CLINIC,
    LOGIN_AT_HOME,
    REDEEM_BY_ADDRESS,
    EXPORT_BY_PERSON,
)
FAMILIAR = "familiar"
FAMILIAR_FOR = 30 * DAY

# The same words on both databases. What is refused matches no row: nothing is changed and nothing returned.
_FROM = "CASE WHEN rate.until > :now THEN rate.until ELSE :now END"
_TAKE = text(
    "INSERT INTO rate (name, key, until) VALUES (:name, :key, :now + :cost) "  # noqa: S608 (its own words, above)
    f"ON CONFLICT (name, key) DO UPDATE SET until = {_FROM} + :cost WHERE {_FROM} + :cost <= :now + :per "
    "RETURNING until"
)
_KEEP = text(
    "INSERT INTO rate (name, key, until) VALUES (:name, :key, :until) "
    "ON CONFLICT (name, key) DO UPDATE SET until = :until"
)
_UNTIL = select(rate.c.until).where(rate.c.name == bindparam("name"), rate.c.key == bindparam("key"))
_GIVE_BACK = (
    update(rate)
    .where(rate.c.name == bindparam("which"), rate.c.key == bindparam("subject"))
    .values(until=rate.c.until - bindparam("cost"))
)


class TooMany(Refused):
    """429: `wait` is in whole seconds, after which one more try will be let through."""

    def __init__(self, wait: int) -> None:
        said = f"{wait} seconds" if wait < 120 else f"{-(-wait // 60)} minutes"
        detail = f"That was tried too often. Please wait {said}, then try again."
        super().__init__(TOO_MANY, detail, headers={"Retry-After": str(wait)})
        self.wait = wait


class Take(NamedTuple):
    """One try against one limit; `subject` is kept as a digest only."""

    limit: Limit
    subject: tuple[str, ...]
    cost: int = 1


def take(db: Connection, takes: Sequence[Take], now: Instant) -> None:
    """All of them, or Refused (429): what one limit refuses uses up nothing of the others."""
    for limit, subject, cost in takes:
        key, needed = derived_id(*subject), cost * limit.step
        values = {"name": limit.name, "key": key, "now": now, "cost": needed, "per": limit.per}
        if db.execute(_TAKE, values).first() is None:
            until = max(_until(db, limit.name, key), now)
            raise TooMany(max(1, -(-(until + needed - now - limit.per) // 1000)))


def give_back(db: Connection, takes: Sequence[Take]) -> None:
    """A try that turned out well is not counted."""
    for limit, subject, cost in takes:
        values = {"which": limit.name, "subject": derived_id(*subject), "cost": cost * limit.step}
        db.execute(_GIVE_BACK, values)


def forget(db: Connection, now: Instant) -> None:
    """Rows that limit nobody any more."""
    db.execute(delete(rate).where(rate.c.until <= now))


def _until(db: Connection, name: str, key: str) -> Instant:
    return db.execute(_UNTIL, {"name": name, "key": key}).scalar() or 0


# signing in


class SignIn(NamedTuple):
    """A try to sign in. `account` is what was typed, known or not, "" for a passkey, which cannot be guessed; `clinic`
    is "" where the account is unknown; `browser` is a random cookie it got at an earlier sign-in, or "".
    """

    account: str
    clinic: str
    address: str
    browser: str = ""

    def places(self) -> list[tuple[str, ...]]:
        """Where this account may be at home, the surest first: an address is shared with whoever sits there too."""
        browser = [("browser", self.account, self.browser)] if self.browser else []
        return [*browser, ("address", self.account, network(self.address))]


def try_sign_in(db: Connection, it: SignIn, now: Instant) -> None:
    """Before the password is looked at. Raises Refused (429), in the same words for accounts there are and are not."""
    take(db, _takes(db, it, now), now)


def signed_in(db: Connection, it: SignIn, now: Instant) -> None:
    """It was the right password: the try is not counted, and this address is familiar from now on."""
    give_back(db, _takes(db, it, now))
    if not it.account:
        return
    for subject in (*it.places(), ("clinic", it.clinic, network(it.address))):
        db.execute(_KEEP, {"name": FAMILIAR, "key": derived_id(*subject), "until": now + FAMILIAR_FOR})


def _takes(db: Connection, it: SignIn, now: Instant) -> list[Take]:
    here = Take(LOGIN_BY_ADDRESS, (network(it.address),))
    if not it.account:
        return [here]
    for place in it.places():
        if _is_familiar(db, place, now):
            return [Take(LOGIN_AT_HOME, place)]
    takes = [here, Take(LOGIN_BY_ACCOUNT, (it.account,))]
    if it.clinic and not _is_familiar(db, ("clinic", it.clinic, network(it.address)), now):
        takes.append(Take(LOGIN_BY_CLINIC, (it.clinic,)))
    return takes


def _is_familiar(db: Connection, place: tuple[str, ...], now: Instant) -> bool:
    return _until(db, FAMILIAR, derived_id(*place)) > now


# every request of somebody signed in

MOST_COUNTED = 20_000  # some 6 MB; then counting begins anew


class _Left(NamedTuple):
    minute: int
    more: int  # how many more may pass in it
    closed_until: Instant  # nothing is asked of the database before


_NEW = _Left(-1, 0, 0)


class Allowance:
    """The overall limit of a token. Only heavy use is counted in the database: no phone costs a write a request.

    Each process lets a tenth of the limit pass by itself in each minute; beyond it, it draws a tenth at a time from
    the row that all share. So n processes answer at most the limit and n tenths of it at once.
    """

    def __init__(self, db: Database, a_minute: int) -> None:
        self._db = db
        self._tenth = max(1, a_minute // 10)
        self._limit = Limit("api by token", 10, MINUTE)
        self._left: dict[str, _Left] = {}

    async def spend(self, token: str, now: Instant) -> None:
        """`token` is the hash of one. Raises Refused (429)."""
        it = self._left.get(token, _NEW)
        if it.minute != now // MINUTE:
            self._make_room()
            it = _Left(now // MINUTE, self._tenth, it.closed_until)
        elif it.more == 0:
            it = await self._draw(token, it, now)
        self._left[token] = it._replace(more=it.more - 1)

    async def _draw(self, token: str, it: _Left, now: Instant) -> _Left:
        if now < it.closed_until:
            raise TooMany(-(-(it.closed_until - now) // 1000))
        try:
            await self._db.write(take, [Take(self._limit, (token,))], now)
        except TooMany as refused:
            self._left[token] = it._replace(closed_until=now + refused.wait * 1000)
            raise
        return it._replace(more=self._left.get(token, it).more + self._tenth)

    def _make_room(self) -> None:
        if len(self._left) >= MOST_COUNTED:
            self._left.clear()
