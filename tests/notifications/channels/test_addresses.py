from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from notifications.channels import ADDRESSES, Allowed, new_address, read_address
from notifications.channels.addresses import (
    EmailAddress,
    WebPushAddress,
    check_endpoint,
    check_mailbox,
)
from tests.peers.push_service import Phone

KNOWN = {
    "https://fcm.googleapis.com/fcm/send/dQw4:APA91b-x_y": "https://fcm.googleapis.com",
    "https://fcm.googleapis.com/wp/dQw4:APA91b%2Bx": "https://fcm.googleapis.com",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAAA": "https://updates.push.services.mozilla.com",
    "https://eu.push.services.mozilla.com/wpush/v1/gAAAA": "https://eu.push.services.mozilla.com",
    "https://web.push.apple.com/QGk1?x=1": "https://web.push.apple.com",
    "https://db5p.notify.windows.com/w/?token=BQYA%3d": "https://db5p.notify.windows.com",
    "https://fcm.googleapis.com:443/fcm/send/a": "https://fcm.googleapis.com",
}

# Every way to write an address that points inwards, and names that look like a push service to a careless reader.
INWARD_HOSTS = [
    "127.0.0.1",
    "localhost",
    "0.0.0.0",
    "0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "10.0.0.8",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "metadata.google.internal",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25eth0]",
    "[fd00::1]",
    "127.0.0.1.",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "127.0.0.1.nip.io",
    "fcm.googleapis.com.",
    "fcm.googleapis.com.evil.example",
    "evilfcm.googleapis.com",
    "x.fcm.googleapis.com",
    "googleapis.com",
    "fcm-googleapis.com",
    "fcm.googleapis.com%2eevil.example",
    "fcm.googleapis.com%00.evil.example",
    "fcm.googleapis.com\\.evil.example",
    "fcm。googleapis。com",
    "ｆcm.googleapis.com",
    "FCM.googleapis.com",
    "fcm..googleapis.com",
    ".push.apple.com",
    "push.apple.com",
    "evilpush.apple.com",
    "-.push.apple.com",
    "a_b.push.apple.com",
    "*.push.apple.com",
    "web.push.apple.com.",
    "xn--.push.apple.com.evil.example",
    "notify.windows.com",
    "notify.windows.com.evil.example",
    "a" * 64 + ".push.apple.com",
    "",
]
INWARD_FORMS = [
    "https://{}/a.google.com/",
    "https://{}:443/push",
    "https://user@{}/push",
    "https://fcm.googleapis.com@{}/push",
    "https://{}/?https://fcm.googleapis.com/",
]
ODD_URLS = [
    "http://fcm.googleapis.com/fcm/send/a",
    "http://127.0.0.1:8080/push/a",
    "ftp://fcm.googleapis.com/a",
    "file:///etc/passwd",
    "gopher://fcm.googleapis.com/",
    "javascript:alert(1)",
    "//fcm.googleapis.com/a",
    "fcm.googleapis.com/a",
    "https:/fcm.googleapis.com/a",
    "https:///fcm.googleapis.com/a",
    "https://fcm.googleapis.com:0/a",
    "https://fcm.googleapis.com:80/a",
    "https://fcm.googleapis.com:8443/a",
    "https://fcm.googleapis.com:0443/a",
    "https://fcm.googleapis.com:443:443/a",
    "https://fcm.googleapis.com:/a",
    "https://fcm.googleapis.com:https/a",
    "https://fcm.googleapis.com:٤٤٣/a",
    "https://user@fcm.googleapis.com/a",
    "https://user:pass@fcm.googleapis.com/a",
    "https://@fcm.googleapis.com/a",
    "https://169.254.169.254#@fcm.googleapis.com/a",
    "https://169.254.169.254\\@fcm.googleapis.com/a",
    "https://fcm.googleapis.com#@169.254.169.254/a",
    "https://fcm.googleapis.com\\@169.254.169.254/a",
    "https://fcm.googleapis.com/a#fragment",
    "https://fcm.googleapis.com/a\r\nHost: evil.example",
    "https://fcm.googleapis.com/a\nb",
    "https://fcm.googleapis.com/a\tb",
    "https://fcm.google\tapis.com/a",
    "https://fcm.googleapis.com/a b",
    " https://fcm.googleapis.com/a",
    "https://fcm.googleapis.com/a ",
    "https://fcm.googleapis.com/ä",
    "https://fcm.googleapis.com/\x00",
    "https://fcm.googleapis.com/<a>",
    "https://[fcm.googleapis.com]/a",
    "https://[::1/a",
    "https://fcm.googleapis.com/" + "a" * 2000,
    "",
    "https://",
]
REFUSED = ODD_URLS + [form.format(host) for form in INWARD_FORMS for host in INWARD_HOSTS]


@pytest.mark.parametrize(("url", "origin"), KNOWN.items())
def test_endpoints_of_known_push_services_are_allowed(url: str, origin: str) -> None:
    assert check_endpoint(url) == origin


@pytest.mark.parametrize("url", REFUSED)
def test_no_other_endpoint_is_allowed(url: str) -> None:
    with pytest.raises(ValueError, match="push endpoint"):
        check_endpoint(url)
    if not url.startswith("http://127.0.0.1"):
        with pytest.raises(ValueError, match="push endpoint"):
            check_endpoint(url, Allowed(loopback=True))


def test_the_corpus_is_of_the_size_the_threat_model_asks_for() -> None:
    assert len(set(REFUSED)) >= 250


@settings(deadline=None)
@given(st.text(alphabet="/:@#?%[]\\.\t\r\n abfcm1-", max_size=30), st.sampled_from(sorted(KNOWN)), st.integers(0, 60))
def test_what_is_allowed_is_read_the_same_way_by_what_sends_it(noise: str, url: str, at: int) -> None:
    mixed = url[:at] + noise + url[at:]
    try:
        origin = check_endpoint(mixed)
    except ValueError:
        return
    sent = URL(mixed, encoded=True)
    assert str(sent.origin()) == origin
    assert sent.port == 443
    assert sent.user is None
    assert sent.host == origin.removeprefix("https://")


def test_an_operator_can_allow_another_host_and_everything_below_a_domain() -> None:
    allowed = Allowed(hosts=("push.clinic.example", ".unified.example"))
    assert check_endpoint("https://push.clinic.example/x", allowed) == "https://push.clinic.example"
    assert check_endpoint("https://a.b.unified.example/x", allowed) == "https://a.b.unified.example"
    for url in ("https://unified.example/x", "https://a.push.clinic.example/x", "https://push.clinic.example:8443/x"):
        with pytest.raises(ValueError, match="push endpoint"):
            check_endpoint(url, allowed)


@pytest.mark.parametrize(
    "host", ["", ".", "com", ".com", "10.0.0.8", "[::1]", "*.example.org", "Push.example.org", "a b.org"]
)
def test_an_operator_is_told_of_a_host_that_allows_too_much_or_nothing(host: str) -> None:
    with pytest.raises(ValueError, match="push host"):
        Allowed(hosts=(host,))


def test_loopback_is_allowed_only_where_asked_for_and_only_at_127_0_0_1() -> None:
    loopback = Allowed(loopback=True)
    assert check_endpoint("http://127.0.0.1:8030/push/a", loopback) == "http://127.0.0.1:8030"
    for url in (
        "http://127.0.0.1:8030/push/a",
        "http://127.0.0.2:80/a",
        "http://localhost:80/a",
        "https://127.0.0.1:443/a",
        "http://127.0.0.1/a",
        "http://127.0.0.1:0/a",
        "http://127.0.0.1:99999/a",
        "http://a@127.0.0.1:80/a",
    ):
        with pytest.raises(ValueError, match="push endpoint"):
            check_endpoint(url, loopback if url != "http://127.0.0.1:8030/push/a" else Allowed())


def phone_address(**changes: str) -> dict[str, str]:
    return Phone("ada-phone").address("https://fcm.googleapis.com") | changes


def test_a_browser_subscription_is_registered() -> None:
    address = new_address("web_push", phone_address())
    assert isinstance(address, WebPushAddress)
    assert [len(part) for part in address.raw_keys()] == [65, 16]


def test_keys_may_be_padded() -> None:
    plain = phone_address()
    padded = plain | {"p256dh": plain["p256dh"] + "=", "auth": plain["auth"] + "=="}
    assert isinstance(new_address("web_push", padded), WebPushAddress)


BAD_KEYS = [
    ("p256dh", "", "65 bytes"),
    ("p256dh", "AAAA", "65 bytes"),
    ("p256dh", "B" + "A" * 86, "curve"),
    ("p256dh", "C" + "A" * 86, "uncompressed"),
    ("p256dh", "BA+/" + "A" * 83, "base64url"),
    ("p256dh", "BA\n" + "A" * 84, "base64url"),
    ("p256dh", "ä" * 87, "base64url"),
    ("auth", "", "16 bytes"),
    ("auth", "A" * 21, "16 bytes"),
    ("auth", "A" * 24, "16 bytes"),
    ("auth", "A A" + "A" * 19, "16 bytes"),
]


@pytest.mark.parametrize(("field", "text", "why"), BAD_KEYS)
def test_keys_that_cannot_work_are_refused_at_registration(field: str, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        new_address("web_push", phone_address(**{field: text}))


MAILBOXES = [
    "ada@example.org",
    "ada.lovelace+clinic@mail.example.co.uk",
    "o'brien@example.org",
    "a@xn--bcher-kva.example",
    "ädä@example.org",
    "用户@例子.广告",
    "अजय@डाटा.भारत",
    "ada@bücher.example",
    "x" * 64 + "@example.org",
]
NOT_MAILBOXES = [
    "",
    "ada",
    "@example.org",
    "ada@",
    "ada@example",
    "ada@.org",
    "ada@example..org",
    "ada@-example.org",
    "ada@exam_ple.org",
    "ada@[127.0.0.1]",
    ".ada@example.org",
    "ada.@example.org",
    "a..b@example.org",
    "a b@example.org",
    '"a b"@example.org',
    "a@b@example.org",
    "Ada <ada@example.org>",
    "ada@example.org, dov@example.org",
    "ada@example.org;dov@example.org",
    "ada(comment)@example.org",
    "ada@example.org\r\nBcc: dov@example.org",
    "ada\r\n@example.org",
    "ada\n@example.org",
    "ada@example.org\n",
    "ada\x00@example.org",
    "ada\u2028@example.org",
    "ada\u00a0b@example.org",
    "ada\ud800@example.org",
    "ada> SIZE=1@example.org",
    "x" * 65 + "@example.org",
    "ä" * 33 + "@example.org",
    "a@" + "b" * 64 + ".org",
    "a@" + "b." * 130 + "org",
]


@pytest.mark.parametrize("mailbox", MAILBOXES)
def test_mailboxes_of_any_script_are_registered(mailbox: str) -> None:
    assert new_address("email", {"mailbox": mailbox}) == EmailAddress(mailbox)


@pytest.mark.parametrize("mailbox", NOT_MAILBOXES)
def test_what_could_not_be_written_to_or_would_add_a_header_is_refused(mailbox: str) -> None:
    with pytest.raises(ValueError, match="mailbox"):
        new_address("email", {"mailbox": mailbox})


@settings(deadline=None)
@given(st.text(alphabet="ab9.@-+'ä用ा \t\r\n\x00\x85\xa0\u2028\u200b\ud800<>(),;:\"\\[]", max_size=20))
def test_a_mailbox_that_is_allowed_stays_on_its_line(mailbox: str) -> None:
    try:
        check_mailbox(mailbox)
    except ValueError:
        return
    assert mailbox.splitlines() == [mailbox]
    assert mailbox.isprintable()
    assert not set(mailbox) & set(' <>"(),;:\\[]')


@pytest.mark.parametrize("label", ["", " ", "a\nb", "\x1b[2J", "x" * 81])
def test_a_console_label_cannot_forge_a_line(label: str) -> None:
    with pytest.raises(ValueError, match="label"):
        new_address("console", {"label": label})


TOKEN = "a" * 40
BAD = [
    *(("apns", {"token": it}) for it in ("", "0a" * 31, "0a" * 101, "0A" * 32, "0g" * 32, "0a" * 31 + "/x", "٣" * 64)),
    *(
        ("fcm", {"token": it})
        for it in ("", "a" * 31, "a" * 1001, f"{TOKEN} x", f"{TOKEN}/x", f"{TOKEN}ä", f"{TOKEN}\n")
    ),
    *(("ntfy", {"topic": it}) for it in ("", "my-topic", "a" * 65, f"{TOKEN}/x", f"{TOKEN} ", f"{TOKEN}ä")),
]


@pytest.mark.parametrize(("kind", "fields"), BAD)
def test_a_token_or_topic_that_cannot_be_one_is_refused_by_its_field(kind: str, fields: dict[str, str]) -> None:
    [field] = fields
    with pytest.raises(ValueError, match=f"^{field}: expected "):
        new_address(kind, fields)


EXAMPLES = {
    "web_push": phone_address(),
    "apns": {"token": "0a" * 32},
    "fcm": {"token": "dQw4:APA91b-x_y" + TOKEN},
    "ntfy": {"topic": "ada-2fXq81kPz0w9"},
    "email": {"mailbox": "ada@example.org"},
    "sms": {"number": "+34600111222", "service": "signal"},
    "console": {"label": "Ada"},
}


@pytest.mark.parametrize("form", ADDRESSES)
def test_every_address_is_read_back_as_it_was_stored(form: type[msgspec.Struct]) -> None:
    kind: str = form.kind  # type: ignore[attr-defined]
    address = new_address(kind, EXAMPLES[kind], Allowed(sms_services=("signal",), sms_prefixes=("+34",)))
    assert type(address) is form
    assert read_address(kind, msgspec.json.encode(address)) == address
    assert read_address(kind, msgspec.to_builtins(address)) == address


@pytest.mark.parametrize("form", ADDRESSES)
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b'{"more": 1}', {"more": 1}, {}])
def test_every_address_of_another_shape_is_a_value_error(
    form: type[msgspec.Struct], raw: bytes | dict[str, Any]
) -> None:
    kind: str = form.kind  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=f"{kind} address: "):
        read_address(kind, raw)


def test_an_unknown_channel_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"no channel 'e-mail': one of web_push, .*, console. Did you mean .email"):
        read_address("e-mail", b"{}")


def test_an_address_that_is_no_longer_allowed_can_still_be_read() -> None:
    stored = phone_address(endpoint="https://push.closed.example/x", p256dh="broken")
    assert isinstance(read_address("web_push", stored), WebPushAddress)


def test_no_error_repeats_what_was_given_as_a_key_or_a_path() -> None:
    for changes in ({"auth": "CANARY"}, {"p256dh": "CANARY"}, {"endpoint": "https://evil.example/CANARY"}):
        with pytest.raises(ValueError) as caught:
            new_address("web_push", phone_address(**changes))
        assert "CANARY" not in str(caught.value)


def test_addresses_are_told_apart_by_kind_alone() -> None:
    assert len({form.kind for form in ADDRESSES}) == len(ADDRESSES)
