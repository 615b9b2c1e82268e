"""A mail server on loopback (aiosmtpd) that keeps what it takes, and can be told to answer otherwise. No relay.

async with MailService() as service:
    service.say("RCPT", "550 5.1.1 no such mailbox")
"""

import asyncio
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import AnyStr, Literal, Self, cast

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Stage = Literal["CONNECT", "MAIL", "RCPT", "DATA"]
"""DATA is the moment after the whole message was received."""
OK = "250 OK"
DROP = "drop"
HANG = "hang"


class Mail(msgspec.Struct, frozen=True):
    """What arrived: the envelope, and the bytes between DATA and the dot."""

    sender: str
    recipient: str
    raw: bytes
    utf8: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=SMTPUTF8)

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


class MailService:
    def __init__(
        self, *, smtputf8: bool = True, tls: ssl.SSLContext | None = None, starttls: bool = False, password: str = ""
    ) -> None:
        """`tls` alone speaks TLS from the first byte; with `starttls` it asks for it before anything else is said."""
        self.mails: list[Mail] = []
        self.logins: list[str] = []
        self.connections = 0
        self.port = 0
        self.smtputf8, self.tls, self.starttls, self.password = smtputf8, tls, starttls, password
        self._plans: dict[tuple[Stage, str], str] = {}
        self._once: set[tuple[Stage, str]] = set()
        self._sessions: set[_Session] = set()
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        wrapped = None if self.starttls else self.tls
        self._server = await asyncio.get_running_loop().create_server(self._greet, "127.0.0.1", self.port, ssl=wrapped)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self.hang_up()
        await self._server.wait_closed()

    def say(self, stage: Stage, reply: str, to: str = "", once: bool = False) -> None:
        """What to answer at a stage from now on, or once: a reply line, DROP, HANG or OK; `to` is for one mailbox."""
        self._plans[stage, to] = reply
        if once:
            self._once.add((stage, to))

    async def hang_up(self) -> None:
        """Closes every connection, as a server does with idle ones or when it restarts."""
        sessions = list(self._sessions)
        for session in sessions:
            session.hang_up()
        await asyncio.gather(*(session.closed.wait() for session in sessions))

    async def arrival(self) -> None:
        """Returns when a message has been announced, answered or not."""
        await self._arrived.wait()

    def shown(self) -> dict[tuple[str, str], Mail]:
        """What a mailbox lists: one line a (recipient, Message-ID), as mail programs hide the second copy."""
        return {(mail.recipient, str(mail.message["Message-ID"])): mail for mail in self.mails}

    async def handle_MAIL(
        self, server: "_Session", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self.reply(server, "MAIL", "")

    async def handle_RCPT(
        self, server: "_Session", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self.reply(server, "RCPT", address)
        if reply == OK:
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: "_Session", session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        reply = await self.reply(server, "DATA", recipient)
        if reply == OK:
            raw = cast(bytes, envelope.content)
            self.mails.append(Mail(str(envelope.mail_from), recipient, raw, bool(envelope.smtp_utf8)))
        return reply

    def joined(self, session: "_Session") -> None:
        self.connections += session not in self._sessions
        self._sessions.add(session)

    def left(self, session: "_Session") -> None:
        self._sessions.discard(session)

    def _greet(self) -> SMTP:
        return _Session(self)

    async def reply(self, server: "_Session", stage: Stage, to: str) -> str:
        plan = (stage, to if (stage, to) in self._plans else "")
        reply = self._plans.get(plan, OK)
        if plan in self._once:
            self._once.remove(plan)
            del self._plans[plan]
        if stage == "RCPT":
            self._arrived.set()
        if reply == HANG:
            await asyncio.Event().wait()
        if reply == DROP:
            server.hang_up()
            await asyncio.Event().wait()
        return reply


class _Session(SMTP):
    """One connection. The library has no hook for the greeting, nor a list of who is connected."""

    def __init__(self, service: MailService) -> None:
        self._service = service
        self._greeted = False
        self.closed = asyncio.Event()
        super().__init__(
            service,
            hostname="mail.test",
            enable_SMTPUTF8=service.smtputf8,
            tls_context=service.tls if service.starttls else None,
            require_starttls=service.starttls,
            # Without STARTTLS a password is taken but not asked for: the library warns of asking for it in the clear.
            auth_required=service.starttls and bool(service.password),
            auth_require_tls=service.starttls,
            authenticator=self._knows,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._service.joined(self)  # a second time after STARTTLS
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._service.left(self)
        self.closed.set()

    async def push(self, status: AnyStr) -> None:
        reply = OK
        if not self._greeted:
            self._greeted = True
            reply = await self._service.reply(self, "CONNECT", "")
        if reply == OK:
            await super().push(status)
        else:
            await super().push(reply)

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()
        if self._tls_protocol is not None:  # when STARTTLS fails the library never hears that the connection ended
            self._service.left(self)
            self.closed.set()

    def _knows(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = data.password.decode() == self._service.password
        if right:
            self._service.logins.append(data.login.decode())
        return AuthResult(success=right, handled=False)  # False: the library answers
