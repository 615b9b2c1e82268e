"""watchdog: ends this process when its worker does nothing any more, so that the supervisor starts it anew.

A loop that hangs sends nothing, and whoever asks it whether it is well hangs too. What it had in hand is taken up again
when the leases end.
"""

import faulthandler
import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger("homestretch.watchdog")

# The worker takes a step every 30 s at the least; a turn that waits for a slow provider takes one a second.
EVERY = 45.0
LOOKS = 4
STUCK = 70  # the exit code: an internal error, as sysexits.h has it


class Watchdog(threading.Thread):
    """Counts its own looks instead of reading a clock: a machine that slept, or a process that was stopped for an hour,
    has stopped the watchdog as well."""

    def __init__(self, steps: Callable[[], int], every: float = EVERY) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.steps, self.every = steps, every
        self._over = threading.Event()

    def run(self) -> None:
        seen, still = self.steps(), 0
        while not self._over.wait(self.every):
            now = self.steps()
            still = still + 1 if now == seen else 0
            seen = now
            if still == LOOKS:
                self._end()

    def call_off(self) -> None:
        self._over.set()
        self.join()

    def _end(self) -> None:
        log.critical("the worker has done nothing for %d s: this process ends, to be started anew", self.every * LOOKS)
        faulthandler.dump_traceback(file=2, all_threads=True)  # files and lines, nothing of what was in hand
        logging.shutdown()
        os._exit(STUCK)
