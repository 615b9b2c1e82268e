import asyncio
import base64
import logging
import time
from email.utils import formatdate

import aiohttp
import msgspec
import pytest

from notifications.channels import Accepted, Allowed, Gone, Later, Parcel, Refused, topic
from notifications.channels.addresses import WebPushAddress
from notifications.channels.replies import retry_after
from notifications.channels.vapid import HOUR, VapidKeys
from notifications.channels.web_push import LONGEST, PushSettings, WebPush, payload, seal
from tests.notifications.channels.conftest import AT_START, PUBLIC_URL, Clock
from tests.notifications.channels.test_addresses import BAD_KEYS
from tests.peers.push_service import EVERYONE, Answer, PushService


async def test_a_phone_reads_what_was_sent_and_nothing_more(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    assert await web_push.send(ada, parcel) == Accepted("/message/1")
    assert service.complaints == []
    [push] = service.accepted
    assert push.payload == {
        "web_push": 8030,
        "mutable": True,
        "notification": {
            "title": "Homestretch",
            "body": "You have a new check-in.",
            "navigate": "https://care.example.org/open/5fJx0Q",
            "tag": "0198c2f4-7a.1",
            "lang": "en",
        },
    }
    assert (push.ttl, push.urgency, push.topic) == (7200, "high", topic(parcel.delivery_id))


async def test_a_repeat_replaces_what_the_phone_shows(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    for _ in range(3):
        await web_push.send(ada, parcel)
    other = msgspec.structs.replace(parcel, delivery_id="0198c2f4-7b.1", body="Your program is ready.")
    await web_push.send(ada, other)
    assert len(service.accepted) == 4
    assert [notification["body"] for notification in service.shown().values()] == [parcel.body, other.body]


@pytest.mark.parametrize("delivery_id", ["a", "0198c2f4-7a.1", "x" * 200])
def test_a_topic_has_32_characters_the_same_each_time_and_for_one_delivery_only(delivery_id: str) -> None:
    assert topic(delivery_id) == topic(delivery_id) != topic(delivery_id + "1")
    assert len(topic(delivery_id)) == 32
    assert set(topic(delivery_id)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_body_is_never_encrypted_twice_with_one_key(parcel: Parcel) -> None:
    address = msgspec.convert(PushService().subscribe("ada-phone"), WebPushAddress)
    first, second = (seal(address, payload(parcel, PUBLIC_URL)) for _ in range(2))
    assert first[:16] != second[:16], "salt"
    assert first[21:86] != second[21:86], "ephemeral key"


def test_messages_of_different_wording_are_equally_long(parcel: Parcel) -> None:
    longer = msgspec.structs.replace(parcel, body="It is time for your exercises. Open the app to see them.")
    assert len(payload(parcel, PUBLIC_URL)) == len(payload(longer, PUBLIC_URL)) == 512


STATUSES = [
    (200, Accepted),
    (201, Accepted),
    (202, Accepted),
    (204, Accepted),
    (301, Refused),
    (302, Refused),
    (307, Refused),
    (308, Refused),
    (400, Refused),
    (401, Refused),
    (402, Refused),
    (403, Refused),
    (404, Gone),
    (405, Refused),
    (406, Later),
    (408, Later),
    (409, Refused),
    (410, Gone),
    (411, Refused),
    (413, Refused),
    (415, Refused),
    (425, Later),
    (429, Later),
    (500, Later),
    (502, Later),
    (503, Later),
    (504, Later),
    (507, Later),
    (599, Later),
]


@pytest.mark.parametrize(("status", "expected"), STATUSES)
async def test_each_status_a_push_service_answers_has_one_outcome(
    status: int, expected: type, service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    service.answer("ada-phone", Answer(status))
    outcome = await web_push.send(ada, parcel)
    assert type(outcome) is expected
    if not isinstance(outcome, Accepted):
        assert outcome.detail == f"127.0.0.1:{service.port} answered {status}"
    assert service.requests == ["ada-phone"], "no redirect is followed, no try is repeated here"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        ("86400", 3600.0),
        ("9" * 5000, 3600.0),
        (formatdate(AT_START + 90, usegmt=True), 90.0),
        (formatdate(AT_START - 90, usegmt=True), 0.0),
        (formatdate(AT_START + 7 * 86400, usegmt=True), 3600.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
async def test_it_waits_as_long_as_asked_and_never_over_an_hour(
    status: int,
    asked: str,
    after: float | None,
    service: PushService,
    web_push: WebPush,
    ada: WebPushAddress,
    parcel: Parcel,
) -> None:
    service.answer("ada-phone", Answer(status, retry_after=asked))
    outcome = await web_push.send(ada, parcel)
    assert isinstance(outcome, Later)
    assert outcome.after == after


@pytest.mark.parametrize("asked", ["Mon, 99 Foo 2026", "Sun, 01 Nov 10000000 06:00:00 GMT", "٣", "\x00", "," * 500])
def test_no_retry_after_raises(asked: str) -> None:
    assert retry_after(asked, AT_START) is None


async def test_a_dead_phone_is_gone_and_the_other_still_gets_the_message(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    tablet = msgspec.convert(service.subscribe("ada-tablet"), WebPushAddress)
    service.answer("ada-phone", Answer(410))
    assert isinstance(await web_push.send(ada, parcel), Gone)
    assert isinstance(await web_push.send(tablet, parcel), Accepted)
    assert [push.subscription for push in service.accepted] == ["ada-tablet"]


async def test_a_service_that_never_answers_is_left_after_the_timeout(
    service: PushService, settings: PushSettings, clock: Clock, ada: WebPushAddress, parcel: Parcel
) -> None:
    service.answer("ada-phone", Answer(act="hang"), Answer())
    web_push = WebPush(msgspec.structs.replace(settings, timeout=0.1), clock)
    began = time.monotonic()
    assert await web_push.send(ada, parcel) == Later(f"127.0.0.1:{service.port} did not answer within 0.1 s")
    assert time.monotonic() - began < 2
    assert isinstance(await web_push.send(ada, parcel), Accepted)
    await web_push.close()


async def test_a_connection_cut_after_acceptance_is_tried_again_and_shown_once(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    service.answer("ada-phone", Answer(act="cut"), Answer())
    assert isinstance(await web_push.send(ada, parcel), Later)
    assert isinstance(await web_push.send(ada, parcel), Accepted)
    assert len(service.accepted) == 2
    assert len(service.shown()) == 1


async def test_garbage_for_an_answer_is_later(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    service.answer("ada-phone", Answer(act="garbage", accept=False), Answer())
    assert isinstance(await web_push.send(ada, parcel), Later)
    assert isinstance(await web_push.send(ada, parcel), Accepted)


async def test_a_service_that_is_down_is_later_and_then_works_again(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel, clock: Clock
) -> None:
    await service.__aexit__()
    outcome = await web_push.send(ada, parcel)
    assert isinstance(outcome, Later)
    async with PushService(port=service.port, now=clock) as again:
        again.subscribe("ada-phone")
        assert isinstance(await web_push.send(ada, parcel), Accepted)


@pytest.mark.parametrize(("field", "text", "why"), BAD_KEYS)
async def test_keys_that_cannot_work_are_gone_not_an_exception(
    field: str, text: str, why: str, service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    outcome = await web_push.send(msgspec.structs.replace(ada, **{field: text}), parcel)
    assert outcome == Gone("keys of the push subscription are unusable")
    assert service.requests == []


async def test_an_endpoint_is_checked_again_when_sending(
    service: PushService, keys: VapidKeys, clock: Clock, ada: WebPushAddress, parcel: Parcel
) -> None:
    web_push = WebPush(PushSettings(keys, PUBLIC_URL), clock)
    assert await web_push.send(ada, parcel) == Refused("push endpoint is not allowed here")
    assert service.requests == []
    await web_push.close()


async def test_a_message_too_long_for_any_service_is_refused_before_it_is_sent(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    room = LONGEST - len(payload(msgspec.structs.replace(parcel, body=""), PUBLIC_URL).rstrip())
    fits = msgspec.structs.replace(parcel, body="x" * room)
    assert isinstance(await web_push.send(ada, fits), Accepted)
    assert isinstance(await web_push.send(ada, msgspec.structs.replace(parcel, body="x" * (room + 1))), Refused)
    assert service.complaints == []
    assert len(service.requests) == 1


async def test_an_endpoint_is_posted_to_exactly_as_the_browser_gave_it(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    path = "/push/ada%2Dphone?token=a%2Bb%3d&x=%7E+~:@!"
    assert isinstance(
        await web_push.send(msgspec.structs.replace(ada, endpoint=service.origin + path), parcel), Accepted
    )
    assert service.paths == [path]


async def test_no_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, settings: PushSettings, clock: Clock, ada: WebPushAddress, parcel: Parcel
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web_push = WebPush(settings, clock)
    assert isinstance(await web_push.send(ada, parcel), Accepted)
    await web_push.close()


async def test_messages_in_flight_together_each_reach_their_own_phone(
    service: PushService, web_push: WebPush, parcel: Parcel
) -> None:
    phones = [msgspec.convert(service.subscribe(f"phone-{n}"), WebPushAddress) for n in range(100)]
    parcels = [msgspec.structs.replace(parcel, delivery_id=f"d{n}", path=f"/open/{n}") for n in range(100)]
    outcomes = await asyncio.gather(*map(web_push.send, phones, parcels))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert service.complaints == []
    assert {push.subscription: push.payload["notification"]["navigate"] for push in service.accepted} == {
        f"phone-{n}": f"{PUBLIC_URL}/open/{n}" for n in range(100)
    }
    assert len(service.connections) <= web_push.limit


async def test_one_connection_carries_many_messages(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    for _ in range(5):
        await web_push.send(ada, parcel)
    assert len(service.connections) == 1


async def test_a_push_is_still_signed_after_a_day(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel, clock: Clock
) -> None:
    for _ in range(30):
        clock.at += HOUR
        assert isinstance(await web_push.send(ada, parcel), Accepted)
    assert service.complaints == []


async def test_a_header_signed_under_a_wrong_clock_is_not_kept_once_refused(
    service: PushService, settings: PushSettings, clock: Clock, ada: WebPushAddress, parcel: Parcel
) -> None:
    ours = Clock()
    ours.at -= 10 * HOUR
    web_push = WebPush(settings, ours)
    assert isinstance(await web_push.send(ada, parcel), Accepted)
    clock.at += 3 * HOUR
    assert isinstance(await web_push.send(ada, parcel), Refused)
    ours.at = clock.at - 10 * HOUR + 1
    assert isinstance(await web_push.send(ada, parcel), Accepted)
    await web_push.close()


async def test_a_phone_that_subscribed_with_another_server_key_refuses(
    service: PushService, web_push: WebPush, parcel: Parcel
) -> None:
    stranger = VapidKeys.generate("mailto:dov@example.org")
    phone = msgspec.convert(service.subscribe("dov-phone", stranger.public()), WebPushAddress)
    assert isinstance(await web_push.send(phone, parcel), Refused)
    assert service.complaints == ["the key is the one the browser subscribed with"]


async def test_no_outcome_nor_log_holds_an_address_or_the_message(
    service: PushService,
    settings: PushSettings,
    clock: Clock,
    parcel: Parcel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    address = msgspec.convert(service.subscribe("canary-endpoint"), WebPushAddress)
    secret = msgspec.structs.replace(parcel, title="CANARY", body="CANARY", path="/CANARY")
    web_push = WebPush(msgspec.structs.replace(settings, timeout=0.1), clock)
    answers = [Answer(status) for status, _ in STATUSES]
    answers += [Answer(act="cut"), Answer(act="garbage"), Answer(act="hang")]
    said = []
    for answer in answers:
        service.answer(EVERYONE, answer)
        said.append(repr(await web_push.send(address, secret)))
    await service.__aexit__()
    said.append(repr(await web_push.send(address, secret)))
    await web_push.close()
    channel_logs = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.access")]
    text = "\n".join(said + channel_logs)
    for canary in ("canary-endpoint", "CANARY", address.auth, address.p256dh):
        assert canary not in text


async def test_a_session_that_was_lent_is_not_closed(settings: PushSettings, clock: Clock) -> None:
    async with aiohttp.ClientSession() as session:
        await WebPush(settings, clock, session).close()
        assert not session.closed


async def test_a_cancelled_send_leaves_the_channel_usable(
    service: PushService, web_push: WebPush, ada: WebPushAddress, parcel: Parcel
) -> None:
    service.answer("ada-phone", Answer(act="hang"), Answer())
    sending = asyncio.create_task(web_push.send(ada, parcel))
    await service.arrival()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert isinstance(await web_push.send(ada, parcel), Accepted)


@pytest.mark.parametrize(
    "location", ["http://[::1", "not a url", "/message/1?token=x", "https://push.example/" + "x" * 999]
)
async def test_an_odd_location_is_no_trouble(
    location: str, parcel: Parcel, settings: PushSettings, clock: Clock
) -> None:
    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(status=201, headers={"Location": location})

    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(answer))  # type: ignore[arg-type]
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    phone = PushService().subscribe("ada-phone") | {"endpoint": f"http://127.0.0.1:{port}/push/a"}
    web_push = WebPush(settings, clock)
    outcome = await web_push.send(msgspec.convert(phone, WebPushAddress), parcel)
    await web_push.close()
    await runner.cleanup()
    assert isinstance(outcome, Accepted)
    assert len(outcome.reference) <= 200
    assert "token" not in outcome.reference


def test_the_plain_text_cannot_be_found_in_the_body(parcel: Parcel) -> None:
    address = msgspec.convert(PushService().subscribe("ada-phone"), WebPushAddress)
    body = seal(address, payload(parcel, PUBLIC_URL))
    assert parcel.body.encode() not in body
    assert base64.b64encode(parcel.body.encode())[:12] not in body
    assert len(body) < 4096


def test_settings_do_not_show_the_private_key(settings: PushSettings) -> None:
    assert "BEGIN" not in repr(settings)
    assert settings.keys.pem().splitlines()[1] not in repr(settings)
    assert Allowed(loopback=True) == settings.allowed
