"""A push service on loopback (RFC 8030) with the phones behind it: it decrypts, checks the sender and keeps a journal.

In a test:           async with PushService() as service: address = service.subscribe("ada-phone")
As its own process:  python -m tests.peers.push_service --port 0 --journal FILE   (prints its port)
                     PUT /subscriptions/NAME gives the address as JSON, PUT /answers/NAME takes a list of Answers.

A subscription's keys come from its name, so a service started again on the same port knows its phones by name.
"""

import argparse
import asyncio
import base64
import hashlib
import os
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Self

import http_ece
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
URGENCIES = {"very-low", "low", "normal", "high"}
BASE64URL = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
DAY = 24 * 3600
EVERYONE = "*"


class Answer(msgspec.Struct, frozen=True):
    """What to say to one push. It is kept, and so shown, when `accept` says so; by default when the status is 2xx."""

    status: int = 201
    retry_after: str = ""
    act: Literal["answer", "hang", "cut", "garbage"] = "answer"
    accept: bool | None = None

    @property
    def accepts(self) -> bool:
        return 200 <= self.status < 300 if self.accept is None else self.accept


class Push(msgspec.Struct, frozen=True):
    """One line of the journal: what a phone decrypted."""

    at: float
    subscription: str
    topic: str
    payload: dict[str, Any]
    ttl: int
    urgency: str

    @property
    def tag(self) -> str:
        return str(self.payload.get("notification", {}).get("tag", self.topic))


class Phone:
    """One subscription: the keys only this phone has."""

    def __init__(self, name: str, server_key: str = "") -> None:
        self.name = name
        self.server_key = server_key
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()) % (ORDER_OF_P256 - 1) + 1
        self.private = ec.derive_private_key(number, ec.SECP256R1())
        self.secret = hashlib.sha256(f"secret of {name}".encode()).digest()[:16]

    def address(self, origin: str) -> dict[str, str]:
        """The fields of a WebPushAddress."""
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": f"{origin}/push/{self.name}", "p256dh": _base64(point), "auth": _base64(self.secret)}

    def open(self, body: bytes) -> dict[str, Any]:
        plain = http_ece.decrypt(body, private_key=self.private, auth_secret=self.secret, version="aes128gcm")
        opened = msgspec.json.decode(plain)
        assert isinstance(opened, dict)
        return opened


class Complaint(Exception):
    """The sender broke a rule: the status a real service would give, and which rule."""

    def __init__(self, status: int, rule: str) -> None:
        super().__init__(rule)
        self.status = status


class PushService:
    def __init__(
        self,
        journal: Path | None = None,
        port: int = 0,
        now: Callable[[], float] = time.time,
        public: tuple[str, ssl.SSLContext] | None = None,
    ) -> None:
        """`public`: the origin under which senders know it, and the certificate for that."""
        self.accepted: list[Push] = []
        self.complaints: list[str] = []
        """Rules the sender broke. A test of good behaviour ends with none."""
        self.requests: list[str] = []
        """The subscription of each request, accepted or not."""
        self.paths: list[str] = []
        """The same as they came over the wire, escapes and all."""
        self.connections: set[tuple[str, int]] = set()
        self.origin = ""
        self.port = port
        self._now = now
        self._journal = journal
        self._public = public
        self._phones: dict[str, Phone] = {}
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._stopping = asyncio.Event()
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/push/{name}", self._take)
        app.router.add_put("/subscriptions/{name}", self._subscribe)
        app.router.add_put("/answers/{name}", self._told)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        tls = self._public[1] if self._public else None
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.origin = self._public[0] if self._public else f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stopping.set()
        await self._runner.cleanup()

    def subscribe(self, name: str, server_key: str = "") -> dict[str, str]:
        """`server_key`: the applicationServerKey the browser was given; pushes signed with another get 403."""
        self._phones[name] = Phone(name, server_key)
        return self._phones[name].address(self.origin)

    def answer(self, name: str, *answers: Answer) -> None:
        """For the next pushes to this subscription, or EVERYONE: one each, the last one from then on."""
        self._answers[name] = list(answers)

    async def arrival(self) -> None:
        """Returns when a request has come in, answered or not."""
        await self._arrived.wait()

    def shown(self) -> dict[tuple[str, str], dict[str, Any]]:
        return on_screen(self.accepted)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.requests.append(name)
        self.paths.append(request.raw_path)
        self._arrived.set()
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        try:
            push = self._read(name, request, await request.read())
        except Complaint as complaint:
            self.complaints.append(str(complaint))
            return web.Response(status=complaint.status, text=str(complaint))
        answer = self._next(name)
        if answer.accepts:
            self._keep(push)
        return await self._say(request, answer, push)

    def _read(self, name: str, request: web.Request, body: bytes) -> Push:
        phone = self._phones.get(name)
        if phone is None:
            raise Complaint(404, f"no subscription {name}")
        self._check_sender(phone, request.headers.get("Authorization", ""))
        head = request.headers
        ttl, urgency, topic = head.get("TTL", ""), head.get("Urgency", "normal"), head.get("Topic", "")
        _rule(ttl.isdecimal(), "TTL is a number of seconds and not optional")
        _rule(urgency in URGENCIES, f"no such urgency: {urgency}")
        _rule(len(topic) <= 32 and BASE64URL.issuperset(topic), "Topic has at most 32 characters of base64url")
        _rule(head.get("Content-Encoding") == "aes128gcm", "Content-Encoding is aes128gcm")
        if len(body) > 4096:
            raise Complaint(413, "a body has at most 4096 bytes")
        try:
            payload = phone.open(body)
        except (http_ece.ECEException, ValueError, msgspec.DecodeError):
            raise Complaint(400, "the phone cannot decrypt this") from None
        return Push(self._now(), name, topic, payload, int(ttl), urgency)

    def _check_sender(self, phone: Phone, authorization: str) -> None:
        """RFC 8292: a token signed with the key in k=, for this service, that ends within 24 h, from someone."""
        scheme, _, rest = authorization.partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if scheme.lower() != "vapid" or not {"t", "k"} <= parts.keys():
            raise Complaint(401, "Authorization is vapid t=..., k=...")
        try:
            claims = jwt.decode(parts["t"], _jwk(parts["k"]), algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            raise Complaint(403, "the VAPID token is not signed with its key") from None
        now = self._now()
        _rule(claims.get("aud") == self.origin, "aud is the origin of the push service", 403)
        _rule(now < claims.get("exp", 0) <= now + DAY, "exp lies within 24 hours", 403)
        _rule(str(claims.get("sub", "")).startswith(("mailto:", "https:")), "sub is a way to reach the sender", 403)
        _rule(phone.server_key in ("", parts["k"]), "the key is the one the browser subscribed with", 403)

    def _next(self, name: str) -> Answer:
        answers = self._answers[name] or self._answers[EVERYONE]
        if len(answers) > 1:
            return answers.pop(0)
        return answers[0] if answers else Answer()

    def _keep(self, push: Push) -> None:
        self.accepted.append(push)
        if self._journal:  # on disk before the answer: what the sender believes accepted is here after any kill -9
            with self._journal.open("ab") as journal:
                journal.write(msgspec.json.encode(push) + b"\n")
                journal.flush()
                os.fsync(journal.fileno())

    async def _say(self, request: web.Request, answer: Answer, push: Push) -> web.StreamResponse:
        transport = request.transport
        if answer.act == "hang":
            await self._stopping.wait()
        elif answer.act == "garbage" and isinstance(transport, asyncio.Transport):
            transport.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        if answer.act != "answer" and transport is not None:
            transport.close()
        location = {"Location": f"{self.origin}/message/{len(self.accepted)}"} if answer.accepts else {}
        wait = {"Retry-After": answer.retry_after} if answer.retry_after else {}
        elsewhere = {"Location": f"{self.origin}/elsewhere"} if 300 <= answer.status < 400 else {}
        return web.Response(status=answer.status, headers={"TTL": str(push.ttl)} | location | wait | elsewhere)

    async def _subscribe(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(self.subscribe(name, request.query.get("server_key", "")))

    async def _told(self, request: web.Request) -> web.Response:
        self.answer(request.match_info["name"], *msgspec.json.decode(await request.read(), type=list[Answer]))
        return web.Response(status=204)


def read_journal(path: Path) -> list[Push]:
    """A last line without an end was cut by a kill before the answer went out: it was never accepted."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line, type=Push) for line in lines]


def on_screen(pushes: Iterable[Push]) -> dict[tuple[str, str], dict[str, Any]]:
    """What the phones show: one notification a (subscription, tag), as a repeat replaces the one before."""
    return {(push.subscription, push.tag): push.payload["notification"] for push in pushes}


def _rule(kept: bool, rule: str, status: int = 400) -> None:
    if not kept:
        raise Complaint(status, rule)


def _jwk(point: str) -> ECKey:
    raw = base64.urlsafe_b64decode(point + "=" * (-len(point) % 4))
    if len(raw) != 65 or raw[0] != 4:
        raise ValueError("k= is an uncompressed point")
    return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": _base64(raw[1:33]), "y": _base64(raw[33:])})


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def serve(port: int, journal: Path | None) -> None:
    async with PushService(journal, port) as service:
        print(service.port, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    options = argparse.ArgumentParser(description="a push service on loopback for tests")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--journal", type=Path)
    chosen = options.parse_args()
    asyncio.run(serve(chosen.port, chosen.journal))


if __name__ == "__main__":
    main()
