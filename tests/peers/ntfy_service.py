"""An ntfy server on loopback, with the phones behind it. It checks the sender and keeps a journal.

async with NtfyService(token="tk_right") as service:
    service.answer(topic, Answer(429, retry_after="5"))
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal, Self

import msgspec
from aiohttp import web

EVERYONE = "*"
NAME = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
FIELDS = {"topic", "title", "message", "click", "priority", "sequence_id"}


class Answer(msgspec.Struct, frozen=True):
    """What to say to one message. It is kept, and so shown, when `accept` says so; by default with status 200."""

    status: int = 200
    retry_after: str = ""
    act: Literal["answer", "hang", "cut", "garbage"] = "answer"
    accept: bool | None = None

    @property
    def accepts(self) -> bool:
        return self.status == 200 if self.accept is None else self.accept


class Push(msgspec.Struct, frozen=True):
    """One line of the journal."""

    at: float
    topic: str
    sequence_id: str
    body: dict[str, Any]
    raw: bytes


class NtfyService:
    def __init__(self, token: str = "", replaces: bool = True, now: Callable[[], float] = time.time) -> None:
        """`replaces`: as ntfy 2.16 and later; an older one does not know what a sequence id is."""
        self.accepted: list[Push] = []
        self.complaints: list[str] = []
        """Rules the sender broke. A test of good behaviour ends with none."""
        self.requests: list[str] = []
        self.connections: set[tuple[str, int]] = set()
        self.origin = ""
        self.port = 0
        self._token, self._replaces, self._now = token, replaces, now
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self.origin = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._stopping.set()
        await self._runner.cleanup()

    def answer(self, topic: str, *answers: Answer) -> None:
        """For the next messages to this topic, or EVERYONE: one each, the last one from then on."""
        self._answers[topic] = list(answers)

    def shown(self) -> dict[tuple[str, str], str]:
        """What the phones show: one notification a (topic, sequence id), as a repeat replaces the one before."""
        return {
            (push.topic, push.sequence_id if self._replaces else str(number)): push.body["message"]
            for number, push in enumerate(self.accepted)
        }

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = msgspec.json.decode(raw)
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        self.requests.append(body["topic"])
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.json_response({"code": 40101, "http": 401, "error": "unauthorized"}, status=401)
        if broken := self._fault(body, raw):
            self.complaints.append(broken)
            return web.json_response({"code": 40000, "http": 400, "error": broken}, status=400)
        answers = self._answers[body["topic"]] or self._answers[EVERYONE]
        answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else Answer()
        if answer.accepts:
            self.accepted.append(Push(self._now(), body["topic"], body["sequence_id"], body, raw))
        return await self._say(request, answer)

    @staticmethod
    def _fault(body: dict[str, Any], raw: bytes) -> str:
        names = [body.get("topic", ""), body.get("sequence_id", "")]
        rules = {
            "fields": body.keys() <= FIELDS,
            "names": all(1 <= len(it) <= 64 and NAME.issuperset(it) for it in names),
            "priority": body.get("priority") in range(1, 6),
            "size": len(raw) <= 4096,
        }
        return next((rule for rule, kept in rules.items() if not kept), "")

    async def _say(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.act == "hang":
            await self._stopping.wait()
        if answer.act in {"hang", "cut"} and request.transport is not None:
            request.transport.close()
        wait = {"Retry-After": answer.retry_after} if answer.retry_after else {}
        if answer.act == "garbage":
            return web.Response(status=answer.status, text="<html>some other server", headers=wait)
        if answer.status != 200:
            said: dict[str, Any] = {"code": answer.status * 100 + 1, "http": answer.status, "error": "no"}
            return web.json_response(said, status=answer.status, headers=wait)
        return web.json_response({"id": f"m{len(self.accepted)}", "event": "message"})
