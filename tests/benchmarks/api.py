"""P1 and P3: the API against a bare handler in the same server, and shared commits against one commit a request."""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from programs.instants import say
from service.auth.tokens import make_token
from service.care import Who
from service.database import connect
from tests.benchmarks import crowd
from tests.benchmarks.load import Load, load, request
from tests.benchmarks.measure import PAIRS, at_least
from tests.benchmarks.places import SQLitePlace
from tests.world import CLINIC, NOON

PATIENTS = 300
READS, WRITES = 6_000, 1_500
CONNECTIONS = 32


def todays(folder: Path) -> None:
    """P1. Also without the replies that are kept between commits: what a clinic pays that writes all the time."""
    place = _filled(folder)
    for name, options in (("P1", ()), ("P1 nothing kept", ("--uncached",))):
        with serving(place.copy(), *options) as (_, port):

            def today(number: int) -> bytes:
                return request("GET", "/api/v1/me/today", _token(number))

            ours, bare = _alternate(port, today, lambda _: request("GET", "/bare"), READS)
            ratio = statistics.median(a.rate / b.rate for a, b in zip(ours, bare, strict=True))
            detail = f"{_median(ours):,.0f} requests a second, p99 {ours[0].p99:.1f} ms; bare {_median(bare):,.0f}"
            at_least(name, ratio, 0.35, detail)


def _filled(folder: Path) -> SQLitePlace:
    place = SQLitePlace(folder)
    asyncio.run(_fill(place.url))
    return place


async def _fill(url: str) -> None:
    async with await connect(url, {}) as db:
        await db.write(crowd.fill, PATIENTS)
        for number in range(PATIENTS):
            who = Who(CLINIC, "patient", f"p{number:06}")
            await db.write(make_token, who, NOON, _token(number))


def _token(number: int) -> str:
    return f"token-{number % PATIENTS}"


def _alternate(
    port: int, ours: Callable[[int], bytes], bare: Callable[[int], bytes], count: int
) -> tuple[list[Load], list[Load]]:
    load(port, ours, CONNECTIONS, PATIENTS)  # the first ones pay for what is built once
    pairs = [(load(port, ours, CONNECTIONS, count), load(port, bare, CONNECTIONS, count)) for _ in range(PAIRS)]
    failed = sum(one.failed for pair in pairs for one in pair)
    assert failed == 0, f"{failed} requests failed"
    return [a for a, _ in pairs], [b for _, b in pairs]


def _median(loads: list[Load]) -> float:
    return statistics.median(one.rate for one in loads)


def completions(folder: Path) -> None:
    """P3: batches of 8, durable, on a disk that takes a millisecond longer."""
    place, shim = _filled(folder), _slow_disk(folder)
    for connections, goal in ((CONNECTIONS, 5.0), (1, 0.95)):
        count = WRITES if connections > 1 else WRITES // 5
        shared = [_write(place, shim, connections, count, 64) for _ in range(PAIRS)]
        single = [_write(place, shim, connections, count, 1) for _ in range(PAIRS)]
        ratio = statistics.median(a.rate / b.rate for a, b in zip(shared, single, strict=True))
        detail = (
            f"{_median(shared):,.0f} batches a second, p99 {shared[0].p99:.0f} ms; a commit each {_median(single):,.0f}"
        )
        at_least(f"P3 {connections} connections", ratio, goal, detail)


def _write(place: SQLitePlace, shim: str, connections: int, count: int, sharing: int) -> Load:
    with serving(place.copy(), "--sharing", str(sharing), LD_PRELOAD=shim) as (_, port):
        load(port, _batch, connections, PATIENTS // 5)
        done = load(port, _batch, connections, count)
    assert done.failed == 0, f"{done.failed} requests failed"
    return done


def _batch(number: int) -> bytes:
    """Eight completions nobody sent before; half of them of bouts that are due."""
    items = [
        {
            "id": uuid.uuid4().hex,
            "plan_id": f"plan-p{number % PATIENTS:06}",
            "exercise": exercise,
            "date": day,
            "time": "09:00",
            "outcome": "done",
            "done_at": say(NOON),
        }
        for exercise in ("hip_bridge", "walking")
        for day in ("2026-06-01", "2026-06-02", "2026-05-30", "2026-05-31")
    ]
    return request("POST", "/api/v1/me/completions", _token(number), msgspec.json.encode({"items": items}))


def _slow_disk(folder: Path) -> str:
    """The shim, or nothing where there is no C compiler; the line then says what was measured."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("P3: no C compiler, so measured on this disk as it is")
        return ""
    made = folder / "slow_disk.so"
    source = Path(__file__).with_name("slow_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl"], check=True, timeout=60)
    return str(made)


class Serving(NamedTuple):
    process: "subprocess.Popen[str]"
    port: int


@contextmanager
def serving(url: str, *options: str, **environment: str) -> Iterator[Serving]:
    """A server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.server", url, *options],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Serving(process, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)
