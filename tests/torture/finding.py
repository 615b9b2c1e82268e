"""What an experiment found, and how long it may be: the short form is part of `make test`, the long `make torture`."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

LONG = os.environ.get("TORTURE") == "long"
MINUTES = float(os.environ.get("TORTURE_MINUTES", "30"))
"""No experiment of the long form begins another round after this long; the report says how many rounds it was."""

REPORT = Path("torture-report.md")
WORST = 20  # lines of what was broken that a report holds


class Finding(msgspec.Struct):
    """`cases` are the trials that could each have broken the promise; `broken` has a line for each that did."""

    name: str
    unit: str
    cases: int = 0
    broken: list[str] = []
    figures: dict[str, int] = {}
    seconds: float = 0

    @property
    def bound(self) -> str:
        """The rule of three: nothing in n trials says at 95 % that it happens in less than 3/n of them, and no more."""
        if self.broken or not self.cases:
            return f"{len(self.broken)} in {self.cases:,} {self.unit}"
        return f"0 in {self.cases:,} {self.unit}: less than {percent(300 / self.cases)} at 95 %"


def percent(share: float) -> str:
    return f"{min(share, 100):.2g} %"


found: list[Finding] = []


@contextmanager
def experiment(name: str, unit: str) -> Iterator[Finding]:
    """Fails where anything was broken, after the figures are kept."""
    it = Finding(name, unit)
    begun = time.monotonic()
    try:
        yield it
    except BaseException as error:
        it.broken.append(f"it ended by {type(error).__name__}: {error}")
        raise
    finally:
        it.seconds = time.monotonic() - begun
        found.append(it)
        say(f"{name}: {it.bound} ({it.seconds:.0f} s)")
    assert not it.broken, "\n".join([f"{len(it.broken)} broken", *it.broken[:WORST]])
    assert it.cases, "nothing was tried"


def length(short: int, long: int) -> int:
    return long if LONG else short


def say(text: str) -> None:
    if LONG:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Rounds:
    """Counts up to the wanted number, and stops before it when the time is over."""

    def __init__(self, wanted: int, name: str) -> None:
        self.wanted, self.name = wanted, name
        self.done = 0
        self._begun = self._said = time.monotonic()

    def more(self) -> bool:
        now = time.monotonic()
        if LONG and now - self._said > 20:
            self._said = now
            say(f"{self.name}: {self.done:,} of {self.wanted:,}, {self.done / (now - self._begun):.1f} a second")
        return self.done < self.wanted and (not LONG or now - self._begun < MINUTES * 60)


def write_report(path: Path) -> None:
    lines = [
        "# What the long form of the torture tests saw",
        "",
        time.strftime("Ended %Y-%m-%d %H:%M UTC.", time.gmtime()),
    ]
    lines += ["", "| Experiment | Result | Figures | Seconds |", "|---|---|---|---|"]
    for it in found:
        figures = "; ".join(f"{name}: {value:,}" for name, value in it.figures.items())
        lines.append(f"| {it.name} | {'BROKEN ' if it.broken else ''}{it.bound} | {figures} | {it.seconds:.0f} |")
    for it in found:
        if it.broken:
            lines += ["", f"## {it.name}", "", *(f"- {line}" for line in it.broken[:WORST])]
    path.write_text("\n".join(lines) + "\n", "utf-8")
