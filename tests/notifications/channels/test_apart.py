"""Web Push from a process of its own: the same messages, and what becomes of them when that process dies."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from unittest.mock import AsyncMock

import msgspec
import pytest

from notifications.channels import Accepted, Later, Outcome, Parcel, Untried, apart
from notifications.channels.addresses import WebPushAddress
from notifications.channels.apart import FEW, Apart
from notifications.channels.web_push import PushSettings
from notifications.reach import Address
from notifications.wire import Turn, Wire
from programs.instants import MINUTE
from service.clock import SystemClock
from tests.peers.push_service import EVERYONE, Answer, PushService

BURST = 30


@pytest.fixture
async def phones() -> AsyncIterator[PushService]:
    async with PushService() as service:  # the child reads the real clock
        yield service


@pytest.fixture
async def channel(settings: PushSettings) -> AsyncIterator[Apart]:
    channel = Apart(msgspec.structs.replace(settings, timeout=3.0), time.time)
    yield channel
    await channel.close()


async def send(channel: Apart, phones: PushService, parcel: Parcel, count: int, name: str) -> list[Outcome]:
    ada = msgspec.convert(phones.subscribe("ada-phone"), WebPushAddress)
    parcels = [msgspec.structs.replace(parcel, delivery_id=f"{name}{number}") for number in range(count)]
    return await asyncio.gather(*(channel.send(ada, it) for it in parcels))


def child_of(channel: Apart) -> apart._Child:
    assert channel._child is not None
    return channel._child


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_few_messages_need_no_other_process_and_a_burst_has_one_until_it_is_idle(
    channel: Apart, phones: PushService, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "IDLE", 0.3)
    few = await send(channel, phones, parcel, FEW, "few")
    assert channel._keeping is None
    burst = await send(channel, phones, parcel, BURST, "burst")
    await until(lambda: channel._child is not None)
    burst += await send(channel, phones, parcel, BURST, "second")
    child = child_of(channel)
    assert child.number == BURST  # nothing that came while it was there was sent here
    assert os.getpriority(os.PRIO_PROCESS, child.process.pid) >= apart.NICE
    assert all(isinstance(it, Accepted) for it in few + burst)
    assert phones.complaints == []
    counts = (("few", FEW), ("burst", BURST), ("second", BURST))
    sent = [f"{name}{number}" for name, count in counts for number in range(count)]
    assert sorted(push.tag for push in phones.accepted) == sorted(sent)
    await until(lambda: channel._keeping is None)
    assert is_gone(child.process.pid)


async def test_what_a_process_that_died_had_in_hand_is_later_and_what_follows_goes_out(
    channel: Apart, phones: PushService, parcel: Parcel
) -> None:
    await send(channel, phones, parcel, BURST, "first")
    await until(lambda: channel._child is not None)
    phones.answer(EVERYONE, Answer(act="hang"))
    wire = Wire({"web_push": channel})
    sending = asyncio.create_task(hand_over(wire, phones, parcel, "second"))
    await until(lambda: len(phones.requests) == 2 * BURST)
    os.kill(child_of(channel).process.pid, signal.SIGKILL)
    phones.answer(EVERYONE, Answer())
    assert await sending == [Later("the process that sends ended", ours=True)] * BURST
    assert wire.open_breakers() == {}  # the push service has done nothing
    assert all(isinstance(it, Accepted) for it in await hand_over(wire, phones, parcel, "third"))


async def hand_over(wire: Wire, phones: PushService, parcel: Parcel, name: str) -> list[Outcome]:
    """A burst of them, as the worker does it."""
    to = Address("a1", "ada", "web_push", msgspec.json.encode(phones.subscribe("ada-phone")), 0)
    turn = Turn(SystemClock().now, SystemClock().now() + MINUTE, AsyncMock(return_value=True))
    parcels = [msgspec.structs.replace(parcel, delivery_id=f"{name}{number}") for number in range(BURST)]
    return await asyncio.gather(*(wire.hand_over(to, it, turn) for it in parcels))


async def test_what_could_not_be_begun_within_a_second_is_not_sent_any_more(
    channel: Apart, phones: PushService, parcel: Parcel
) -> None:
    await send(channel, phones, parcel, BURST, "burst")
    await until(lambda: channel._child is not None)
    process = child_of(channel).process
    process.send_signal(signal.SIGSTOP)
    sending = asyncio.create_task(send(channel, phones, parcel, 1, "stopped"))
    await asyncio.sleep(apart.FRESH + 0.1)
    process.send_signal(signal.SIGCONT)
    assert await sending == [Untried("the process that sends was too busy")]
    assert "stopped0" not in {push.tag for push in phones.accepted}
    await channel.close()
    assert is_gone(process.pid)


async def test_one_that_hangs_is_killed_and_what_follows_goes_out(
    channel: Apart, phones: PushService, parcel: Parcel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(channel, phones, parcel, BURST, "burst")
    await until(lambda: channel._child is not None)
    process = child_of(channel).process
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(apart, "GRACE", 0.5 - channel._settings.timeout)
    assert await send(channel, phones, parcel, 1, "lost") == [
        Later("the process that sends did not answer in time", ours=True)
    ]
    await until(lambda: channel._child is None)
    assert is_gone(process.pid)
    assert all(isinstance(it, Accepted) for it in await send(channel, phones, parcel, 1, "next"))
