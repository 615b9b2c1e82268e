"""The clinic's Ada with her phones and her mailbox, a push service and a mail server, all on loopback."""

from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from notifications.channels import Allowed, Parcel
from notifications.channels.addresses import WebPushAddress
from notifications.channels.email import Email, Smtp
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from tests.peers.mail_service import MailService
from tests.peers.push_service import PushService

PUBLIC_URL = "https://care.example.org"
AT_START = 1_793_512_800.0  # 2026-11-01T06:00:00Z


class Clock:
    """Seconds since 1970; moves when told."""

    def __init__(self) -> None:
        self.at = AT_START

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def parcel() -> Parcel:
    return Parcel(
        delivery_id="0198c2f4-7a.1",
        title="Homestretch",
        body="You have a new check-in.",
        path="/open/5fJx0Q",
        urgency="high",
        expires_in=7200,
        language="en",
    )


@pytest.fixture(scope="session")
def keys() -> VapidKeys:
    return VapidKeys.generate("mailto:operator@example.org")


@pytest.fixture
async def service(clock: Clock) -> AsyncIterator[PushService]:
    async with PushService(now=clock) as service:
        yield service


@pytest.fixture
def ada(service: PushService) -> WebPushAddress:
    return msgspec.convert(service.subscribe("ada-phone"), WebPushAddress)


@pytest.fixture
def settings(keys: VapidKeys) -> PushSettings:
    return PushSettings(keys, PUBLIC_URL, Allowed(loopback=True))


@pytest.fixture
async def web_push(settings: PushSettings, clock: Clock) -> AsyncIterator[WebPush]:
    channel = WebPush(settings, clock)
    yield channel
    await channel.close()


@pytest.fixture
async def mail_service() -> AsyncIterator[MailService]:
    async with MailService() as service:
        yield service


@pytest.fixture
def smtp(mail_service: MailService) -> Smtp:
    return smtp_to(mail_service)


@pytest.fixture
async def email(smtp: Smtp, clock: Callable[[], float]) -> AsyncIterator[Email]:
    channel = Email(smtp, clock)
    yield channel
    await channel.close()


def smtp_to(service: MailService, **changes: object) -> Smtp:
    usual: dict[str, object] = {
        "host": "127.0.0.1",
        "port": service.port,
        "tls": "none",
        "sender": "Aftercare <aftercare@clinic.example>",
        "public_url": PUBLIC_URL,
    }
    return msgspec.convert(usual | changes, Smtp)
