"""A worker that does nothing any more ends its process, in whichever way it hangs; one that only waits does not."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from service.watchdog import LOOKS, STUCK, Watchdog

HANGING = """
import asyncio, logging, sys, time
from service.clock import SystemClock
from service.database import connect
from service.jobs import Worker
from service.watchdog import Watchdog

logging.basicConfig()

def hang(*_):
    time.sleep(60)

async def main(where):
    db = await connect(sys.argv[1], {})
    worker = Worker(db, {}, SystemClock(), hang if where == "loop" else lambda name: None)
    Watchdog(lambda: worker.pulse.steps, every=0.2).start()
    worker.start()
    if where == "database":
        await db.write(hang)
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[2]))
"""


@pytest.mark.parametrize("where", ["loop", "database"])
def test_a_process_whose_worker_hangs_ends_with_a_line_that_says_so(
    sqlite_original: Path, tmp_path: Path, where: str
) -> None:
    path = tmp_path / "homestretch.db"
    path.write_bytes(sqlite_original.read_bytes())
    found = subprocess.run(
        [sys.executable, "-c", HANGING, f"sqlite:///{path}", where],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert found.returncode == STUCK
    assert "CRITICAL:homestretch.watchdog:the worker has done nothing" in found.stderr
    assert "in hang" in found.stderr  # where it hangs


def test_one_that_takes_a_step_now_and_then_is_left_alone() -> None:
    looks: list[float] = []

    def steps() -> int:
        looks.append(time.monotonic())
        return len(looks) // (LOOKS - 1)

    watchdog = Watchdog(steps, every=0.001)
    watchdog.start()
    while len(looks) < 10 * LOOKS:
        time.sleep(0.001)
    watchdog.call_off()
    assert watchdog not in threading.enumerate()
