"""A worker in a process of its own, on a clock that begins when it is told to; nothing is really sent.

python -m tests.benchmarks.worker URL [--answer-after MS]
It says "ready", waits for a line, drains what is due and prints what it did as JSON.
"""

import argparse
import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from notifications import delivery
from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.web_push import WebPush
from notifications.settling import Tally
from notifications.wire import Wire
from programs.instants import Instant
from service.database import connect
from tests.benchmarks import crowd
from tests.benchmarks.engine import Nowhere

TAKES = 600  # seconds at most


class Slow(Nowhere):
    """A provider that takes everything, each after a while; as many at once as Web Push bears."""

    limit = WebPush.limit

    def __init__(self, answer_after: float) -> None:
        self.answer_after = answer_after

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        await asyncio.sleep(self.answer_after)
        return Accepted()


def drained_by(count: int, url: str, answer_after: int) -> tuple[float, list[Tally]]:
    """Seconds until `count` processes have nothing more to send, and what each of them did."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.benchmarks.worker",
        url,
        "--answer-after",
        str(answer_after),
    ]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    try:
        for it in workers:
            assert it.stdout is not None
            assert it.stdout.readline() == "ready\n"
        start = time.perf_counter()
        said = _go(workers)
        return time.perf_counter() - start, [msgspec.json.decode(it, type=Tally) for it in said]
    finally:
        for it in workers:
            it.kill()
            it.wait()


def _go(workers: Sequence["subprocess.Popen[str]"]) -> list[str]:
    for it in workers:
        assert it.stdin is not None
        it.stdin.write("go\n")
        it.stdin.flush()
    return [it.communicate(timeout=TAKES)[0] for it in workers]


async def drain(url: str, answer_after: float) -> None:
    async with await connect(url, {}) as db:
        await db.read(lambda _: None)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        sys.stdin.readline()
        start = time.monotonic()

        def clock() -> Instant:
            return crowd.DUE + round(1000 * (time.monotonic() - start))

        tally = await delivery.drain(db, Wire({"console": Slow(answer_after)}), clock)
        print(msgspec.json.encode(tally).decode(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--answer-after", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(drain(options.url, options.answer_after / 1000))


if __name__ == "__main__":
    main()
