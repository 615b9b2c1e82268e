"""The whole service in a process of its own, with a bare Litestar handler beside it in the same server.

python -m tests.benchmarks.server URL [--sharing N] [--uncached]     prints its port when it answers
"""

import argparse
import asyncio
import gc
import socket
from typing import Any

import uvicorn
from litestar import Litestar, get

from service import database
from service.api.todays import Todays
from service.app import build
from service.clock import SetClock
from service.jobs import Worker
from service.settings import Settings
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
        clock = SetClock(NOON)
        app = build(Settings(database_url=options.url, api_requests_a_minute=10**9), db, clock, Worker(db, {}, clock))
        plain = Litestar([bare], openapi_config=None, logging_config=None)
        config = uvicorn.Config(beside(app, plain), log_config=None, access_log=False, lifespan="off")
        # As in service/serving.py: unless it is named as TCP, Nagle's algorithm stays on.
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        taken.bind(("127.0.0.1", 0))
        taken.listen(512)  # whoever calls from here on waits until the server answers
        print(taken.getsockname()[1], flush=True)
        gc.collect()
        gc.freeze()
        await uvicorn.Server(config).serve([taken])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--sharing", type=int, default=database.SHARING)
    parser.add_argument("--uncached", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
