"""UnifiedPush: Web Push to a server that the patient or the clinic chose, once the operator allows it."""

import ssl
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from notifications.channels import Accepted, Allowed, Gone, Parcel, Refused, new_address
from notifications.channels.addresses import WebPushAddress
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from service.settings import read
from tests.notifications.channels.conftest import PUBLIC_URL, Clock
from tests.peers.push_service import Answer, PushService

HOST = "ntfy.clinic.example"


class Names(AbstractResolver):
    """Every name is this machine, at the port of the stand-in."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": self.port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        return None


class Distributor(NamedTuple):
    service: PushService
    session: aiohttp.ClientSession
    phone: dict[str, str]


@pytest.fixture
async def distributor(clock: Clock) -> AsyncIterator[Distributor]:
    """A push service that is known by its own name, over TLS, at port 443 as far as senders can tell."""
    authority, theirs, ours = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(HOST).configure_cert(theirs)
    authority.configure_trust(ours)
    async with PushService(now=clock, public=(f"https://{HOST}", theirs)) as service:
        connector = aiohttp.TCPConnector(resolver=Names(service.port), ssl=ours)
        async with aiohttp.ClientSession(connector=connector) as session:
            phone = service.subscribe("upAbc123") | {"endpoint": f"https://{HOST}/push/upAbc123?up=1"}
            yield Distributor(service, session, phone)


async def test_a_phone_behind_a_server_that_the_operator_allows_gets_the_same_push(
    distributor: Distributor, keys: VapidKeys, clock: Clock, parcel: Parcel
) -> None:
    allowed = read({"HOMESTRETCH_PUSH_HOSTS": HOST}).allowed
    address = new_address("web_push", distributor.phone, allowed)
    assert isinstance(address, WebPushAddress)
    channel = WebPush(PushSettings(keys, PUBLIC_URL, allowed), clock, distributor.session)
    for _ in range(2):
        assert isinstance(await channel.send(address, parcel), Accepted)
    assert distributor.service.complaints == []
    assert [it["body"] for it in distributor.service.shown().values()] == [parcel.body]
    distributor.service.answer("upAbc123", Answer(404))
    assert await channel.send(address, parcel) == Gone(f"{HOST} answered 404")


@pytest.mark.parametrize("allowed", [Allowed(), Allowed(hosts=(".other.example",)), Allowed(hosts=("clinic.example",))])
async def test_without_the_operators_word_it_is_neither_registered_nor_sent_to(
    allowed: Allowed, distributor: Distributor, keys: VapidKeys, clock: Clock, parcel: Parcel
) -> None:
    with pytest.raises(ValueError, match=f"{HOST} is not a push service we know; the operator can allow it"):
        new_address("web_push", distributor.phone, allowed)
    channel = WebPush(PushSettings(keys, PUBLIC_URL, allowed), clock, distributor.session)
    address = msgspec.convert(distributor.phone, WebPushAddress)
    assert await channel.send(address, parcel) == Refused("push endpoint is not allowed here")
    assert distributor.service.requests == []
