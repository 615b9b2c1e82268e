"""E-mail through the operator's own mail server (SMTP). It neither retries nor reads bounces; see letter.py."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from email.header import Header
from email.utils import formataddr, parseaddr
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import aiosmtplib
import msgspec

from notifications.channels import Accepted, Gone, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import EmailAddress, check_mailbox
from notifications.channels.letter import CRLF, Sender, write

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
UNAVAILABLE = 421
# Codes that say the mailbox is gone, unless the enhanced code behind them (RFC 3463) blames something else: a relay
# that is set up wrongly answers "550 5.7.1" to everybody, and must not cost the clinic all its addresses.
GONE = frozenset({550, 551, 553})
DEAD = ("5.1.", "5.2.1")
# Said before the envelope, so not about this message: a wrong password heals when the operator mends it.
SETUP = (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError)


class Smtp(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int
    username: str = ""
    password: str = ""
    tls: Literal["none", "starttls", "tls"] = "starttls"
    sender: str
    """aftercare@clinic.example, or with a name: Aftercare <aftercare@clinic.example>"""
    public_url: str
    timeout: float = 10.0
    """Seconds for one message, connecting included."""

    def __post_init__(self) -> None:
        try:
            check_mailbox(self.mailbox)
        except ValueError as error:
            raise ValueError(f"sender {self.sender!r}: {error}") from None
        if not self.sender.isprintable() or not self.mailbox.isascii():
            raise ValueError(f"sender {self.sender!r}: expected one line with an ASCII mailbox")
        if not self.public_url.isascii() or not self.public_url.isprintable() or " " in self.public_url:
            raise ValueError(f"public_url {self.public_url!r}: expected a plain URL")
        if self.password and self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError(f"tls: the password for {self.host} would travel in the clear; use starttls or tls")

    @property
    def mailbox(self) -> str:
        return parseaddr(self.sender)[1]

    @property
    def header(self) -> str:
        name = parseaddr(self.sender)[0]
        if name.isascii():
            return formataddr((name, self.mailbox))
        return f"{Header(name, header_name='From').encode(linesep=CRLF)} <{self.mailbox}>"

    def __repr__(self) -> str:
        return f"Smtp({self.host}:{self.port}, {self.tls})"  # settings are logged at start, the password must not be


class Email:
    """One connection, kept between messages: 903 messages a second against 265 with a new one each (loopback)."""

    kind: ClassVar[str] = "email"
    Address: ClassVar[type[msgspec.Struct]] = EmailAddress
    limit: ClassVar[int] = 1

    def __init__(self, smtp: Smtp, now: Callable[[], float]) -> None:
        """`now`: seconds since 1970."""
        self._smtp = smtp
        self._now = now
        self._sender = Sender(smtp.header, smtp.mailbox, smtp.public_url)
        self._lock = asyncio.Lock()
        self._client = aiosmtplib.SMTP(
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.username or None,
            password=smtp.password or None,
            use_tls=smtp.tls == "tls",
            start_tls=smtp.tls == "starttls",  # True means or else; the library's own None would go on in the clear
            local_hostname=urlsplit(smtp.public_url).hostname,  # else it asks the resolver, which may take seconds
            timeout=smtp.timeout,
        )

    async def send(self, address: EmailAddress, parcel: Parcel) -> Outcome:
        try:
            check_mailbox(address.mailbox)
        except ValueError:
            return Gone("mailbox cannot be written to")
        try:
            message = write(self._sender, address.mailbox, parcel, self._now())
        except ValueError:
            return Refused("title or address of the link does not fit a header")
        async with self._lock:
            return await self._hand_over(address.mailbox, message, parcel.delivery_id)

    async def close(self) -> None:
        async with self._lock:
            if self._client.is_connected:
                with suppress(aiosmtplib.SMTPException, OSError):
                    await self._client.quit(timeout=1)
            self._client.close()

    async def _hand_over(self, mailbox: str, message: bytes, delivery_id: str) -> Outcome:
        try:
            async with asyncio.timeout(self._smtp.timeout):
                if not await self._begin(mailbox):
                    return Refused("mail server does not take addresses beyond ASCII (SMTPUTF8)")
                await self._client.rcpt(mailbox, encoding="utf-8")
                await self._client.data(message)
                return Accepted(delivery_id)
        except (aiosmtplib.SMTPException, OSError) as trouble:  # OSError: TimeoutError too
            self._client.close()  # rare, and a new connection has no half-written envelope
            return outcome(trouble)
        except BaseException:  # cancelled: the next message must not meet this one's envelope either
            self._client.close()
            raise

    async def _begin(self, mailbox: str) -> bool:
        """Opens the envelope on the connection kept, or on a new one where that has gone stale. False: not possible.

        MAIL is itself the question whether the connection still works; nothing has been handed over before it.
        """
        if self._client.is_connected:
            with suppress(aiosmtplib.SMTPServerDisconnected):
                try:
                    return await self._mail(mailbox)
                except aiosmtplib.SMTPSenderRefused as refusal:
                    if refusal.code != UNAVAILABLE:
                        raise
        await self._client.connect()
        if self._client.is_ehlo_or_helo_needed:
            await self._client.ehlo()
        return await self._mail(mailbox)

    async def _mail(self, mailbox: str) -> bool:
        options = [] if mailbox.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        if options and not self._client.supports_extension("smtputf8"):
            return False
        await self._client.mail(self._smtp.mailbox, options=options)
        return True


def outcome(trouble: Exception) -> Outcome:
    """The server's own words are left out: they tend to hold the address."""
    if not isinstance(trouble, aiosmtplib.SMTPResponseException) or isinstance(trouble, SETUP):
        return Later(f"mail server: {type(trouble).__name__}")
    detail = f"mail server answered {trouble.code}"
    if trouble.code < 500:  # also -1, which the library says for an answer that is none
        return Later(detail)
    if isinstance(trouble, aiosmtplib.SMTPRecipientRefused) and _is_gone(trouble):
        return Gone(detail)
    return Refused(detail)


def _is_gone(refusal: aiosmtplib.SMTPRecipientRefused) -> bool:
    word = refusal.message.split(" ", 1)[0]
    return refusal.code in GONE and (not word.startswith("5.") or word.startswith(DEAD))
