"""No address a stranger registers leads inside: not by its spelling, by where its name leads, or by a reply."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from notifications.channels import Accepted, Allowed, Later, Parcel, Refused, egress, new_address
from notifications.channels.addresses import WebPushAddress, check_endpoint
from notifications.channels.egress import FORBIDDEN, Inside, Outside, is_outside
from notifications.channels.web_push import PushSettings, WebPush
from tests.notifications.channels.conftest import Clock
from tests.peers.push_service import PushService

CORPUS = json.loads((Path(__file__).parents[2] / "data" / "push-endpoints.json").read_text())
URLS = [(family["family"], family["expected"], url) for family in CORPUS for url in family["urls"]]
KNOWN = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA"


def words(text: str) -> list[str]:
    return text.split()


INSIDE = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1
2001:0:4136:e378::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 fdff::1 fe80::1 fe80::1%eth0
febf::1 fec0::1 ff02::1 2606:4700::1%1 localhost 2130706433 127.1
""")
OUTSIDE = words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.32.0.0 223.255.255.255
2606:4700::1111 2a00:1450:4001:82a::200a 2003::1 2600::
""")


class Answers(AbstractResolver):
    """A name server of an attacker: each look-up gets the next answer, and leads to this port."""

    def __init__(self, port: int, *answers: tuple[str, ...]) -> None:
        self.port, self.answers, self.asked = port, list(answers), 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        found = self.answers[min(self.asked, len(self.answers)) - 1]
        return [
            {"hostname": host, "host": it, "port": self.port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for it in found
        ]

    async def close(self) -> None:
        return None


class Listener(NamedTuple):
    """What answers inside, and how many came."""

    port: int
    came: list[str]


@pytest.fixture
async def inside() -> AsyncIterator[Listener]:
    came: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("a connection")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield Listener(server.sockets[0].getsockname()[1], came)


@pytest.fixture
def phone() -> WebPushAddress:
    return msgspec.convert(PushService().subscribe("ada-phone") | {"endpoint": KNOWN}, WebPushAddress)


def test_the_corpus_has_250_addresses_of_many_families() -> None:
    assert len({url for _, _, url in URLS}) == len(URLS) >= 250
    assert len(CORPUS) >= 20


def said_of(phone: WebPushAddress, url: str) -> str:
    try:
        new_address("web_push", {"endpoint": url, "p256dh": phone.p256dh, "auth": phone.auth})
    except ValueError as error:
        return str(error)
    return "accepted"


@pytest.mark.parametrize("family", CORPUS, ids=lambda family: family["family"])
def test_each_of_them_is_taken_or_refused_as_it_should_be(family: dict[str, Any], phone: WebPushAddress) -> None:
    for url in family["urls"]:
        said = said_of(phone, url)
        assert (said == "accepted") == (family["expected"] == "accepted"), url
        assert said == "accepted" or said.startswith("push endpoint: ")


async def test_what_is_refused_is_not_sent_to_though_it_stands_in_the_database(
    keys: Any, clock: Clock, phone: WebPushAddress, parcel: Parcel
) -> None:
    """By an older version, by another list of hosts, by somebody with access to it."""
    resolver = Answers(1, ("8.8.8.8",))
    async with egress.session(5, resolver) as session:
        channel = WebPush(PushSettings(keys, "https://aftercare.example.org"), clock, session)
        for _, expected, url in URLS:
            if expected == "refused":
                said = await channel.send(msgspec.structs.replace(phone, endpoint=url), parcel)
                assert said == Refused("push endpoint is not allowed here"), url
    assert resolver.asked == 0


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_known_as_one(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_outside_is_none_of_them(address: str) -> None:
    assert is_outside(address)


def test_every_network_on_the_list_is_shut_from_its_first_address_to_its_last() -> None:
    for network in FORBIDDEN:
        assert not is_outside(str(network[0]))
        assert not is_outside(str(network[-1]))


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::ffff:127.0.0.1",), ("10.0.0.8",)])
async def test_a_known_name_that_leads_inside_is_not_connected_to(
    answers: tuple[str, ...], inside: Listener, keys: Any, clock: Clock, phone: WebPushAddress, parcel: Parcel
) -> None:
    async with egress.session(5, Answers(inside.port, answers)) as session:
        channel = WebPush(PushSettings(keys, "https://aftercare.example.org"), clock, session)
        said = await channel.send(phone, parcel)
    assert isinstance(said, Later)
    assert said.detail == "updates.push.services.mozilla.com: ClientConnectorDNSError"
    assert inside.came == []


async def test_a_name_server_that_changes_its_answer_changes_nothing(inside: Listener) -> None:
    """DNS rebinding: what was judged is what is connected to, and each new look-up is judged again."""
    name_server = Answers(inside.port, ("8.8.8.8",), ("127.0.0.1",))
    guarded = Outside(name_server)
    assert [it["host"] for it in await guarded.resolve("push.example.org", 443)] == ["8.8.8.8"]
    for _ in range(3):
        with pytest.raises(Inside):
            await guarded.resolve("push.example.org", 443)
    unguarded = await name_server.resolve("push.example.org", 443)
    _, writer = await asyncio.open_connection(unguarded[0]["host"], unguarded[0]["port"])
    writer.close()
    await asyncio.sleep(0)
    assert unguarded[0]["host"] == "127.0.0.1", "there was something to reach"


async def test_the_channel_of_the_server_is_guarded_unless_given_another_session(
    settings: PushSettings, clock: Clock
) -> None:
    channel = WebPush(settings, clock)
    connector = channel._session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    assert isinstance(connector._resolver, Outside)
    assert channel._session.trust_env is False
    await channel.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_push_service_that_points_inside_is_not_followed(
    status: int, inside: Listener, settings: PushSettings, clock: Clock, phone: WebPushAddress, parcel: Parcel
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        where = f"Location: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
        writer.write(f"HTTP/1.1 {status} There\r\n{where}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    channel = WebPush(settings, clock)
    async with server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/push"
        said = await channel.send(msgspec.structs.replace(phone, endpoint=endpoint), parcel)
    await channel.close()
    assert said == Refused(f"{endpoint.split('/')[2]} answered {status}")
    assert inside.came == []


async def test_a_demonstration_reaches_its_own_machine_and_nobody_else_can(
    service: PushService, settings: PushSettings, clock: Clock, ada: WebPushAddress, parcel: Parcel
) -> None:
    channel = WebPush(settings, clock)
    assert isinstance(await channel.send(ada, parcel), Accepted)
    await channel.close()
    channel = WebPush(msgspec.structs.replace(settings, allowed=Allowed()), clock)
    assert await channel.send(ada, parcel) == Refused("push endpoint is not allowed here")
    await channel.close()
    with pytest.raises(ValueError, match="push endpoint"):
        check_endpoint(ada.endpoint)
