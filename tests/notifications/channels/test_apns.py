import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext

import msgspec
import pytest

from notifications.channels import Accepted, Gone, Later, Parcel, Refused, topic
from notifications.channels.addresses import ApnsAddress
from notifications.channels.apns import IDLE, Apns, ApnsSettings
from tests.notifications.channels.conftest import Clock
from tests.peers.apns_service import EVERYONE, KEY_ID, TEAM_ID, TOPIC, Answer, ApnsService

ADA = ApnsAddress("ada0" * 16)
EVE = ApnsAddress("e7e0" * 16)
HOUR = 3600


@pytest.fixture
async def apple(clock: Clock) -> AsyncIterator[ApnsService]:
    async with ApnsService(now=clock) as service:
        yield service


def settings_for(apple: ApnsService, timeout: float = 10) -> ApnsSettings:
    return ApnsSettings(
        key=apple.key,
        key_id=KEY_ID,
        team_id=TEAM_ID,
        topic=TOPIC,
        timeout=timeout,
        host=apple.host,
        port=apple.port,
        trust=apple.trust(),
    )


@pytest.fixture
async def apns(apple: ApnsService, clock: Clock) -> AsyncIterator[Apns]:
    channel = Apns(settings_for(apple), clock)
    yield channel
    await channel.close()


@contextmanager
def impatient(apns: Apns) -> Iterator[None]:
    """For answers that never come; all others have the usual time, as this machine may be busy."""
    usual = apns._settings
    apns._settings = msgspec.structs.replace(usual, timeout=0.1)
    yield
    apns._settings = usual


async def test_a_phone_gets_what_was_worded_and_nothing_more(apple: ApnsService, apns: Apns, parcel: Parcel) -> None:
    assert isinstance(await apns.send(ADA, parcel), Accepted)
    assert apple.complaints == []
    [push] = apple.accepted
    assert push.payload == {
        "aps": {
            "alert": {"title": "Homestretch", "body": "You have a new check-in."},
            "sound": "default",
            "mutable-content": 1,
        },
        "id": "0198c2f4-7a.1",
        "path": "/open/5fJx0Q",
    }
    assert (push.token, push.collapse_id, push.priority, push.push_type) == (ADA.token, parcel.delivery_id, 10, "alert")
    normal = msgspec.structs.replace(parcel, urgency="normal", delivery_id="x" * 65)
    await apns.send(ADA, normal)
    assert (apple.accepted[1].priority, apple.accepted[1].collapse_id) == (5, topic("x" * 65))


async def test_a_repeat_replaces_what_the_phone_shows(apple: ApnsService, apns: Apns, parcel: Parcel) -> None:
    for _ in range(3):
        await apns.send(ADA, parcel)
    await apns.send(ADA, msgspec.structs.replace(parcel, delivery_id="other"))
    assert (len(apple.accepted), len(apple.shown())) == (4, 2)
    assert (apple.connections, len(apple.bearers)) == (1, 1)


UNREGISTERED = Answer(410, "Unregistered", timestamp=1_793_512_000_123)
ANSWERS = [
    (Answer(200), Accepted),
    (Answer(400, "BadDeviceToken"), Gone),
    (Answer(400, "DeviceTokenNotForTopic"), Gone),
    (Answer(400, "PayloadEmpty"), Refused),
    (Answer(400, "TopicDisallowed"), Later),
    (Answer(403, "InvalidProviderToken"), Later),
    (Answer(403, "ExpiredProviderToken"), Later),
    (Answer(404, "BadPath"), Refused),
    (Answer(405, "MethodNotAllowed"), Refused),
    (UNREGISTERED, Gone),
    (Answer(410, "ExpiredToken"), Gone),
    (Answer(413, "PayloadTooLarge"), Refused),
    (Answer(429, "TooManyRequests", retry_after="120"), Later),
    (Answer(429, "TooManyRequests"), Later),
    (Answer(500, "InternalServerError"), Later),
    (Answer(503, "Shutdown", retry_after="7"), Later),
    (Answer(503, act="bare"), Later),
    (Answer(503, "Shutdown", act="split"), Later),
    (Answer(act="cut"), Later),
    (Answer(act="goaway"), Later),
    (Answer(act="garbage", accept=False), Later),
    (Answer(act="reset"), Later),
    (Answer(act="silence"), Later),
    (Answer(act="silence", accept=False), Later),
]


@pytest.mark.parametrize(("answer", "expected"), ANSWERS, ids=lambda it: getattr(it, "reason", "") or "")
async def test_each_answer_has_one_outcome_and_the_next_message_goes_through(
    answer: Answer, expected: type, apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    await apns.send(EVE, parcel)
    apple.answer(ADA.token, answer, Answer())
    with impatient(apns) if answer.act == "silence" else nullcontext():
        outcome = await apns.send(ADA, parcel)
    assert type(outcome) is expected
    assert len(apple.requests) == 2, "nothing is repeated here"
    if isinstance(outcome, Later):
        assert outcome.after == (float(answer.retry_after) if answer.retry_after else None)
    if isinstance(outcome, Gone):
        assert outcome.since == answer.timestamp
    assert isinstance(await apns.send(ADA, parcel), Accepted)
    assert len([it for it in apple.shown() if it[0] == ADA.token]) == 1, "taken twice at most, shown once"
    assert apple.complaints == []


async def test_a_token_is_not_blamed_for_a_server_set_to_the_wrong_environment(
    apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    """A whole server gets this answer; one token's word is taken once another one has worked."""
    apple.answer(ADA.token, Answer(400, "BadDeviceToken"))
    assert await apns.send(ADA, parcel) == Refused("APNs answered 400 BadDeviceToken")
    await apns.send(EVE, parcel)
    assert await apns.send(ADA, parcel) == Gone("APNs answered 400 BadDeviceToken")


async def test_one_that_never_has_an_answer_costs_the_others_nothing(
    apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    apple.answer(ADA.token, Answer(act="reset"), Answer(), Answer(act="silence"))
    outcomes = await asyncio.gather(apns.send(ADA, parcel), *(apns.send(EVE, parcel) for _ in range(20)))
    assert isinstance(outcomes[0], Later)
    assert {type(it) for it in outcomes[1:]} == {Accepted}
    await apns.send(ADA, parcel)
    silent = asyncio.create_task(apns.send(ADA, parcel))
    others = [apns.send(EVE, parcel) for _ in range(20)]
    assert {type(it) for it in await asyncio.gather(*others)} == {Accepted}
    silent.cancel()
    await asyncio.wait([silent])
    assert apple.connections == 1
    assert isinstance(await apns.send(EVE, parcel), Accepted)
    assert apple.connections == 2, "a request never answered holds its place, so a new connection is made"


async def test_those_still_waiting_learn_at_once_that_the_connection_is_lost(
    apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    await apns.send(ADA, parcel)
    apple.answer(EVERYONE, Answer(act="silence"))
    given_up, waiting = (asyncio.create_task(apns.send(it, parcel)) for it in (ADA, EVE))
    while len(apple.requests) < 3:
        await apple.arrival()
    given_up.cancel()
    await asyncio.wait([given_up])
    apple.hang_up()
    assert await waiting == Later("APNs: ConnectionClosed")


@pytest.mark.parametrize("streams", [1, 3, 1000])
async def test_many_at_once_share_one_connection_and_never_more_than_it_takes(
    streams: int, apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    apple.streams, apple.greets_after = streams, 0.05
    parcels = [msgspec.structs.replace(parcel, delivery_id=f"d{n}") for n in range(40)]
    outcomes = await asyncio.gather(*(apns.send(ADA, it) for it in parcels))
    assert {type(it) for it in outcomes} == {Accepted}
    assert len(apple.shown()) == 40
    assert apple.complaints == []
    assert apple.connections == 1
    assert apple.most_in_flight <= streams


async def test_a_connection_in_long_use_keeps_nothing_of_what_was_answered(
    apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    """Here the bodies pass the 64 KiB that may come without being acknowledged."""
    apple.answer(ADA.token, Answer(400, "x" * 1000))
    for _ in range(2):
        outcomes = await asyncio.gather(*(apns.send(ADA, parcel) for _ in range(50)))
        assert {type(it) for it in outcomes} == {Refused}
    await apns.send(EVE, parcel)
    line = apns._line
    assert line is not None
    left = line.requests, line.request_streams, line.request_statuses, line.asked_to_wait
    assert left == ({}, {}, {}, {})
    assert apple.connections == 1


async def test_the_signature_is_kept_for_fifty_minutes_over_new_connections_and_then_renewed(
    apple: ApnsService, apns: Apns, parcel: Parcel, clock: Clock
) -> None:
    for _ in range(6):
        assert isinstance(await apns.send(ADA, parcel), Accepted)
        apple.hang_up()
        await asyncio.sleep(0.01)
        clock.at += 10 * 60
    assert (len(apple.bearers), apple.connections) == (2, 6)
    clock.at -= 24 * HOUR
    assert isinstance(await apns.send(ADA, parcel), Accepted)
    assert apple.complaints == []


async def test_a_signature_made_under_a_wrong_clock_is_not_kept_once_refused(
    apple: ApnsService, parcel: Parcel, clock: Clock
) -> None:
    ours = Clock()
    ours.at -= 2 * HOUR
    channel = Apns(settings_for(apple), ours)
    assert await channel.send(ADA, parcel) == Later("APNs answered 403 ExpiredProviderToken")
    ours.at = clock.at
    assert isinstance(await channel.send(ADA, parcel), Accepted)
    await channel.close()


async def test_a_service_that_is_down_is_later_and_then_works_again(
    apple: ApnsService, apns: Apns, parcel: Parcel
) -> None:
    await apns.send(ADA, parcel)
    await apple.__aexit__()
    assert isinstance(await apns.send(ADA, parcel), Later)
    async with apple:
        assert isinstance(await apns.send(ADA, parcel), Accepted)


async def test_a_peer_nobody_vouches_for_gets_no_message(apple: ApnsService, parcel: Parcel, clock: Clock) -> None:
    settings = msgspec.structs.replace(settings_for(apple), trust=None)
    channel = Apns(settings, clock)
    assert await channel.send(ADA, parcel) == Later("APNs: SSLCertVerificationError")
    assert apple.requests == []
    await channel.close()


async def test_a_peer_that_takes_the_connection_and_says_nothing_is_left_after_the_timeout(
    apple: ApnsService, parcel: Parcel, clock: Clock
) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        channel = Apns(msgspec.structs.replace(settings_for(apple, 0.1), port=port), clock)
        assert await channel.send(ADA, parcel) == Later("APNs did not answer within 0.1 s")
        await channel.close()


async def test_a_cancelled_send_leaves_the_channel_usable(apple: ApnsService, apns: Apns, parcel: Parcel) -> None:
    apple.answer(ADA.token, Answer(act="silence"), Answer())
    sending = asyncio.create_task(apns.send(ADA, parcel))
    await apple.arrival()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert isinstance(await apns.send(ADA, parcel), Accepted)


async def test_no_outcome_nor_log_holds_a_token_or_the_message(
    apple: ApnsService, apns: Apns, parcel: Parcel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = msgspec.structs.replace(parcel, title="CANARY", body="CANARY", path="/CANARY")
    said = []
    for answer, _ in ANSWERS:
        apple.answer(EVERYONE, answer)
        with impatient(apns) if answer.act == "silence" else nullcontext():
            said.append(repr(await apns.send(ADA, secret)))
    said += [repr(settings_for(apple)), repr(ADA), *(record.getMessage() for record in caplog.records)]
    text = "\n".join(said)
    for canary in (ADA.token, "CANARY", "PRIVATE KEY", *apple.bearers):
        assert canary not in text


def test_a_key_that_cannot_sign_is_refused_at_start_and_not_quoted() -> None:
    for key in ("", "CANARY", json.dumps({"CANARY": 1})):
        with pytest.raises(ValueError, match=r"APNs key: expected the text of the \.p8 file") as caught:
            ApnsSettings(key=key, key_id=KEY_ID, team_id=TEAM_ID, topic=TOPIC)
        assert "CANARY" not in str(caught.value)


def test_the_environment_says_which_server_is_meant(apple: ApnsService) -> None:
    usual = msgspec.structs.replace(settings_for(apple), host="")
    assert usual.server == "api.push.apple.com"
    assert msgspec.structs.replace(usual, sandbox=True).server == "api.sandbox.push.apple.com"
    assert IDLE >= 60, "Apple takes a sender that connects anew at every message for an attack"
