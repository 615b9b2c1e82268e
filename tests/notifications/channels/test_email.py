import asyncio
import datetime
import ipaddress
import logging
import ssl
import time
from collections.abc import Callable
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import formataddr, parseaddr
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from notifications.channels import Accepted, Gone, Later, Parcel, Refused
from notifications.channels.addresses import EmailAddress
from notifications.channels.email import Email, Smtp
from notifications.channels.letter import Sender, write
from tests.notifications.channels.conftest import AT_START, PUBLIC_URL, Clock, smtp_to
from tests.notifications.channels.test_addresses import MAILBOXES, NOT_MAILBOXES
from tests.peers.mail_service import DROP, HANG, OK, Mail, MailService, Stage

ADA = EmailAddress("ada@example.org")
TEXT = (
    "You have a new check-in.\n\nhttps://care.example.org/open/5fJx0Q\n\n"
    "Stop e-mail from Homestretch:\nhttps://care.example.org/unsubscribe/0198c2f4-7a.1\n"
)


async def test_a_mailbox_receives_what_was_worded_and_nothing_more(
    mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    assert await email.send(ADA, parcel) == Accepted("0198c2f4-7a.1")
    [mail] = mail_service.mails
    assert (mail.sender, mail.recipient) == ("aftercare@clinic.example", "ada@example.org")
    assert dict(mail.message.items()) == {
        "From": "Aftercare <aftercare@clinic.example>",
        "To": "ada@example.org",
        "Subject": "Homestretch",
        "Date": "Sun, 01 Nov 2026 06:00:00 +0000",
        "Message-ID": "<0198c2f4-7a.1@clinic.example>",
        "List-Unsubscribe": "<https://care.example.org/unsubscribe/0198c2f4-7a.1>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/alternative; boundary="=_homestretch"',
    }
    assert mail.text == TEXT
    assert mail.message.defects == []
    assert all(part.defects == [] for part in mail.message.walk())


@pytest.mark.parametrize(("language", "button"), [("en", "Open Home"), ("es", "Abrir Home"), ("xx", "Open Home")])
def test_the_html_says_the_same_words_and_loads_nothing(language: str, button: str, parcel: Parcel) -> None:
    worded = msgspec.structs.replace(parcel, language=language, body='<b>Tú & "yo"</b> ' * 9, path="/open/a?b&c='\"<")
    sender = Sender("Clinic", "aftercare@clinic.example", PUBLIC_URL)
    mail = Mail("", "", write(sender, "ada@example.org", worded, AT_START), False)
    read = Page()
    read.feed(mail.html)
    link, stop = worded.link(PUBLIC_URL), f"{PUBLIC_URL}/unsubscribe/{parcel.delivery_id}"
    assert read.links == [link, link, stop]
    assert read.words[0] == "Homestretch"
    assert read.words[1] == worded.body.strip()
    assert read.words[2].startswith(button)
    assert read.language == language
    assert set(read.tags) <= {"html", "head", "meta", "title", "body", "div", "p", "a"}, "no image, font or script"
    assert "url(" not in mail.html
    for line in filter(None, mail.text.split("\n")):
        assert line.rstrip(":").strip() in [*read.words, *read.links]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.language = given.get("lang") or self.language
        if tag == "a":
            self.links.append(str(given["href"]))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())


async def test_a_repeat_has_the_same_message_id_and_is_listed_once(
    mail_service: MailService, email: Email, parcel: Parcel, clock: Clock
) -> None:
    await email.send(ADA, parcel)
    clock.at += 60
    await email.send(ADA, parcel)
    assert len(mail_service.mails) == 2
    assert len(mail_service.shown()) == 1


@pytest.mark.parametrize("mailbox", MAILBOXES)
async def test_mailboxes_of_any_script_receive_it(
    mailbox: str, mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    assert isinstance(await email.send(EmailAddress(mailbox), parcel), Accepted)
    [mail] = mail_service.mails
    assert mail.recipient == mailbox
    assert mail.message["To"] == mailbox
    assert mail.utf8 is not mailbox.isascii()


async def test_a_server_for_ascii_only_refuses_other_scripts_and_still_takes_the_rest(
    parcel: Parcel, clock: Clock
) -> None:
    async with MailService(smtputf8=False) as service:
        email = Email(smtp_to(service), clock)
        outcome = await email.send(EmailAddress("ädä@example.org"), parcel)
        assert isinstance(await email.send(ADA, parcel), Accepted)
        assert isinstance(await email.send(EmailAddress("ädä@example.org"), parcel), Refused)
        await email.close()
    assert outcome == Refused("mail server does not take addresses beyond ASCII (SMTPUTF8)")


@pytest.mark.parametrize("mailbox", NOT_MAILBOXES)
async def test_a_stored_mailbox_that_cannot_be_written_to_is_gone_and_nothing_is_sent(
    mailbox: str, mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    assert await email.send(EmailAddress(mailbox), parcel) == Gone("mailbox cannot be written to")
    assert mail_service.connections == 0


TITLES = [
    "Homestretch",
    "a: b",
    "x" * 60,
    "word " * 60 + "end",
    "Nádraží ✓ " * 20 + "end",
    "आपके लिए एक नया संदेश है, कृपया ऐप खोलें और देखें",
    "У вас новое сообщение от клиники, откройте приложение",
    "用户" * 60,
    "",
]


@pytest.mark.parametrize("title", TITLES)
async def test_a_title_in_any_script_arrives_as_worded(
    title: str, mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    worded = msgspec.structs.replace(parcel, title=title, body=f".\n{title}\n.\nend")
    assert isinstance(await email.send(ADA, worded), Accepted)
    [mail] = mail_service.mails
    assert mail.message["Subject"] == title
    assert mail.text.startswith(f".\n{title}\n.\nend\n")
    assert mail.raw.isascii()


async def test_a_long_link_to_unsubscribe_stays_on_one_line(
    mail_service: MailService, parcel: Parcel, clock: Clock
) -> None:
    email = Email(smtp_to(mail_service, public_url=f"https://{'care.' * 30}example.org/"), clock)
    await email.send(ADA, msgspec.structs.replace(parcel, delivery_id="d" * 80))
    await email.close()
    [mail] = mail_service.mails
    url = f"https://{'care.' * 30}example.org/unsubscribe/{'d' * 80}"
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in mail.raw
    assert f"\r\nMessage-ID: <{'d' * 80}@clinic.example>\r\n".encode() in mail.raw


@pytest.mark.parametrize("name", ["Клиника восстановительной медицины и реабилитации", "Dr. Ben, Clinic", "Bücher"])
async def test_a_sender_in_any_script_keeps_its_name(
    name: str, mail_service: MailService, parcel: Parcel, clock: Clock
) -> None:
    quoted = formataddr((name, "aftercare@clinic.example")) if name.isascii() else f"{name} <aftercare@clinic.example>"
    email = Email(smtp_to(mail_service, sender=quoted), clock)
    await email.send(ADA, parcel)
    await email.close()
    [mail] = mail_service.mails
    # The older reader: the newer one of Python 3.11 puts spaces between encoded words, which RFC 2047 forbids.
    read = str(make_header(decode_header(message_from_bytes(mail.raw)["From"])))
    assert parseaddr(read) == (name, "aftercare@clinic.example")


@pytest.mark.parametrize("field", ["title", "language", "delivery_id"])
async def test_a_line_break_cannot_add_a_header(
    field: str, mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    forged = msgspec.structs.replace(parcel, **{field: "x\r\nBcc: dov@example.org"})
    assert isinstance(await email.send(ADA, forged), Refused)
    assert mail_service.mails == []


REPLIES: list[tuple[Stage, str, type]] = [
    ("RCPT", "421 4.3.2 shutting down", Later),
    ("RCPT", "450 4.2.0 greylisted", Later),
    ("RCPT", "451 4.3.0 try later", Later),
    ("RCPT", "452 4.2.2 mailbox full", Later),
    ("RCPT", "550 no such mailbox", Gone),
    ("RCPT", "550 5.1.1 no such mailbox", Gone),
    ("RCPT", "550 5.1.10 null MX", Gone),
    ("RCPT", "550 5.2.1 mailbox disabled", Gone),
    ("RCPT", "551 5.1.6 moved", Gone),
    ("RCPT", "553 5.1.3 not a mailbox", Gone),
    ("RCPT", "550 5.7.1 relaying denied", Refused),
    ("RCPT", "550 5.2.2 mailbox full", Refused),
    ("RCPT", "552 5.2.2 mailbox full", Refused),
    ("RCPT", "554 5.7.1 refused by policy", Refused),
    ("RCPT", "501 syntax", Refused),
    ("RCPT", "garbage", Later),
    ("RCPT", DROP, Later),
    ("RCPT", HANG, Later),
    ("MAIL", "421 4.7.0 too many messages", Later),
    ("MAIL", "451 4.3.0 try later", Later),
    ("MAIL", "550 5.7.1 sender refused", Refused),
    ("MAIL", "552 5.3.4 too big", Refused),
    ("MAIL", DROP, Later),
    ("MAIL", HANG, Later),
    ("DATA", "451 4.3.0 try later", Later),
    ("DATA", "550 5.1.1 no such mailbox", Refused),
    ("DATA", "552 5.3.4 too big", Refused),
    ("DATA", "554 5.6.0 refused", Refused),
    ("DATA", DROP, Later),
    ("DATA", HANG, Later),
    ("CONNECT", "421 4.3.2 too many connections", Later),
    ("CONNECT", "554 5.7.1 not for you", Later),
    ("CONNECT", DROP, Later),
    ("CONNECT", HANG, Later),
]


@pytest.mark.parametrize(("stage", "reply", "expected"), REPLIES)
@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "connection kept"])
async def test_each_reply_has_one_outcome_and_the_next_message_goes_through(
    reused: bool, stage: Stage, reply: str, expected: type, mail_service: MailService, parcel: Parcel, clock: Clock
) -> None:
    email = Email(smtp_to(mail_service, timeout=0.1), clock)
    if reused and stage != "CONNECT":
        await email.send(ADA, parcel)
    mail_service.mails.clear()
    mail_service.say(stage, reply)
    outcome = await email.send(ADA, parcel)
    assert type(outcome) is expected
    assert mail_service.mails == []
    mail_service.say(stage, OK)
    assert isinstance(await email.send(ADA, parcel), Accepted)
    assert [mail.recipient for mail in mail_service.mails] == ["ada@example.org"]
    await email.close()


async def test_a_dead_mailbox_is_gone_and_the_next_patient_still_gets_the_message(
    mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    mail_service.say("RCPT", "550 5.1.1 no such mailbox", to="ada@example.org")
    assert isinstance(await email.send(ADA, parcel), Gone)
    assert isinstance(await email.send(EmailAddress("eve@example.org"), parcel), Accepted)
    assert [mail.recipient for mail in mail_service.mails] == ["eve@example.org"]


async def test_one_connection_carries_many_messages_also_when_sent_together(
    mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    parcels = [msgspec.structs.replace(parcel, delivery_id=f"d{n}") for n in range(20)]
    outcomes = await asyncio.gather(*(email.send(ADA, each) for each in parcels))
    assert outcomes == [Accepted(f"d{n}") for n in range(20)]
    assert len(mail_service.shown()) == 20
    assert mail_service.connections == 1


@pytest.mark.parametrize("end", ["closed while idle", DROP, "421 4.4.2 idle for too long"])
async def test_a_connection_gone_stale_is_opened_anew_within_the_same_send(
    end: str, mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    await email.send(ADA, parcel)
    if end == "closed while idle":
        await mail_service.hang_up()
    else:
        mail_service.say("MAIL", end, once=True)
    assert isinstance(await email.send(ADA, parcel), Accepted)
    assert mail_service.connections == 2
    assert len(mail_service.mails) == 2


async def test_a_server_that_is_down_is_later_and_then_works_again(
    mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    await email.send(ADA, parcel)
    await mail_service.__aexit__()
    assert isinstance(await email.send(ADA, parcel), Later)
    async with mail_service:
        assert isinstance(await email.send(ADA, parcel), Accepted)


async def test_the_timeout_is_for_the_whole_message_not_for_each_reply(
    mail_service: MailService, parcel: Parcel, clock: Clock
) -> None:
    email = Email(smtp_to(mail_service, timeout=0.1), clock)
    mail_service.say("RCPT", HANG)
    began = time.monotonic()
    assert isinstance(await email.send(ADA, parcel), Later)
    assert time.monotonic() - began < 2
    await email.close()


async def test_a_cancelled_send_does_not_mix_with_the_next_one(
    mail_service: MailService, email: Email, parcel: Parcel
) -> None:
    mail_service.say("RCPT", HANG, to="ada@example.org")
    sending = asyncio.create_task(email.send(ADA, parcel))
    await mail_service.arrival()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert isinstance(await email.send(EmailAddress("eve@example.org"), parcel), Accepted)
    assert [mail.recipient for mail in mail_service.mails] == ["eve@example.org"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key in the same file."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key + signed.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def secured(certificate: Path) -> Callable[..., MailService]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return lambda **options: MailService(tls=context, password="right", **options)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_it_signs_in_under_tls(
    tls: str,
    secured: Callable[..., MailService],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    parcel: Parcel,
    clock: Clock,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with secured(starttls=tls == "starttls") as service:
        email = Email(smtp_to(service, tls=tls, username="clinic", password="right"), clock)
        assert isinstance(await email.send(ADA, parcel), Accepted)
        wrong = Email(smtp_to(service, tls=tls, username="clinic", password="wrong"), clock)
        assert await wrong.send(ADA, parcel) == Later("mail server: SMTPAuthenticationError")
        assert service.logins == ["clinic"]
        await email.close()
        await wrong.close()


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_certificate_nobody_vouches_for_is_never_accepted(
    tls: str, secured: Callable[..., MailService], parcel: Parcel, clock: Clock
) -> None:
    async with secured(starttls=tls == "starttls") as service:
        email = Email(smtp_to(service, tls=tls, username="clinic", password="right"), clock)
        assert isinstance(await email.send(ADA, parcel), Later)
        assert service.logins == []
        assert service.mails == []


@pytest.mark.parametrize("login", [{}, {"username": "clinic", "password": "right"}], ids=["no login", "login"])
async def test_a_server_without_starttls_gets_neither_message_nor_password(
    login: dict[str, str], mail_service: MailService, parcel: Parcel, clock: Clock
) -> None:
    email = Email(smtp_to(mail_service, tls="starttls", **login), clock)
    assert isinstance(await email.send(ADA, parcel), Later)
    assert mail_service.mails == []
    assert mail_service.logins == []


async def test_no_outcome_nor_log_of_ours_holds_an_address_or_the_message(
    mail_service: MailService, parcel: Parcel, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = msgspec.structs.replace(parcel, title="CANARY", body="CANARY", path="/CANARY")
    email = Email(smtp_to(mail_service, timeout=0.1), clock)
    said = []
    for stage, reply, _ in REPLIES:
        mail_service.say(stage, reply if reply in {DROP, HANG} else f"{reply} <canary@example.org>")
        said.append(repr(await email.send(EmailAddress("canary@example.org"), secret)))
        mail_service.say(stage, OK)
    await email.close()
    logs = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.")]  # the peer's own
    assert "canary" not in "\n".join(said + logs).lower()


SETTINGS = [
    ({"sender": "aftercare"}, "sender"),
    ({"sender": "Aftercare <aftercare@clinic.example>\r\nBcc: dov@example.org"}, "sender"),
    ({"sender": "ädä@clinic.example"}, "sender"),
    ({"public_url": "https://care.example.org/\r\nBcc: x"}, "public_url"),
    ({"public_url": "https://care example.org"}, "public_url"),
    ({"host": "mail.clinic.example", "username": "clinic", "password": "CANARY"}, "in the clear"),
]


@pytest.mark.parametrize(("changes", "why"), SETTINGS)
def test_settings_that_cannot_work_or_are_unsafe_are_refused_at_start(changes: dict[str, str], why: str) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError), match=why) as caught:
        smtp_to(MailService(), **changes)
    assert "CANARY" not in str(caught.value)


def test_settings_do_not_show_the_password() -> None:
    smtp = Smtp(
        host="mail.clinic.example",
        port=587,
        username="clinic",
        password="CANARY",
        sender="a@clinic.example",
        public_url="https://care.example.org",
    )
    assert f"{smtp} {smtp!r}" == "Smtp(mail.clinic.example:587, starttls) Smtp(mail.clinic.example:587, starttls)"
