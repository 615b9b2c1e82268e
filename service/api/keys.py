"""API keys of a clinic, for those who run it: which there are, a new one, an end to one. No key reaches these."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import delete, get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs.instants import Instant
from service.access import VERBS
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Line, Out, maybe_stamp, stamp
from service.auth import keys
from service.auth.keys import LONGEST_LIFE, Key, NewKey, Wanted
from service.care import Who

Verbs = Annotated[
    tuple[Annotated[str, Meta(max_length=64)], ...],
    Meta(max_length=len(VERBS), description=f"What it may do. Any of: {', '.join(VERBS)}."),
]


class KeyIn(Body, frozen=True, kw_only=True):
    """`days` until it ends by itself; left out, it is good until somebody ends it."""

    name: Line
    verbs: Verbs
    days: Annotated[int, Meta(ge=1, le=LONGEST_LIFE)] | None = None


class KeyOut(Out, frozen=True, kw_only=True):
    """The key reads hs_<id>_...; `seen_at` is exact to an hour, and null before the first use."""

    id: str
    name: str
    verbs: Sequence[str]
    made_at: datetime
    seen_at: datetime | None
    expires_at: datetime | None


class KeyMadeOut(Out, frozen=True, kw_only=True):
    """Send `token` as `Authorization: Bearer ...`. It is not shown again."""

    token: str
    key: KeyOut


class KeysOut(Out, frozen=True, kw_only=True):
    items: Sequence[KeyOut]


@get("/clinics/{clinic:str}/keys", doc=Doc(gives=KeysOut))
async def list_keys(request: ApiRequest) -> ASGIResponse:
    """The keys that open now, in the order they were made."""
    call = await at_clinic(request)
    return await call.read(_keys, call.who.clinic, call.now)


@post(
    "/clinics/{clinic:str}/keys", status_code=200, doc=Doc(takes=KeyIn, gives=KeyMadeOut, idempotent=False, also=(409,))
)
async def make_key(request: ApiRequest) -> ASGIResponse:
    """A key for one machine, with as few verbs as it needs."""
    call = await at_clinic(request)
    it = await call.body(KeyIn)
    made: NewKey = await call.db.write(keys.make_key, call.who, Wanted(it.name, it.verbs, it.days), call.now)
    return call.show(KeyMadeOut(token=made.text, key=_out(made.key)))


@delete("/clinics/{clinic:str}/keys/{id:str}", status_code=200, doc=Doc(gives=KeysOut))
async def end_key(request: ApiRequest) -> ASGIResponse:
    """It opens nothing from here on. What is left is told."""
    call = await at_clinic(request)
    return await call.change(_end, call.who, call.id(), call.now)


def _end(db: Connection, who: Who, id: str, now: Instant) -> KeysOut:
    keys.end_key(db, who, id, now)
    return _keys(db, who.clinic, now)


def _keys(db: Connection, clinic: str, now: Instant) -> KeysOut:
    return KeysOut(items=[_out(it) for it in keys.keys_of(db, clinic, now)])


def _out(it: Key) -> KeyOut:
    return KeyOut(
        id=it.id,
        name=it.name,
        verbs=it.verbs,
        made_at=stamp(it.made_at),
        seen_at=maybe_stamp(it.seen_at),
        expires_at=maybe_stamp(it.expires_at),
    )


ROUTES = (list_keys, make_key, end_key)
