"""`make bench`, or `python -m tests.benchmarks P4 P8`: prints each figure as a ratio, with what it should be."""

import platform
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.benchmarks.api import completions, todays
from tests.benchmarks.burst import burst
from tests.benchmarks.dashboard import dashboard
from tests.benchmarks.engine import claiming, planning, recording
from tests.benchmarks.herd import backlog, lateness, workers
from tests.benchmarks.memory import memory
from tests.benchmarks.peers import peers
from tests.benchmarks.pushing import pushing

PARTS = {
    "P1": todays,
    "P3": completions,
    "P4": claiming,
    "P5": peers,
    "P6": pushing,
    "P7": planning,
    "P8": recording,
    "P9": dashboard,
    "P10": memory,
    "P11": workers,
    "P12": burst,
    "P13": backlog,
    "lateness": lateness,
}


def main(wanted: list[str]) -> None:
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        sys.exit(f"no figure {', '.join(unknown)}: one of {', '.join(PARTS)}")
    print(f"Python {platform.python_version()}, median of alternating pairs; compare ratios, not machines")
    start = time.monotonic()
    for name in wanted or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))
    print(f"in {(time.monotonic() - start) / 60:.0f} minutes")


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
    main(sys.argv[1:])
