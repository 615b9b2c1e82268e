"""A provider of text messages on loopback, as Apprise's own form of JSON reaches it, with the phones behind it.

async with SmsService() as service:
    settings = SmsSettings(services={"sms": service.template}, ...)
    service.answer("+15550100002", Answer(act="hang"))
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal, Self

import msgspec
from aiohttp import web


class Answer(msgspec.Struct, frozen=True):
    """What to say to one message. It is kept, and so shown, when `accept` says so; by default with status 200."""

    status: int = 200
    act: Literal["answer", "hang", "cut"] = "answer"
    accept: bool | None = None

    @property
    def accepts(self) -> bool:
        return self.status == 200 if self.accept is None else self.accept


class Text(msgspec.Struct, frozen=True):
    """One line of the journal."""

    at: float
    number: str
    text: str
    raw: bytes


class SmsService:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.accepted: list[Text] = []
        self.requests: list[str] = []
        self.port = 0
        self._now = now
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._going_on = asyncio.Event()
        self._arrived = asyncio.Semaphore(0)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/messages/{number}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self.go_on()
        await self._runner.cleanup()

    @property
    def template(self) -> str:
        return f"json://127.0.0.1:{self.port}/messages/{{to}}?+x=1"

    def answer(self, number: str, *answers: Answer) -> None:
        """For the next messages to this number: one each, the last one from then on."""
        self._answers[number] = list(answers)

    async def arrivals(self, count: int) -> None:
        """Returns when so many more messages have come in, answered or not."""
        for _ in range(count):
            await self._arrived.acquire()

    def go_on(self) -> None:
        """Those left hanging are answered."""
        self._going_on.set()

    def shown(self) -> list[tuple[str, str]]:
        """What the phones show: every message, as nothing tells a repeat from a second one."""
        return [(it.number, it.text) for it in self.accepted]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        said: dict[str, Any] = msgspec.json.decode(raw)
        number = request.match_info["number"]
        self.requests.append(number)
        self._arrived.release()
        answers = self._answers[number]
        answer = answers.pop(0) if len(answers) > 1 else answers[0] if answers else Answer()
        if answer.accepts:
            self.accepted.append(Text(self._now(), number, said["message"], raw))
        if answer.act == "hang":
            await self._going_on.wait()
        if answer.act == "cut" and request.transport is not None:
            request.transport.close()
        return web.Response(status=answer.status)
