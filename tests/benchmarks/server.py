"""The whole service in a process of its own, with a bare Litestar handler beside it in the same server.

python -m tests.benchmarks.server URL [--sharing N] [--uncached] [--sending]     prints its port when it answers

With --sending its worker takes a turn, with Web Push, at a line on its input: the crowd is due then. It says "sent"
when no message is left.
"""

import argparse
import asyncio
import socket
import sys
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, get

from notifications.channels.vapid import VapidKeys
from service import database
from service.api.todays import Todays
from service.app import build
from service.channels import channels_of
from service.clock import SetClock
from service.jobs import Worker
from service.serving import favour_replies
from service.settings import Settings
from tests.benchmarks import crowd
from tests.world import NOON


@get("/bare", sync_to_thread=False)
def bare() -> dict[str, Any]:
    return {"date": "2026-06-01", "check_ins": [{"id": "s1-evening", "step": "evening"}], "bouts": []}


def beside(ours: Any, plain: Any) -> Any:
    async def choose(scope: Any, receive: Any, send: Any) -> None:
        await (plain if scope.get("path") == "/bare" else ours)(scope, receive, send)

    return choose


async def serve(options: argparse.Namespace) -> None:
    database.SHARING = options.sharing
    if options.uncached:
        Todays.keep = lambda *_: None  # type: ignore[method-assign]
    async with await database.connect(options.url, {}) as db:
        clock, settings = SetClock(NOON), _settings(options)
        worker = Worker(db, channels_of(settings, clock) if options.sending else {}, clock)
        app = build(settings, db, clock, worker)
        plain = Litestar([bare], openapi_config=None, logging_config=None)
        config = uvicorn.Config(beside(app, plain), log_config=None, access_log=False, lifespan="off")
        # As in service/serving.py: unless it is named as TCP, Nagle's algorithm stays on.
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        taken.bind(("127.0.0.1", 0))
        taken.listen(512)  # whoever calls from here on waits until the server answers
        print(taken.getsockname()[1], flush=True)
        favour_replies()
        server = uvicorn.Server(config)
        if not options.sending:
            await server.serve([taken])
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([taken]))
            group.create_task(_send(worker, clock))
        for channel in worker.wire.channels.values():
            await channel.close()


def _settings(options: argparse.Namespace) -> Settings:
    quiet = Settings(database_url=options.url, api_requests_a_minute=10**9)
    if not options.sending:
        return quiet
    push = VapidKeys.generate("mailto:operator@clinic.example")
    return msgspec.structs.replace(quiet, demo=True, vapid_key=push.pem(), vapid_subject=push.subject)


async def _send(worker: Worker, clock: SetClock) -> None:
    await asyncio.to_thread(sys.stdin.readline)
    clock.move_to(crowd.DUE)
    await worker.turn()
    print("sent", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--sharing", type=int, default=database.SHARING)
    parser.add_argument("--uncached", action="store_true")
    parser.add_argument("--sending", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
