"""For each channel on the list: the real one, and a stand-in at its far end that says what arrived and is shown."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from notifications.channels import Allowed, Channel
from notifications.channels.addresses import (
    ApnsAddress,
    ConsoleAddress,
    EmailAddress,
    FcmAddress,
    NtfyAddress,
    SmsAddress,
    WebPushAddress,
)
from notifications.channels.apns import Apns, ApnsSettings
from notifications.channels.console import Console
from notifications.channels.email import Email
from notifications.channels.fcm import Fcm, FcmSettings
from notifications.channels.ntfy import Ntfy, NtfySettings
from notifications.channels.sms import Sms, SmsSettings
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from tests.notifications.channels.conftest import PUBLIC_URL, smtp_to
from tests.peers.apns_service import KEY_ID, TEAM_ID, TOPIC, ApnsService
from tests.peers.fcm_service import FcmService
from tests.peers.mail_service import Mail, MailService
from tests.peers.ntfy_service import NtfyService
from tests.peers.push_service import PushService
from tests.peers.sms_service import SmsService


class Far(NamedTuple):
    channel: Channel
    address: Any
    wire: Callable[[], list[str]]
    """Everything the far side was given, one text a message, encodings undone."""
    shown: Callable[[], int]
    """How many messages the patient sees."""


def json(it: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(it, order="sorted")).decode()


@asynccontextmanager
async def web_push() -> AsyncIterator[Far]:
    async with PushService() as service:
        keys = VapidKeys.generate("mailto:operator@example.org")
        channel = WebPush(PushSettings(keys, PUBLIC_URL, Allowed(loopback=True)), time.time)
        address = msgspec.convert(service.subscribe("ada-phone"), WebPushAddress)
        wire = lambda: [f"{it.topic} {it.urgency} {it.ttl}\n{json(it.payload)}" for it in service.accepted]  # noqa: E731
        yield Far(channel, address, wire, lambda: len(service.shown()))


@asynccontextmanager
async def apns() -> AsyncIterator[Far]:
    async with ApnsService() as service:
        settings = ApnsSettings(
            key=service.key,
            key_id=KEY_ID,
            team_id=TEAM_ID,
            topic=TOPIC,
            host=service.host,
            port=service.port,
            trust=service.trust(),
        )
        channel = Apns(settings, time.time)
        wire = lambda: [f"{it.collapse_id} {it.push_type} {it.priority}\n{json(it.payload)}" for it in service.accepted]  # noqa: E731
        yield Far(channel, ApnsAddress("ada0" * 16), wire, lambda: len(service.shown()))


@asynccontextmanager
async def fcm() -> AsyncIterator[Far]:
    async with FcmService() as service:
        channel = Fcm(FcmSettings(account=service.account(), url=service.origin), time.time)
        yield Far(
            channel,
            FcmAddress("ada-phone:" + "a" * 60),
            lambda: [json(it.message) for it in service.accepted],
            lambda: len(service.shown()),
        )


@asynccontextmanager
async def ntfy() -> AsyncIterator[Far]:
    async with NtfyService() as service:
        channel = Ntfy(NtfySettings(url=service.origin, public_url=PUBLIC_URL), time.time)
        yield Far(
            channel,
            NtfyAddress("ada-2fXq81kPz0w9"),
            lambda: [json(it.body) for it in service.accepted],
            lambda: len(service.shown()),
        )


@asynccontextmanager
async def email() -> AsyncIterator[Far]:
    async with MailService() as service:
        channel = Email(smtp_to(service), lambda: 0.0)
        yield Far(
            channel,
            EmailAddress("ada@example.org"),
            lambda: [_letter(it) for it in service.mails],
            lambda: len(service.shown()),
        )


def _letter(it: Mail) -> str:
    return "\n".join([*(f"{name}: {text}" for name, text in it.message.items()), "", it.text, it.html])


@asynccontextmanager
async def sms() -> AsyncIterator[Far]:
    async with SmsService() as service:
        channel = Sms(SmsSettings(services={"sms": service.template}, public_url=PUBLIC_URL))
        yield Far(
            channel,
            SmsAddress("+34600111222"),
            lambda: [json(msgspec.json.decode(it.raw)) for it in service.accepted],
            lambda: len(service.shown()),
        )


@asynccontextmanager
async def console() -> AsyncIterator[Far]:
    lines: list[str] = []
    yield Far(Console(PUBLIC_URL, lines.append), ConsoleAddress("Ada"), lambda: lines, lambda: len(lines))


FAR_SIDES: Mapping[str, Callable[[], AbstractAsyncContextManager[Far]]] = {
    it.__name__: it for it in (web_push, apns, fcm, ntfy, email, sms, console)
}
