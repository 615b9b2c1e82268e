"""The only place that reads the time. Everything else is told it, so that a simulation can run weeks in seconds."""

import time
from typing import Protocol

from programs.instants import Instant


class Clock(Protocol):
    def now(self) -> Instant: ...


class SystemClock:
    def now(self) -> Instant:
        return time.time_ns() // 1_000_000


class SetClock:
    """A clock that stands still until it is moved: tests and simulations."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at

    def move_to(self, at: Instant) -> None:
        """Forward only: what was planned stays planned."""
        self.at = max(self.at, at)
