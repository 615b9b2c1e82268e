"""Apple's push service on loopback: HTTP/2 over TLS, with the phones behind it. It checks the sender, keeps a journal.

async with ApnsService() as service:
    service.answer(token, Answer(410, "Unregistered", timestamp=...))

Like Apple's it lets a new connection have one request in flight until the sender has shown who it is.
"""

import asyncio
import ssl
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

EVERYONE = "*"
HOST = "localhost"
KEY_ID, TEAM_ID, TOPIC = "ABC123DEFG", "DEF123GHIJ", "org.example.homestretch"
TOKEN_LIVES = 3600
TOKEN_KEPT = 1200  # a sender that changes its token more often is told off
HEX = set("0123456789abcdef")


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def certificate() -> trustme.LeafCert:
    return authority().issue_cert(HOST)


class Answer(msgspec.Struct, frozen=True):
    """What to say to one push. It is kept, and so shown, when `accept` says so; by default when the status is 200."""

    status: int = 200
    reason: str = ""
    timestamp: int | None = None
    retry_after: str = ""
    act: Literal["answer", "reset", "goaway", "silence", "cut", "garbage", "bare", "split"] = "answer"
    accept: bool | None = None

    @property
    def accepts(self) -> bool:
        return self.status == 200 and self.act != "reset" if self.accept is None else self.accept


class Push(msgspec.Struct, frozen=True):
    """One line of the journal."""

    at: float
    token: str
    collapse_id: str
    topic: str
    expiration: int
    priority: int
    push_type: str
    payload: dict[str, Any]
    raw: bytes


class ApnsService:
    def __init__(self, now: Callable[[], float] = time.time, journal: Path | None = None) -> None:
        self.accepted: list[Push] = []
        self.complaints: list[str] = []
        """Rules the sender broke. A test of good behaviour ends with none."""
        self.requests: list[str] = []
        self.bearers: list[str] = []
        """Every token the sender signed, in order."""
        self.connections = 0
        self.most_in_flight = 0
        self.streams = 1000
        """Requests in flight that a connection may have once the sender is known."""
        self.greets_after = 0.0
        """Seconds until a new connection hears anything, as over a long line."""
        self.host, self.port = HOST, 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._journal = journal
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._now = now
        self._signed: tuple[str, float] = "", 0.0
        self._open: set[_Connection] = set()
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate().configure_cert(context)
        context.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    @property
    def key(self) -> str:
        """What Apple gives its developers to sign with: a file that ends in .p8."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def trust(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority().configure_trust(context)
        return context

    def answer(self, token: str, *answers: Answer) -> None:
        """For the next pushes to this token, or EVERYONE: one each, the last one from then on."""
        self._answers[token] = list(answers)

    async def arrival(self) -> None:
        """Returns when another request has come in, answered or not."""
        self._arrived.clear()
        await self._arrived.wait()

    def hang_up(self) -> None:
        for connection in list(self._open):
            connection.transport.abort()

    def shown(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What the phones show: one notification a (token, collapse id), as a repeat replaces the one before."""
        return {(push.token, push.collapse_id): push.payload["aps"]["alert"] for push in self.accepted}

    def take(self, head: dict[str, str], body: bytes) -> Answer:
        token = head.get(":path", "").removeprefix("/3/device/")
        self.requests.append(token)
        self._arrived.set()
        if fault := self._fault(head, token, body):
            self.complaints.append(fault.reason)
            return fault
        answers = self._answers[token] or self._answers[EVERYONE]
        answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else Answer()
        if answer.accepts:
            push = Push(
                self._now(),
                token,
                head.get("apns-collapse-id", ""),
                head["apns-topic"],
                int(head["apns-expiration"]),
                int(head["apns-priority"]),
                head["apns-push-type"],
                msgspec.json.decode(body),
                body,
            )
            self.accepted.append(push)
            if self._journal:
                with self._journal.open("ab") as journal:
                    journal.write(msgspec.json.encode(push) + b"\n")
        return answer

    def _fault(self, head: dict[str, str], token: str, body: bytes) -> Answer | None:
        if refused := self._stranger(head.get("authorization", "")):
            return refused
        rules = (
            (head.get(":method") == "POST", 405, "MethodNotAllowed"),
            (head.get(":path", "").startswith("/3/device/"), 404, "BadPath"),
            (bool(token) and HEX.issuperset(token), 400, "BadDeviceToken"),
            (head.get("apns-topic") == TOPIC, 400, "TopicDisallowed"),
            (len(head.get("apns-collapse-id", "").encode()) <= 64, 400, "BadCollapseId"),
            (head.get("apns-expiration", "").isdecimal(), 400, "BadExpirationDate"),
            (head.get("apns-priority") in {"1", "5", "10"}, 400, "BadPriority"),
            (head.get("apns-push-type") in {"alert", "background"}, 400, "InvalidPushType"),
            (len(body) <= 4096, 413, "PayloadTooLarge"),
        )
        return next((Answer(status, reason) for kept, status, reason in rules if not kept), None)

    def _stranger(self, authorization: str) -> Answer | None:
        """A token of the key given out, not an hour old, and not changed more often than every twenty minutes."""
        bearer, now = authorization.removeprefix("bearer "), self._now()
        public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        try:
            token = jwt.decode(bearer, ECKey.import_key(public), algorithms=["ES256"])
        except (JoseError, ValueError):
            return Answer(403, "InvalidProviderToken")
        if token.header.get("kid") != KEY_ID or token.claims.get("iss") != TEAM_ID:
            return Answer(403, "InvalidProviderToken")
        if not now - TOKEN_LIVES < token.claims.get("iat", 0) <= now + 60:
            return Answer(403, "ExpiredProviderToken")
        before, since = self._signed
        if before != bearer:
            if before and abs(now - since) < TOKEN_KEPT:
                return Answer(429, "TooManyProviderTokenUpdates")
            self._signed = bearer, now
            self.bearers.append(bearer)
        return None

    def joined(self, connection: "_Connection") -> None:
        self.connections += 1
        self._open.add(connection)

    def left(self, connection: "_Connection") -> None:
        self._open.discard(connection)


class _Connection(asyncio.Protocol):
    def __init__(self, service: ApnsService) -> None:
        self.service = service
        self.transport: asyncio.Transport
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = defaultdict(bytes)
        self.known = self.greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.service.joined(self)
        one = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        self.http.local_settings = Settings(client=False, initial_values=one)
        self.http.initiate_connection()
        asyncio.get_running_loop().call_later(self.service.greets_after, self.greet)

    def greet(self) -> None:
        self.greeted = True
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.service.left(self)

    def data_received(self, data: bytes) -> None:
        try:
            # What came together was in flight together.
            for event in sorted(self.http.receive_data(data), key=lambda it: not isinstance(it, RequestReceived)):
                self.on(event)
        except ProtocolError as error:
            self.service.complaints.append(type(error).__name__)
        self.flush()

    def on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            assert event.headers is not None
            if self.heads and not self.known:
                self.service.complaints.append("one request at a time until the sender is known")
            self.heads[event.stream_id] = {str(name): str(value) for name, value in event.headers}
            self.service.most_in_flight = max(self.service.most_in_flight, len(self.heads))
        elif isinstance(event, DataReceived):
            assert event.stream_id is not None
            self.bodies[event.stream_id] += event.data or b""
            self.http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamEnded):
            assert event.stream_id is not None
            self.ended(event.stream_id)
        elif isinstance(event, StreamReset):
            self.heads.pop(event.stream_id or 0, None)

    def ended(self, stream: int) -> None:
        head, body = self.heads[stream], self.bodies.pop(stream, b"")
        answer = self.service.take(head, body)
        if answer.act == "silence":
            return
        del self.heads[stream]
        if answer.act == "answer" and not self.known:
            self.known = answer.status != 403
            self.http.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self.service.streams})
        self.say(stream, answer, head.get("apns-id", ""))

    def say(self, stream: int, answer: Answer, id: str) -> None:
        if answer.act == "reset":
            self.http.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
        elif answer.act == "goaway":
            self.http.close_connection(ErrorCodes.NO_ERROR, b'{"reason":"Shutdown"}')
            self.flush()
            self.transport.close()
        elif answer.act == "cut":
            self.transport.abort()
        elif answer.act == "garbage":
            self.transport.write(b"\x00\x00\x04" + bytes(6) + b"junk")  # a frame of data that belongs to no stream
        else:
            self.reply(stream, answer, id)

    def reply(self, stream: int, answer: Answer, id: str) -> None:
        head = [(":status", str(answer.status)), ("apns-id", id)]
        head += [("retry-after", answer.retry_after)] if answer.retry_after else []
        bare = answer.status == 200 or answer.act == "bare"
        self.http.send_headers(stream, head, end_stream=bare)
        if not bare:
            told = {"reason": answer.reason} | ({"timestamp": answer.timestamp} if answer.timestamp else {})
            body = msgspec.json.encode(told)
            if answer.act == "split":
                self.http.send_data(stream, body[:5])
                body = body[5:]
            self.http.send_data(stream, body, end_stream=True)

    def flush(self) -> None:
        if self.greeted:
            self.transport.write(self.http.data_to_send())
