import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from apprise import Apprise

from notifications.channels import Accepted, Allowed, Later, Parcel, Refused, new_address
from notifications.channels.addresses import SmsAddress, sms_services
from notifications.channels.sms import EXAMPLE, Sms, SmsSettings, url_of
from tests.notifications.channels.conftest import PUBLIC_URL
from tests.peers.sms_service import Answer, SmsService

ADA, EVE = SmsAddress("+34600111222"), SmsAddress("+15550100002")
TEXT = "Homestretch: You have a new check-in. https://care.example.org/open/5fJx0Q"
ALLOWED = Allowed(sms_services=("sms", "signal"), sms_prefixes=("+34", "+1555"))


def sms_through(service: SmsService, timeout: float = 10) -> Sms:
    settings = SmsSettings(services={"sms": service.template}, public_url=PUBLIC_URL, timeout=timeout)
    return Sms(settings)


@pytest.fixture
async def carrier() -> AsyncIterator[SmsService]:
    async with SmsService() as service:
        yield service


async def back() -> None:
    """Until every thread has come back."""
    for it in threading.enumerate():
        if it.name == "sms":
            await asyncio.to_thread(it.join)


async def test_a_phone_gets_one_line_of_fixed_words_and_a_link(carrier: SmsService, parcel: Parcel) -> None:
    sms = sms_through(carrier)
    assert await sms.send(ADA, parcel) == Accepted()
    assert carrier.shown() == [(ADA.number, TEXT)]
    assert (sms.busy, sms.stuck) == (0, 0)


async def test_what_was_surely_not_sent_is_tried_again(carrier: SmsService, parcel: Parcel) -> None:
    sms = sms_through(carrier)
    for answer in (Answer(400), Answer(429), Answer(500), Answer(503), Answer(act="cut", accept=False)):
        carrier.answer(ADA.number, answer)
        assert await sms.send(ADA, parcel) == Later("sms: was not sent")
    await carrier.__aexit__()
    assert await sms.send(ADA, parcel) == Later("sms: was not sent")
    async with carrier:
        carrier.answer(ADA.number, Answer())
        assert await sms.send(ADA, parcel) == Accepted()
    assert len(carrier.shown()) == 1


async def test_what_may_have_been_sent_is_not_sent_again(carrier: SmsService, parcel: Parcel) -> None:
    """Nothing would replace the first: the patient would be told twice."""
    sms = sms_through(carrier, timeout=0.3)
    carrier.answer(ADA.number, Answer(act="hang"))
    said = await sms.send(ADA, parcel)
    assert said == Refused("sms did not answer within 0.3 s; it may have been sent, so not again")
    assert (sms.busy, sms.stuck) == (1, 1)
    carrier.go_on()
    await back()
    assert (sms.busy, sms.stuck) == (0, 0)


async def test_threads_that_do_not_come_back_are_counted_and_the_last_is_not_followed_by_more(
    carrier: SmsService, parcel: Parcel
) -> None:
    sms = sms_through(carrier)
    carrier.answer(ADA.number, Answer(act="hang"))
    hung = [asyncio.create_task(sms.send(ADA, parcel)) for _ in range(sms.limit)]
    await carrier.arrivals(sms.limit)
    assert await sms.send(EVE, parcel) == Later("4 text messages still have no answer, 0 of them given up")
    for it in hung:
        it.cancel()
    await asyncio.wait(hung)
    assert await sms.send(EVE, parcel) == Later("4 text messages still have no answer, 4 of them given up")
    carrier.go_on()
    await back()
    assert await sms.send(EVE, parcel) == Accepted()


async def test_a_service_that_is_no_longer_set_up_takes_nothing(carrier: SmsService, parcel: Parcel) -> None:
    sms = sms_through(carrier)
    assert await sms.send(SmsAddress("+34600111222", "signal"), parcel) == Refused(
        "no such text message service is set up"
    )
    assert carrier.requests == []


async def test_no_outcome_nor_log_holds_a_number_or_the_message(
    carrier: SmsService, parcel: Parcel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sms, secret = sms_through(carrier), msgspec.structs.replace(parcel, title="CANARY", path="/CANARY")
    said = [repr(ADA), repr(sms._settings)]
    for answer in (Answer(), Answer(400), Answer(act="cut")):
        carrier.answer(ADA.number, answer)
        said.append(repr(await sms.send(ADA, secret)))
    text = "\n".join(said + [it.getMessage() for it in caplog.records if not it.name.startswith("aiohttp.access")])
    for canary in (ADA.number, ADA.number[1:], "CANARY"):
        assert canary not in text


NUMBERS: list[tuple[dict[str, Any], str]] = [
    ({"number": "+34600111222"}, ""),
    ({"number": "+15550100002", "service": "signal"}, ""),
    ({"number": "0034600111222"}, "number: expected"),
    ({"number": "+34 600 111 222"}, "number: expected"),
    ({"number": "+0600111222"}, "number: expected"),
    ({"number": "+3460011"}, "number: expected"),
    ({"number": "+3460011122233344"}, "number: expected"),
    ({"number": "+34600111222/+15550100009"}, "number: expected"),
    ({"number": "+34600111222?to=x"}, "number: expected"),
    ({"number": "+٣٤٦٠٠١١١٢٢٢"}, "number: expected"),
    ({"number": "+88216000000"}, r"number: text messages go only to numbers with \+34, \+1555"),
    ({"number": "+34600111222", "service": "json://10.0.0.1"}, "service: is not one that is set up here: sms, signal"),
]


@pytest.mark.parametrize(("fields", "why"), NUMBERS)
def test_a_number_is_one_plain_number_in_a_country_the_operator_pays_for(fields: dict[str, Any], why: str) -> None:
    if not why:
        new_address("sms", fields, ALLOWED)
        return
    with pytest.raises(ValueError, match=f"^{why}"):
        new_address("sms", fields, ALLOWED)


def test_without_a_service_no_number_is_taken() -> None:
    with pytest.raises(ValueError, match="service: is not one that is set up here: none"):
        new_address("sms", {"number": "+34600111222"})


def test_services_are_lines_of_a_name_and_a_url() -> None:
    text = "# ours\n\nsms = twilio://AC1:secret@+15550100/{to}\nsignal=signal://localhost/+15550100/{to}?batch=no\n"
    assert sms_services(text) == {
        "sms": "twilio://AC1:secret@+15550100/{to}",
        "signal": "signal://localhost/+15550100/{to}?batch=no",
    }
    assert sms_services("") == {}


@pytest.mark.parametrize(
    "line",
    [
        "CANARY",
        "sms = CANARY",
        "sms = json://CANARY/",
        "sms = json://CANARY/{to}/{to}",
        "sms = CANARY/{to}",
        "SMS = json://CANARY/{to}",
        "s s = json://CANARY/{to}",
        "= json://CANARY/{to}",
        "sms = json://CANARY/{to} x",
        "sms = json://ok/{to}\nsms = json://CANARY/{to}",
    ],
)
def test_a_line_that_cannot_be_one_is_named_and_not_quoted(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line \d: expected a ") as caught:
        sms_services(line)
    assert "CANARY" not in str(caught.value)


def test_a_url_apprise_does_not_know_is_refused_at_start_and_not_quoted() -> None:
    with pytest.raises(ValueError, match="text message service 'sms': Apprise does not know such a URL") as caught:
        SmsSettings(services={"sms": "CANARY://x/{to}"}, public_url=PUBLIC_URL)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "twilio://AC" + "a" * 32 + ":" + "b" * 32 + "@+15550100001/{to}",
        "signal://localhost:8080/+15550100001/{to}",
        "whatsapp://token@1234567890/{to}",
        "json://localhost/{to}?+from=us",
    ],
)
def test_a_number_reaches_the_service_whole_and_is_waited_for_longer_than_we_do(template: str) -> None:
    SmsSettings(services={"sms": template}, public_url=PUBLIC_URL)
    service: Any = Apprise.instantiate(url_of(template, EXAMPLE))
    assert service is not None
    assert unquote(service.url()).count(EXAMPLE) == 1
    assert service.socket_read_timeout > 15
