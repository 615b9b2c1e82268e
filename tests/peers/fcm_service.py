"""Firebase Cloud Messaging (HTTP v1) on loopback, with Google's token service and the phones behind it. It checks the
sender and keeps a journal.

async with FcmService() as service:
    service.answer(token, UNREGISTERED)
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Self

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

EVERYONE = "*"
PROJECT, SENDER = "homestretch-example", "sender@homestretch-example.iam.gserviceaccount.com"
AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever the address of the token service
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class Answer(msgspec.Struct, frozen=True):
    """What to say to one push, or to one who asks for a token. `code` and `field` are put where Google puts them."""

    status: int = 200
    code: str = ""
    field: str = ""
    message: str = ""
    retry_after: str = ""
    act: Literal["answer", "hang", "cut", "garbage"] = "answer"
    accept: bool | None = None

    @property
    def accepts(self) -> bool:
        return self.status == 200 if self.accept is None else self.accept

    @property
    def body(self) -> dict[str, Any]:
        details: list[dict[str, Any]] = []
        if self.code:
            kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
            details.append({"@type": kind, "errorCode": self.code})
        if self.field:
            violation = {"field": self.field, "description": self.message}
            details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
        names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
        said = {"code": self.status, "message": self.message, "status": names.get(self.status, "INTERNAL")}
        return {"error": said | ({"details": details} if details else {})}


UNREGISTERED = Answer(404, "UNREGISTERED", message="Requested entity was not found.")


class Push(msgspec.Struct, frozen=True):
    """One line of the journal."""

    at: float
    token: str
    message: dict[str, Any]
    raw: bytes

    @property
    def tag(self) -> str:
        return str(self.message["android"]["notification"]["tag"])


class FcmService:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.accepted: list[Push] = []
        self.complaints: list[str] = []
        """Rules the sender broke. A test of good behaviour ends with none."""
        self.requests: list[str] = []
        self.connections: set[tuple[str, int]] = set()
        self.tokens: list[str] = []
        """Those that may send now; a test takes one back by clearing it."""
        self.given = 0
        """How often a token was asked for with a right signature."""
        self.lives = 3600
        self.on_token = Answer()
        self.origin = ""
        self.port = 0
        self._now = now
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._stopping = asyncio.Event()
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/token", self._give)
        app.router.add_post("/v1/projects/{project}/messages:send", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self.origin = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stopping.set()
        await self._runner.cleanup()
        self._stopping = asyncio.Event()

    def account(self) -> str:
        """What Google's console gives for a service account."""
        private = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        said = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "1",
            "private_key": private,
            "client_email": SENDER,
            "token_uri": f"{self.origin}/token",
        }
        return msgspec.json.encode(said).decode()

    def answer(self, token: str, *answers: Answer) -> None:
        """For the next pushes to this token, or EVERYONE: one each, the last one from then on."""
        self._answers[token] = list(answers)

    async def arrival(self) -> None:
        """Returns when a push has come in, answered or not."""
        await self._arrived.wait()

    def shown(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What the phones show: one notification a (token, tag), as a repeat replaces the one before."""
        return {(push.token, push.tag): push.message["notification"] for push in self.accepted}

    async def _give(self, request: web.Request) -> web.StreamResponse:
        asked = await request.post()
        public = key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        try:
            claims = jwt.decode(str(asked["assertion"]), RSAKey.import_key(public), algorithms=["RS256"]).claims
        except (JoseError, ValueError, KeyError):
            claims = {}
        wanted = {"iss": SENDER, "aud": AUDIENCE, "scope": SCOPE}
        in_time = claims.get("iat", 0) <= time.time() + 60 < claims.get("exp", 0) <= claims.get("iat", 0) + 3600
        if not in_time or {name: claims.get(name) for name in wanted} != wanted:
            self.complaints.append("the assertion is signed by the account, for this service, for an hour at most")
            return web.json_response({"error": "invalid_grant"}, status=400)
        if self.on_token != Answer():
            return await self._say(request, self.on_token, {"error": "unavailable"})
        self.given += 1
        self.tokens.append(f"token-{self.given}")
        granted = {"access_token": self.tokens[-1], "expires_in": self.lives, "token_type": "Bearer"}
        return web.json_response(granted)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        message = msgspec.json.decode(raw).get("message", {})
        token = str(message.get("token", ""))
        self.requests.append(token)
        self._arrived.set()
        answer = self._fault(request, message, raw)
        if answer is None:
            answers = self._answers[token] or self._answers[EVERYONE]
            answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else Answer()
            if answer.accepts:
                self.accepted.append(Push(self._now(), token, message, raw))
        name = {"name": f"projects/{PROJECT}/messages/{len(self.accepted)}"}
        return await self._say(request, answer, name if answer.status == 200 else answer.body)

    def _fault(self, request: web.Request, message: dict[str, Any], raw: bytes) -> Answer | None:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Answer(401, message="Request had invalid authentication credentials.")
        android = message.get("android", {})
        strings = [*message.get("data", {}).values(), *message.get("notification", {}).values()]
        rules = {
            "project": request.match_info["project"] == PROJECT,
            "message.android.priority": android.get("priority") in {"HIGH", "NORMAL"},
            "message.android.ttl": 0 <= int(android.get("ttl", "-1s").removesuffix("s")) <= 28 * 24 * 3600,
            "message.data": all(isinstance(it, str) for it in strings),
            "message.size": len(raw) <= 4096,
        }
        broken = [field for field, kept in rules.items() if not kept]
        self.complaints += broken
        return Answer(400, "INVALID_ARGUMENT", broken[0]) if broken else None

    async def _say(self, request: web.Request, answer: Answer, said: dict[str, Any]) -> web.StreamResponse:
        if answer.act == "hang":
            await self._stopping.wait()
        if answer.act in {"hang", "cut"} and request.transport is not None:
            request.transport.close()
        wait = {"Retry-After": answer.retry_after} if answer.retry_after else {}
        if answer.act == "garbage":
            return web.Response(status=answer.status, text="<html>no JSON", headers=wait)
        return web.json_response(said, status=answer.status, headers=wait)


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)
