"""wire: the channels as one worker uses them: so many at once, so many a second, none that does not answer.

It lives as long as its worker, as what it knows of the providers does; nothing of it is written down.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from notifications.breaker import Breaker, Bucket
from notifications.channels import Channel, Later, Outcome, Parcel, Refused, Untried
from notifications.reach import Address
from programs.instants import SECOND, Instant

Clock = Callable[[], Instant]

# Upper bounds of how long a provider took, in seconds.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHORTEST_SLEEP = 0.002


class Turn(NamedTuple):
    """What one hand-over is told: the time, until when it may begin, and whether it is still wanted."""

    clock: Clock
    until: Instant
    stands: Callable[[], Awaitable[bool]]


class Latency:
    """How long one channel's providers took: how many by bucket (the last is for longer ones), and in all."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Wire:
    """The channels. `sends` and `latency` count what was done since the start, by channel, for whoever watches."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels
        self.sends: Counter[tuple[str, str]] = Counter()
        self.latency: defaultdict[str, Latency] = defaultdict(Latency)
        self.unsettled: list[Any] = []  # what was sent and could not be written down yet; see delivery.py
        self._rooms = {kind: asyncio.Semaphore(channel.limit) for kind, channel in channels.items()}
        self._buckets = {kind: Bucket(rate_of(channel)) for kind, channel in channels.items()}
        self._breakers: dict[tuple[str, str], Breaker] = {}  # of those that failed last

    def open_breakers(self) -> Counter[str]:
        """How many providers of each channel do not answer."""
        return Counter(kind for (kind, _), it in self._breakers.items() if it.open)

    async def hand_over(self, address: Address, worded: Parcel, turn: Turn) -> Outcome:
        """The channel's answer; whatever goes wrong is an answer too, so that one message cannot stop its batch."""
        channel = self.channels.get(address.channel)
        if channel is None:
            return Refused("this channel is not set up")
        try:
            to = msgspec.json.decode(address.value, type=channel.Address)
        except msgspec.ValidationError:
            return Refused("the stored address cannot be read")
        provider = (channel.kind, _origin(to))
        async with self._rooms[address.channel]:
            untried = await self._wait(provider, turn)
            return untried or await self._ask(channel, provider, turn.clock, channel.send(to, worded))

    async def _wait(self, provider: tuple[str, str], turn: Turn) -> Untried | None:
        """For this one's turn, where it has one in time; then the send must begin in the same breath."""
        left = (turn.until - turn.clock()) / SECOND
        if left <= 0:
            return Untried("it waited for its turn until the lease was nearly over")
        wait = self._buckets[provider[0]].wait(time.monotonic(), left)
        if wait is None:
            return Untried("its turn would come after the lease is over", left)
        if wait > SHORTEST_SLEEP:
            await asyncio.sleep(wait)
        breaker = self._breakers.get(provider)
        held = breaker.wait(turn.clock()) if breaker else 0
        if held:
            return Untried("the provider does not answer just now", held / SECOND)
        try:
            stands = await turn.stands()
        except Exception as error:  # it is the database's, whatever it is, and not this message's
            return Untried(f"{type(error).__name__} at the last look")
        return None if stands else Untried("the patient's messages were planned anew meanwhile")

    async def _ask(
        self, channel: Channel, provider: tuple[str, str], clock: Clock, sending: Awaitable[Outcome]
    ) -> Outcome:
        start = time.perf_counter()
        try:
            outcome = await sending
        except Exception as error:
            outcome = Later(f"{type(error).__name__} while sending")
        self.latency[channel.kind].note(time.perf_counter() - start)
        self.sends[channel.kind, name(outcome)] += 1
        if not isinstance(outcome, Later):
            self._breakers.pop(provider, None)
        elif not outcome.ours:
            self._breakers.setdefault(provider, Breaker()).failed(clock())
        return outcome


def name(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()


def rate_of(channel: Channel) -> float | None:
    rate: float | None = getattr(channel.Address, "rate", None)
    return rate


def _origin(to: Any) -> str:
    """Who is asked: a push service, where the address names one; else the channel has one provider."""
    endpoint: str = getattr(to, "endpoint", "")
    return urlsplit(endpoint).netloc if endpoint else ""
