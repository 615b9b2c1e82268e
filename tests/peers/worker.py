"""A worker in a process of its own, at a clock that stands still, which can kill itself at a named step.

python -m tests.peers.worker URL --now MILLISECONDS --key PEM [--kill-at NAME --hit N]
"""

import argparse
import asyncio
import os
import signal
import time
from pathlib import Path

from notifications.channels.addresses import Allowed
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings, WebPush
from service.clock import SetClock
from service.database import connect
from service.jobs import Worker

SUBJECT = "mailto:operator@clinic.example"


class Killer:
    """The real signal 9, on the given hit of one failpoint: no handler runs, no buffer is flushed."""

    def __init__(self, name: str, hit: int) -> None:
        self.name, self.left = name, hit

    def __call__(self, name: str) -> None:
        if name == self.name:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def turn(options: argparse.Namespace) -> None:
    keys = VapidKeys.from_pem(options.key.read_text(), SUBJECT)
    settings = PushSettings(keys, "http://127.0.0.1:8000", Allowed(loopback=True))
    async with await connect(options.url, {}) as db:
        push = WebPush(settings, time.time)
        try:
            killer = Killer(options.kill_at, options.hit)
            print(await Worker(db, {"web_push": push}, SetClock(options.now), killer).turn(), flush=True)
        finally:
            await push.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--now", type=int, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--hit", type=int, default=1)
    asyncio.run(turn(parser.parse_args()))


if __name__ == "__main__":
    main()
