"""stops: what somebody means who answers a text message, and the numbers that get no more of them.

A number that said stop gets none, from any service and whoever registers it, until it says start. What else an answer
says is nobody's to keep: it may be about the person's health.
"""

import unicodedata
from typing import Literal, NamedTuple

from sqlalchemy import Connection, Text, bindparam, case, func, literal, null, select, type_coerce, update

from notifications.channels.addresses import SmsAddress
from notifications.tables import address
from programs.instants import Instant

Meaning = Literal["stop", "start", "nothing"]

# The whole answer, without case, accents, blanks and marks: "Stop all." is stopall. English, then Spanish.
_STOP = frozenset(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout")) | frozenset(
    ("alto", "baja", "parar", "pare", "para", "basta", "cancelar", "detener", "darsedebaja", "nomas", "nomasmensajes")
)
_START = frozenset(("start", "unstop", "resume", "subscribe")) | frozenset(
    ("alta", "darsedealta", "iniciar", "reanudar", "empezar")
)

STOPPED = "stopped by text message"
STOPPED_BESIDES = "stopped by text message, and not used any more"  # so that start does not bring it back

_OF_NUMBER = (
    address.c.clinic_id == bindparam("clinic"),
    address.c.channel == SmsAddress.kind,
    type_coerce(address.c.value, Text).contains(bindparam("quoted", type_=Text)),
)
_STANDS = select(address.c.id).where(*_OF_NUMBER, address.c.gone_reason.in_((STOPPED, STOPPED_BESIDES))).limit(1)
_STOP_IT = (
    update(address)
    .where(*_OF_NUMBER, func.coalesce(address.c.gone_reason, "").not_in((STOPPED, STOPPED_BESIDES)))
    .values(
        gone_reason=case((address.c.gone_at.is_(None), literal(STOPPED)), else_=literal(STOPPED_BESIDES)),
        gone_at=func.coalesce(address.c.gone_at, bindparam("now")),
    )
    .returning(address.c.person_id, address.c.id)
)
_START_IT = (  # as if it had been added now: what found no address is planned anew
    update(address)
    .where(*_OF_NUMBER, address.c.gone_reason == STOPPED)
    .values(gone_reason=null(), gone_at=null(), added_at=bindparam("now"))
    .returning(address.c.person_id, address.c.id)
)
_FORGET = (
    update(address).where(*_OF_NUMBER, address.c.gone_reason == STOPPED_BESIDES).values(gone_reason="not used any more")
)


def meaning(text: str) -> Meaning:
    plain = "".join(it for it in unicodedata.normalize("NFKD", text.casefold()) if it.isalnum())
    return "stop" if plain in _STOP else "start" if plain in _START else "nothing"


class Touched(NamedTuple):
    person: str
    address: str


def stop(db: Connection, clinic: str, number: str, now: Instant) -> list[Touched]:
    """Whose addresses at this clinic get no more text messages; of none where the number is not known, or said so
    before. Who was reached by it is planned anew by whoever calls."""
    return [Touched(*it) for it in db.execute(_STOP_IT, {**_of(clinic, number), "now": now})]


def start(db: Connection, clinic: str, number: str, now: Instant) -> list[Touched]:
    """Whose addresses are written to again."""
    values = _of(clinic, number)
    db.execute(_FORGET, values)
    return [Touched(*it) for it in db.execute(_START_IT, {**values, "now": now})]


def stands(db: Connection, clinic: str, number: str) -> bool:
    """Whether this number said stop, and not start since then."""
    return db.execute(_STANDS, _of(clinic, number)).first() is not None


def _of(clinic: str, number: str) -> dict[str, str]:
    return {"clinic": clinic, "quoted": f'"{number}"'}
