"""`make bench`, or `python -m tests.benchmarks P4 P8`: prints each figure as a ratio, with what it should be."""

import platform
import sys
import tempfile
import warnings
from pathlib import Path

from tests.benchmarks.api import api
from tests.benchmarks.dashboard import dashboard
from tests.benchmarks.engine import engine, planning
from tests.benchmarks.memory import memory

PARTS = {"planning": planning, "engine": engine, "api": api, "memory": memory, "dashboard": dashboard}


def main(wanted: list[str]) -> None:
    print(f"Python {platform.python_version()}, median of alternating pairs; compare ratios, not machines")
    for name in wanted or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
    main(sys.argv[1:])
