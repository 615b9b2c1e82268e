"""delivery: claim -> still wanted? -> word -> send -> settle. The only caller of `send`.

Two short transactions, claiming.py and settling.py, with the network between them, and handing.py's look before it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping

import msgspec

from notifications import alerts
from notifications.channels import Accepted, Channel, Later, Outcome, Parcel, Refused
from notifications.claiming import BATCH, Claimed, claim
from notifications.handing import Bridge, LastLook
from notifications.reach import Address
from notifications.settling import Sent, Tally, Try, settle
from notifications.wording import words
from programs.instants import SECOND, Instant

log = logging.getLogger("homestretch.delivery")

# No send begins in the last part of a lease: it may take 10 s, and its batch has to be settled before the lease ends.
SEND_TAKES = 15 * SECOND
LONGEST_WAIT = 28 * 24 * 3600  # seconds a push service is asked to keep a message, at most

Clock = Callable[[], Instant]
Failpoint = Callable[[str], None]
"""Called by name at each step of the way; does nothing but in tests, which kill, raise or hang there."""

FAILPOINTS = ("claiming", "claimed", "sending", "sent", "settling", "settled")


def no_failpoint(name: str) -> None:
    return None


def parcel(it: Claimed, now: Instant) -> Parcel:
    kinds = frozenset(subject.partition(":")[0] for subject in it.row.subjects)
    said = words(kinds, it.language)
    return Parcel(
        delivery_id=it.row.id,
        title=said.title,
        body=said.body,
        path=next((path for key, path in alerts.PATHS.items() if it.row.key.startswith(key)), f"/open/{it.row.id}"),
        urgency="normal" if kinds == {"bout"} else "high",
        expires_in=min(max(0, (it.row.closes - now) // SECOND), LONGEST_WAIT),
        language=it.language,
    )


class Wire:
    """The channels, each with room for as many sends at once as it bears."""

    last_look: LastLook  # of the batch in hand

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.channels = channels
        self.rooms = {kind: asyncio.Semaphore(channel.limit) for kind, channel in channels.items()}

    async def hand_over(self, it: Claimed, address: Address, worded: Parcel, clock: Clock) -> Outcome:
        """The channel's answer; whatever goes wrong is an answer too, so that one message cannot stop its batch."""
        channel = self.channels.get(address.channel)
        if channel is None:
            return Refused("this channel is not set up")
        async with self.rooms[address.channel]:
            if clock() >= it.leased_until - SEND_TAKES:
                return Later("it waited for its turn until the lease was nearly over")
            try:
                if not await self.last_look.stands(it):
                    return Later("the patient's messages were planned anew meanwhile")
                return await channel.send(msgspec.json.decode(address.value, type=channel.Address), worded)
            except msgspec.ValidationError:
                return Refused("the stored address cannot be read")
            except Exception as error:
                return Later(f"{type(error).__name__} while sending")


async def send(it: Claimed, wire: Wire, clock: Clock) -> Sent:
    """Every address of the first channel at once; the next channel only where no address of this one may take it.

    An alert does not wait for a provider to come back: it goes on to the next channel at once.
    """
    worded = parcel(it, clock())
    settling = Accepted if it.row.key.startswith(alerts.KEYS) else Accepted | Later
    tries: list[Try] = []
    for step in it.ladder:
        outcomes = await asyncio.gather(*(wire.hand_over(it, address, worded, clock) for address in step))
        tries += [Try(address, result) for address, result in zip(step, outcomes, strict=True)]
        if any(isinstance(result, settling) for result in outcomes):
            break
    return Sent(it, tuple(tries))


# the loop's one turn


async def drain(
    db: Bridge,
    channels: Mapping[str, Channel],
    clock: Clock,
    failpoint: Failpoint = no_failpoint,
    chance: random.Random | None = None,
) -> Tally:
    """Claim, send and settle until nothing more is due. Several workers may do this at once: the claim decides."""
    tally, wire = Tally(), Wire(channels)
    while True:
        failpoint("claiming")
        count, claimed = await db.write(claim, clock())
        failpoint("claimed")
        if count == 0:
            return tally
        wire.last_look = LastLook(db, claimed)
        results = await asyncio.gather(*(_send(it, wire, clock, failpoint) for it in claimed))
        failpoint("settling")
        done: Tally = await db.write(settle, results, clock(), chance or random.Random())
        failpoint("settled")
        tally.claimed += count
        tally.accepted += done.accepted
        tally.postponed += done.postponed
        tally.ended += done.ended + count - len(claimed)
        if count < BATCH:
            return tally


async def _send(it: Claimed, wire: Wire, clock: Clock, failpoint: Failpoint) -> Sent:
    failpoint("sending")
    try:
        sent = await send(it, wire, clock)
    except Exception as error:  # one poisoned message must not stop the others of its batch
        log.exception("message %s could not be sent", it.row.id)
        sent = Sent(it, (), type(error).__name__)
    failpoint("sent")
    return sent
