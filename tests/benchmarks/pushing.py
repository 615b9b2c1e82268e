"""P6: Web Push to a loopback peer, recorded, against encode + cached VAPID + POST alone, and against pywebpush.

Ours is as it is served: a burst is encrypted and posted by a process of its own, the peers have one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from py_vapid import Vapid02
from pywebpush import webpush_async
from sqlalchemy import Connection, select
from yarl import URL

from notifications import delivery
from notifications.channels import Allowed, Parcel
from notifications.channels.addresses import WebPushAddress, check_endpoint
from notifications.channels.apart import Apart
from notifications.channels.vapid import Signatures, VapidKeys
from notifications.channels.web_push import PushSettings, WebPush, headers, payload, seal
from notifications.tables import address
from notifications.wire import Wire
from service.database import connect
from tests.benchmarks import crowd
from tests.benchmarks.measure import at_least, pairs, say
from tests.benchmarks.places import SQLitePlace
from tests.benchmarks.sink import sink, taken
from tests.peers.push_service import Phone

CROWD = 2_000
PUBLIC, SUBJECT = "http://127.0.0.1:8000", "mailto:operator@clinic.example"
LOOPBACK = Allowed(loopback=True)


def browser() -> WebPushAddress:
    return WebPushAddress(**Phone("everybody").address(PUBLIC))


def pushing(folder: Path) -> None:
    place, keys = SQLitePlace(folder), VapidKeys.generate(SUBJECT)
    with sink() as origin:
        addresses = asyncio.run(_fill(place.url, origin))
        sender = _Sender(keys, addresses)

        def ours() -> float:
            say("P6")
            url = place.copy()
            try:
                return asyncio.run(_recorded(url, keys))
            finally:
                place.drop(url)

        peers: tuple[tuple[str, Callable[[], Coroutine[Any, Any, float]], float], ...] = (
            ("encode and POST", sender.encode_and_post, 0.7),
            ("pywebpush, async", sender.as_shipped, 1.7),
        )
        for name, peer, goal in peers:
            before, _ = taken(origin)
            found = pairs(ours, lambda peer=peer: asyncio.run(peer()))  # type: ignore[misc]
            posted = taken(origin)[0] - before
            said = f"{CROWD / found.ours:,.0f} messages a second; {name} {CROWD / found.bare:,.0f}; {posted:,} posted"
            at_least(f"P6 {name}", found.ratio, goal, said)


async def _fill(url: str, origin: str) -> list[WebPushAddress]:
    async with await connect(url, {}) as db:
        await db.write(crowd.fill, CROWD)
        await db.write(crowd.reach_by_push, origin, browser())
        found: list[WebPushAddress] = await db.read(_addresses)
        return found


def _addresses(db: Connection) -> list[WebPushAddress]:
    return [msgspec.json.decode(it, type=WebPushAddress) for it in db.execute(select(address.c.value)).scalars()]


async def _recorded(url: str, keys: VapidKeys) -> float:
    """Claimed, re-checked, worded, encrypted, posted, settled: the engine as it is served, in two processes."""
    async with await connect(url, {}) as db:
        channel = Apart(PushSettings(keys, PUBLIC, LOOPBACK), time.time)
        try:
            start = time.perf_counter()
            tally = await delivery.drain(db, Wire({"web_push": channel}), lambda: crowd.DUE)
            seconds = time.perf_counter() - start
        finally:
            await channel.close()
    assert tally.accepted == CROWD, tally
    return seconds


class _Sender:
    """The same bytes to the same addresses, as many at a time, and nothing else."""

    def __init__(self, keys: VapidKeys, addresses: Sequence[WebPushAddress]) -> None:
        self.keys, self.addresses = keys, addresses

    async def encode_and_post(self) -> float:
        signatures = Signatures(self.keys, time.time)

        async def post(session: aiohttp.ClientSession, it: WebPushAddress, parcel: Parcel) -> int:
            body = seal(it, payload(parcel, PUBLIC))
            head = headers(parcel)
            head["Authorization"] = signatures.header(check_endpoint(it.endpoint, LOOPBACK))
            async with session.post(URL(it.endpoint, encoded=True), data=body, headers=head) as reply:
                return reply.status

        return await self._all(post)

    async def as_shipped(self) -> float:
        """With one session for all, which it takes as an option: without, it opens a connection a message."""

        async def post(session: aiohttp.ClientSession, it: WebPushAddress, parcel: Parcel) -> int:
            reply: Any = await webpush_async(
                {"endpoint": it.endpoint, "keys": {"p256dh": it.p256dh, "auth": it.auth}},
                payload(parcel, PUBLIC).decode(),
                vapid_private_key=self.vapid,
                vapid_claims={"sub": SUBJECT},
                ttl=parcel.expires_in,
                timeout=10,
                headers={"Urgency": parcel.urgency},
                aiohttp_session=session,
            )
            return int(reply.status)

        return await self._all(post)

    @property
    def vapid(self) -> Any:
        return Vapid02(private_key=self.keys.private)

    async def _all(self, post: Callable[[aiohttp.ClientSession, WebPushAddress, Parcel], Awaitable[int]]) -> float:
        room = asyncio.Semaphore(WebPush.limit)

        async def one(number: int, it: WebPushAddress) -> int:
            parcel = Parcel(
                f"{number:032x}", "How are you today?", "Two quick questions.", "/open/x", "high", 3600, "en"
            )
            async with room:
                return await post(session, it, parcel)

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WebPush.limit)) as session:
            start = time.perf_counter()
            statuses = await asyncio.gather(*(one(number, it) for number, it in enumerate(self.addresses)))
            seconds = time.perf_counter() - start
        assert set(statuses) == {201}, set(statuses)
        return seconds
