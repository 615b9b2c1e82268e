"""The stand-in must itself refuse what a push service refuses, or the tests that rely on it prove nothing."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import msgspec
import pytest

from notifications.channels import Accepted, Allowed, Parcel
from notifications.channels.addresses import WebPushAddress
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush, headers, payload, seal
from tests.peers.push_service import EVERYONE, Answer, PushService, on_screen, read_journal

NOW = 1_793_512_800
KEYS = VapidKeys.generate("mailto:operator@example.org")
PARCEL = Parcel("d1", "Homestretch", "You have a new check-in.", "/open/1", "normal", 60, "en")


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with PushService(now=lambda: NOW) as service:
        yield service


async def post(service: PushService, changes: Mapping[str, str | None] = {}, body: bytes = b"") -> int:
    """The status for a push that is right but for the changes; None leaves a header out."""
    address = msgspec.convert(service.subscribe("ada-phone"), WebPushAddress)
    right = headers(PARCEL) | {"Authorization": KEYS.sign(service.origin, NOW + 3600)}
    head = {name: text for name, text in {**right, **changes}.items() if text is not None}
    sealed = body or seal(address, payload(PARCEL, "https://care.example.org"))
    async with (
        aiohttp.ClientSession() as session,
        session.post(address.endpoint, data=sealed, headers=head, allow_redirects=False) as reply,
    ):
        return reply.status


async def test_it_takes_a_push_that_is_right(service: PushService) -> None:
    assert await post(service) == 201
    assert [push.tag for push in service.accepted] == ["d1"]


@pytest.mark.parametrize(
    ("header", "text", "status"),
    [
        ("TTL", None, 400),
        ("TTL", "soon", 400),
        ("TTL", "-1", 400),
        ("Urgency", "urgent", 400),
        ("Topic", "x" * 33, 400),
        ("Topic", "0198c2f4.1", 400),
        ("Content-Encoding", "aesgcm", 400),
        ("Authorization", None, 401),
        ("Authorization", "Bearer x", 401),
        ("Authorization", f"vapid t=x.y.z,k={KEYS.public()}", 403),
        ("Authorization", "vapid t=x.y.z,k=AAAA", 403),
    ],
)
async def test_it_refuses_a_wrong_header(header: str, text: str | None, status: int, service: PushService) -> None:
    assert await post(service, {header: text}) == status
    assert service.accepted == []
    assert len(service.complaints) == 1


@pytest.mark.parametrize(
    ("audience", "expires"),
    [("https://fcm.googleapis.com", 3600), ("", 24 * 3600 + 1), ("", 0), ("", -1)],
    ids=["another service", "too late an end", "ends now", "ended"],
)
async def test_it_refuses_a_token_for_another_service_or_time(
    audience: str, expires: int, service: PushService
) -> None:
    token = KEYS.sign(audience or service.origin, NOW + expires)
    assert await post(service, {"Authorization": token}) == 403


async def test_it_refuses_a_token_signed_with_another_key(service: PushService) -> None:
    other = VapidKeys.generate("mailto:dov@example.org")
    token = other.sign(service.origin, NOW + 3600).partition(",k=")[0]
    assert await post(service, {"Authorization": f"{token},k={KEYS.public()}"}) == 403


async def test_it_refuses_what_the_phone_cannot_decrypt_and_what_is_too_long(service: PushService) -> None:
    stranger = msgspec.convert(service.subscribe("dov-phone"), WebPushAddress)
    assert await post(service, body=seal(stranger, b"{}")) == 400
    assert await post(service, body=b"\x00") == 400
    assert await post(service, body=b"\x00" * 4097) == 413
    assert service.accepted == []


async def test_answers_are_given_one_each_and_the_last_one_from_then_on(service: PushService) -> None:
    service.answer(EVERYONE, Answer(503))
    service.answer("ada-phone", Answer(429), Answer(410))
    assert [await post(service) for _ in range(3)] == [429, 410, 410]
    service.answer("ada-phone")
    assert await post(service) == 503


async def test_as_a_process_what_it_accepted_survives_kill_9(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    command = (sys.executable, "-m", "tests.peers.push_service", "--port", "0", "--journal", str(journal))
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=root)
    assert process.stdout is not None
    origin = f"http://127.0.0.1:{int(await process.stdout.readline())}"
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{origin}/subscriptions/ada-phone") as reply:
            ada = msgspec.json.decode(await reply.read(), type=WebPushAddress)
        told = session.put(f"{origin}/answers/ada-phone", data=msgspec.json.encode([Answer(503), Answer()]))
        async with told as reply:
            assert reply.status == 204
        web_push = WebPush(PushSettings(KEYS, "https://care.example.org", Allowed(loopback=True)), time.time, session)
        outcomes = [await web_push.send(ada, PARCEL) for _ in range(3)]
    process.kill()
    await process.wait()
    assert [isinstance(outcome, Accepted) for outcome in outcomes] == [False, True, True]
    with journal.open("ab") as torn:
        torn.write(b'{"at":1,"subscr')
    pushes = read_journal(journal)
    assert [push.subscription for push in pushes] == ["ada-phone", "ada-phone"]
    assert list(on_screen(pushes)) == [("ada-phone", "d1")]
