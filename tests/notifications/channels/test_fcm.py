import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext

import msgspec
import pytest

from notifications.channels import Accepted, Gone, Later, Parcel, Refused
from notifications.channels.addresses import FcmAddress
from notifications.channels.fcm import USUAL_WAIT, Fcm, FcmSettings
from tests.notifications.channels.conftest import Clock
from tests.peers.fcm_service import EVERYONE, UNREGISTERED, Answer, FcmService

ADA = FcmAddress("ada-phone:" + "a" * 60)
EVE = FcmAddress("eve-phone:" + "e" * 60)


@pytest.fixture
async def google(clock: Clock) -> AsyncIterator[FcmService]:
    async with FcmService(now=clock) as service:
        yield service


@pytest.fixture
async def fcm(google: FcmService, clock: Clock) -> AsyncIterator[Fcm]:
    channel = Fcm(FcmSettings(account=google.account(), url=google.origin), clock)
    yield channel
    await channel.close()


@contextmanager
def impatient(fcm: Fcm) -> Iterator[None]:
    """For answers that never come; all others have the usual time, as this machine may be busy."""
    usual, fcm._timeout = fcm._timeout, 0.1
    yield
    fcm._timeout = usual


async def test_a_phone_gets_what_was_worded_and_nothing_more(google: FcmService, fcm: Fcm, parcel: Parcel) -> None:
    assert await fcm.send(ADA, parcel) == Accepted("1")
    await fcm.send(ADA, msgspec.structs.replace(parcel, urgency="normal", expires_in=10**9))
    assert google.complaints == []
    first, second = google.accepted
    assert first.message == {
        "token": ADA.token,
        "notification": {"title": "Homestretch", "body": "You have a new check-in."},
        "data": {"id": "0198c2f4-7a.1", "path": "/open/5fJx0Q"},
        "android": {
            "collapse_key": "0198c2f4-7a.1",
            "priority": "HIGH",
            "ttl": "7200s",
            "notification": {"tag": "0198c2f4-7a.1"},
        },
    }
    assert (second.message["android"]["priority"], second.message["android"]["ttl"]) == ("NORMAL", "2419200s")


async def test_a_repeat_replaces_what_the_phone_shows(google: FcmService, fcm: Fcm, parcel: Parcel) -> None:
    for _ in range(3):
        await fcm.send(ADA, parcel)
    await fcm.send(ADA, msgspec.structs.replace(parcel, delivery_id="other"))
    assert (len(google.accepted), len(google.shown())) == (4, 2)
    assert (google.given, len(google.connections)) == (1, 1)


BAD_TOKEN = Answer(400, "INVALID_ARGUMENT", message="The registration token is not a valid FCM registration token")
ANSWERS: list[tuple[Answer, type]] = [
    (Answer(), Accepted),
    (BAD_TOKEN, Gone),
    (Answer(400, "INVALID_ARGUMENT", "message.token", "Invalid registration token"), Gone),
    (Answer(400, "INVALID_ARGUMENT", "message.data[0].value"), Refused),
    (Answer(400, "INVALID_ARGUMENT", "message.android.ttl", "not for this token"), Refused),
    (Answer(400, message="Request contains an invalid argument."), Refused),
    (Answer(401), Later),
    (Answer(401, "THIRD_PARTY_AUTH_ERROR"), Later),
    (Answer(403, "SENDER_ID_MISMATCH"), Gone),
    (Answer(403), Later),
    (UNREGISTERED, Gone),
    (Answer(404, message="Requested entity was not found."), Later),
    (Answer(413), Refused),
    (Answer(429, "QUOTA_EXCEEDED", retry_after="120"), Later),
    (Answer(429, "QUOTA_EXCEEDED"), Later),
    (Answer(500, "INTERNAL"), Later),
    (Answer(502, act="garbage"), Later),
    (Answer(503, "UNAVAILABLE", retry_after="30"), Later),
    (Answer(404, act="garbage"), Later),
    (Answer(400, act="garbage"), Refused),
    (Answer(200, act="garbage"), Later),
    (Answer(302), Refused),
    (Answer(act="cut"), Later),
    (Answer(act="hang"), Later),
]


async def test_each_answer_has_one_outcome_and_the_next_message_goes_through(
    google: FcmService, fcm: Fcm, parcel: Parcel
) -> None:
    await fcm.send(EVE, parcel)
    for answer, expected in ANSWERS:
        google.answer(ADA.token, answer)
        google.accepted.clear()
        google.requests.clear()
        with impatient(fcm) if answer.act == "hang" else nullcontext():
            outcome = await fcm.send(ADA, parcel)
        assert type(outcome) is expected, answer
        assert len(google.requests) == (2 if answer.status == 401 else 1), answer
        if isinstance(outcome, Later):
            usual = USUAL_WAIT if answer.status == 429 else None
            assert outcome.after == (float(answer.retry_after) if answer.retry_after else usual)
        google.answer(ADA.token, Answer())
        assert isinstance(await fcm.send(ADA, parcel), Accepted)
        assert len(google.shown()) == 1, "taken twice at most, shown once"
    assert google.complaints == []


async def test_a_token_is_not_blamed_for_a_server_with_another_apps_account(
    google: FcmService, fcm: Fcm, parcel: Parcel
) -> None:
    """A whole server gets these answers; one token's word is taken once another one has worked."""
    for answer in (Answer(403, "SENDER_ID_MISMATCH"), BAD_TOKEN):
        google.answer(ADA.token, answer)
        assert isinstance(await fcm.send(ADA, parcel), Refused)
    await fcm.send(EVE, parcel)
    assert isinstance(await fcm.send(ADA, parcel), Gone)


async def test_many_at_once_ask_for_one_token_and_share_the_connections(
    google: FcmService, fcm: Fcm, parcel: Parcel
) -> None:
    async def all_of_them() -> set[type]:
        parcels = [msgspec.structs.replace(parcel, delivery_id=f"d{n}") for n in range(60)]
        return {type(it) for it in await asyncio.gather(*(fcm.send(ADA, it) for it in parcels))}

    assert await all_of_them() == {Accepted}
    assert (google.given, len(google.shown())) == (1, 60)
    google.tokens.clear()
    assert await all_of_them() == {Accepted}
    assert google.given == 2, "all were refused the old one, and one asked for the new one"
    assert await fcm._tokens.another("token-1") == "token-2", "a refusal that comes late is not of the new one"
    assert len(google.connections) <= fcm.limit


async def test_a_token_is_asked_for_anew_before_it_ends(google: FcmService, fcm: Fcm, parcel: Parcel) -> None:
    google.lives = 120
    for _ in range(2):
        assert isinstance(await fcm.send(ADA, parcel), Accepted)
    assert google.given == 2


async def test_without_a_token_nothing_is_sent_and_nothing_is_lost(
    google: FcmService, fcm: Fcm, parcel: Parcel
) -> None:
    for answer in (Answer(400), Answer(act="cut", status=400), Answer(400, act="garbage")):
        google.on_token = answer
        outcome = await fcm.send(ADA, parcel)
        assert isinstance(outcome, Later)
        assert outcome.detail in {"FCM gave no token: RefreshError", "FCM gave no token: TransportError"}
    google.on_token = Answer(act="hang")
    with impatient(fcm):
        assert await fcm.send(ADA, parcel) == Later("FCM did not answer within 0.1 s")
    google.on_token = Answer()
    google._stopping.set()
    assert isinstance(await fcm.send(ADA, parcel), Accepted)
    assert len(google.requests) == 1


async def test_a_service_that_is_down_is_later_and_then_works_again(
    google: FcmService, fcm: Fcm, parcel: Parcel
) -> None:
    await fcm.send(ADA, parcel)
    await google.__aexit__()
    assert isinstance(await fcm.send(ADA, parcel), Later)
    async with google:
        assert isinstance(await fcm.send(ADA, parcel), Accepted)


async def test_no_outcome_nor_log_holds_a_token_or_the_message(
    google: FcmService, fcm: Fcm, parcel: Parcel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = msgspec.structs.replace(parcel, title="CANARY", body="CANARY", path="/CANARY")
    said = [repr(ADA), repr(FcmSettings(account=google.account()))]
    for answer, _ in ANSWERS:
        google.answer(EVERYONE, msgspec.structs.replace(answer, message=f"CANARY {ADA.token}"))
        with impatient(fcm) if answer.act == "hang" else nullcontext():
            said.append(repr(await fcm.send(ADA, secret)))
    text = "\n".join(said + [it.getMessage() for it in caplog.records if not it.name.startswith("aiohttp.access")])
    for canary in (ADA.token, "CANARY", "PRIVATE KEY", *google.tokens):
        assert canary not in text


def test_an_account_that_cannot_sign_is_refused_at_start_and_not_quoted(google: FcmService) -> None:
    account = json.loads(google.account())
    wrong = ["", "CANARY", "[]", "{}", '"CANARY"', *(json.dumps({**account, it: "CANARY"}) for it in ("private_key",))]
    wrong += [json.dumps({name: it for name, it in account.items() if name != "project_id"})]
    for text in wrong:
        with pytest.raises(ValueError, match="FCM account: expected the JSON file of a service account") as caught:
            FcmSettings(account=text)
        assert "CANARY" not in str(caught.value)
