"""Where a patient is reached, and what their phone says became of a message."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, select

from notifications import addresses
from notifications.channels import ADDRESSES
from notifications.tables import message
from programs.instants import HOUR, say
from service.settings import Settings
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, NOON


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


POINT = text(
    ec.derive_private_key(7, ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
PUSH = {
    "channel": "web_push",
    "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/abc",
    "p256dh": POINT,
    "auth": text(b"0123456789abcdef"),
}
MAIL = {"channel": "email", "mailbox": "ada@example.org"}
IPHONE = {"channel": "apns", "token": "0a" * 32}
ANDROID = {"channel": "fcm", "token": "dQw4:" + "a" * 60}
NTFY = {"channel": "ntfy", "topic": "ada-2fXq81kPz0w9"}
SMS = {"channel": "sms", "number": "+34600111222"}
CONSOLE = {"channel": "console", "label": "Ada's terminal"}


NATIVE = {"mail": MAIL, "iphone": IPHONE, "android": ANDROID, "ntfy": NTFY, "number": SMS}


@pytest.fixture
def settings() -> Settings:
    return Settings(sms_services="sms = json://localhost/{to}", sms_prefixes=("+34",))


async def reached(api: Api) -> dict[str, str]:
    found = await api.db.read(addresses.living, "riverside", ["ada"])
    return {it.id: it.channel for it in found["ada"] if it.id != "ada-phone"}


async def test_an_address_is_put_and_put_again(empty: Api) -> None:
    for _ in range(2):
        reply = await empty("PUT", "/me/addresses/browser-1", ADA, PUSH)
        assert (reply.status_code, reply.json()) == (
            200,
            {"id": "browser-1", "channel": "web_push", "shown": "updates.push.services.mozilla.com"},
        )
    for id, body in NATIVE.items():
        reply = await empty("PUT", f"/me/addresses/{id}", ADA, body)
        assert reply.status_code == 200
        assert not {value for name, value in body.items() if name != "channel"} & {reply.json()["shown"]}
    assert await reached(empty) == {"browser-1": "web_push"} | {id: it["channel"] for id, it in NATIVE.items()}


async def test_a_clinician_is_alerted_where_they_say(empty: Api) -> None:
    reply = await empty("PUT", "/clinics/riverside/addresses/ben-mail", BEN, {**MAIL, "mailbox": "ben@example.org"})
    assert reply.status_code == 200
    found = await empty.db.read(addresses.living, "riverside", ["ben"])
    assert {it.id: it.channel for it in found["ben"]}["ben-mail"] == "email"


async def test_a_browser_gets_the_key_it_subscribes_with(empty: Api) -> None:
    assert (await empty("GET", "/me/push-key", ADA)).json() == {"key": None}


BAD: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({**PUSH, "endpoint": "https://evil.example/x"}, "/endpoint", "is not a push service we know", ""),
    ({**PUSH, "endpoint": "http://127.0.0.1:9/x"}, "/endpoint", "expected https", ""),
    ({**PUSH, "endpoint": "https://fcm.googleapis.com@evil.example/"}, "/endpoint", "expected https", ""),
    ({**PUSH, "p256dh": "AAAA"}, "/p256dh", "expected 65 bytes in base64url", ""),
    ({**PUSH, "auth": 5}, "/auth", "must be text, not a whole number", ""),
    ({**PUSH, "vapid": "x"}, "/vapid", "is not a field of this request", ""),
    ({**MAIL, "mailbox": "ada"}, "/mailbox", "expected name@domain", ""),
    ({**MAIL, "mailbox": "Ada <ada@example.org>"}, "/mailbox", "before the @", ""),
    ({**MAIL, "mailbox": "ada@example.org\r\nBcc: x@example.org"}, "/mailbox", "", ""),
    ({"mailbox": "ada@example.org"}, "/channel", "is missing", ""),
    ({**MAIL, "channel": "fax"}, "/channel", "is not one of the values allowed", "web_push, apns"),
    ({**IPHONE, "token": "0a"}, "/token", "expected 64 to 200 hexadecimal digits", ""),
    ({**ANDROID, "token": "a b"}, "/token", "expected 32 to 1000 letters", ""),
    ({**NTFY, "topic": "my-topic"}, "/topic", "nobody can guess", ""),
    ({**SMS, "number": "600111222"}, "/number", "expected a plus sign", ""),
    ({**SMS, "number": "+88216000000"}, "/number", "text messages go only to numbers with +34", ""),
    ({**SMS, "service": "signal"}, "/service", "is not one that is set up here: sms", ""),
    ({**SMS, "service": "json://127.0.0.1"}, "/service", "is not one that is set up here: sms", ""),
    (CONSOLE, "/channel", "is for demonstrations only", "web_push"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_address_that_cannot_be_reached_is_not_kept(empty: Api) -> None:
    for body, where, problem, hint in BAD:
        status, errors = await empty.problem("PUT", "/me/addresses/a", ADA, body)
        assert status == 422
        assert errors[0][0] == where, (body, errors)
        assert problem in errors[0][1], (body, errors)
        assert hint in errors[0][2], (body, errors)
    assert await reached(empty) == {}


class TestInADemonstration:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(demo=True)

    async def test_the_console_and_this_machine_are_allowed(self, empty: Api) -> None:
        assert (await empty("PUT", "/me/addresses/c", ADA, CONSOLE)).status_code == 200
        local = {**PUSH, "endpoint": "http://127.0.0.1:9999/push/1"}
        assert (await empty("PUT", "/me/addresses/p", ADA, local)).status_code == 200


def test_every_channel_has_a_body_here() -> None:
    assert {it["channel"] for it in (PUSH, *NATIVE.values(), CONSOLE)} == {form.kind for form in ADDRESSES}


async def test_a_receipt_is_noted_once(api: Api) -> None:
    def one(db: Connection) -> str:
        return str(db.execute(select(message.c.id).where(message.c.person_id == "ada").limit(1)).scalar_one())

    body = {"message_id": await api.db.read(one), "kind": "opened", "at": say(NOON + HOUR)}
    assert (await api("POST", "/me/receipts", ADA, body)).json()["result"] == "noted"
    assert (await api("POST", "/me/receipts", ADA, body)).json()["result"] == "known"
    assert (await api("POST", "/me/receipts", ADA, {**body, "kind": "shown"})).json()["result"] == "noted"


async def test_a_receipt_that_cannot_be_is_refused(api: Api) -> None:
    body = {"message_id": "m", "kind": "opened", "at": say(NOON)}
    assert (await api("POST", "/me/receipts", ADA, body)).status_code == 404
    for changed, where in (
        ({"kind": "burnt"}, "/kind"),
        ({"at": "noon"}, "/at"),
        ({"at": "1970-01-01T00:00:00Z"}, "/at"),
        ({"message_id": "x" * 65}, "/message_id"),
    ):
        assert (await api.problem("POST", "/me/receipts", ADA, {**body, **changed}))[1][0][0] == where
