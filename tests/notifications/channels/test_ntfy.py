import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec
import pytest

from notifications.channels import Accepted, Later, Parcel, Refused, topic
from notifications.channels.addresses import NtfyAddress
from notifications.channels.ntfy import Ntfy, NtfySettings
from tests.notifications.channels.conftest import PUBLIC_URL, Clock
from tests.peers.ntfy_service import EVERYONE, Answer, NtfyService

ADA = NtfyAddress("ada-2fXq81kPz0w9")


def ntfy_to(server: NtfyService, clock: Clock, timeout: float = 10, token: str = "tk_right") -> Ntfy:
    return Ntfy(NtfySettings(url=server.origin, token=token, public_url=PUBLIC_URL, timeout=timeout), clock)


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[NtfyService]:
    async with NtfyService(token="tk_right", now=clock) as service:
        yield service


@pytest.fixture
async def ntfy(server: NtfyService, clock: Clock) -> AsyncIterator[Ntfy]:
    channel = ntfy_to(server, clock)
    yield channel
    await channel.close()


async def test_a_phone_gets_what_was_worded_and_nothing_more(server: NtfyService, ntfy: Ntfy, parcel: Parcel) -> None:
    assert await ntfy.send(ADA, parcel) == Accepted("m1")
    await ntfy.send(ADA, msgspec.structs.replace(parcel, urgency="normal"))
    assert server.complaints == []
    first, second = server.accepted
    assert first.body == {
        "topic": ADA.topic,
        "title": "Homestretch",
        "message": "You have a new check-in.",
        "click": "https://care.example.org/open/5fJx0Q",
        "priority": 4,
        "sequence_id": topic(parcel.delivery_id),
    }
    assert second.body["priority"] == 3


@pytest.mark.parametrize("replaces", [True, False], ids=["2.16", "older"])
async def test_a_repeat_replaces_what_the_phone_shows_where_the_server_is_new_enough(
    replaces: bool, parcel: Parcel, clock: Clock
) -> None:
    async with NtfyService(replaces=replaces) as server:
        ntfy = ntfy_to(server, clock, token="")
        for _ in range(3):
            await ntfy.send(ADA, parcel)
        await ntfy.send(ADA, msgspec.structs.replace(parcel, delivery_id="other"))
        await ntfy.close()
        assert (len(server.accepted), len(server.shown())) == (4, 2 if replaces else 4)
        assert len(server.connections) == 1


ANSWERS: list[tuple[Answer, type]] = [
    (Answer(), Accepted),
    (Answer(400), Refused),
    (Answer(401), Later),
    (Answer(403), Refused),
    (Answer(404), Later),
    (Answer(404, act="garbage"), Later),
    (Answer(413), Refused),
    (Answer(429, retry_after="7"), Later),
    (Answer(429), Later),
    (Answer(500), Later),
    (Answer(502, act="garbage"), Later),
    (Answer(507), Later),
    (Answer(302), Refused),
    (Answer(act="garbage"), Later),
    (Answer(act="cut"), Later),
    (Answer(act="hang"), Later),
]


async def test_each_answer_has_one_outcome_and_the_next_message_goes_through(
    server: NtfyService, ntfy: Ntfy, parcel: Parcel, clock: Clock
) -> None:
    hasty = ntfy_to(server, clock, timeout=0.1)
    for answer, expected in ANSWERS:
        server.answer(ADA.topic, answer)
        server.accepted.clear()
        server.requests.clear()
        outcome = await (hasty if answer.act == "hang" else ntfy).send(ADA, parcel)
        assert type(outcome) is expected, answer
        assert len(server.requests) == 1
        assert not isinstance(outcome, Later) or outcome.after == (float(answer.retry_after or 0) or None)
        server.answer(ADA.topic, Answer())
        assert isinstance(await ntfy.send(ADA, parcel), Accepted)
        assert len(server.shown()) == 1
    assert server.complaints == []
    await hasty.close()


async def test_a_token_that_is_not_ours_is_the_operators_to_mend(
    server: NtfyService, parcel: Parcel, clock: Clock
) -> None:
    wrong = ntfy_to(server, clock, token="tk_wrong")
    assert await wrong.send(ADA, parcel) == Later("ntfy answered 401")
    await wrong.close()


async def test_a_server_that_is_down_is_later_and_then_works_again(
    server: NtfyService, ntfy: Ntfy, parcel: Parcel
) -> None:
    await server.__aexit__()
    assert isinstance(await ntfy.send(ADA, parcel), Later)
    async with server:
        assert isinstance(await ntfy.send(ADA, parcel), Accepted)


async def test_many_at_once_share_the_connections(server: NtfyService, ntfy: Ntfy, parcel: Parcel) -> None:
    parcels = [msgspec.structs.replace(parcel, delivery_id=f"d{n}") for n in range(50)]
    outcomes = await asyncio.gather(*(ntfy.send(ADA, it) for it in parcels))
    assert {type(it) for it in outcomes} == {Accepted}
    assert len(server.connections) <= ntfy.limit


async def test_no_outcome_nor_log_holds_a_topic_or_the_message(
    server: NtfyService, ntfy: Ntfy, parcel: Parcel, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = msgspec.structs.replace(parcel, title="CANARY", body="CANARY", path="/CANARY")
    hasty = ntfy_to(server, clock, timeout=0.1)
    said = [repr(ADA), repr(NtfySettings(url=server.origin, token="tk_right", public_url=PUBLIC_URL))]
    for answer, _ in ANSWERS:
        server.answer(EVERYONE, answer)
        said.append(repr(await (hasty if answer.act == "hang" else ntfy).send(ADA, secret)))
    await hasty.close()
    text = "\n".join(said + [it.getMessage() for it in caplog.records if not it.name.startswith("aiohttp.access")])
    for canary in (ADA.topic, "CANARY", "tk_right"):
        assert canary not in text
