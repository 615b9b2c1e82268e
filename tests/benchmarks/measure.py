"""Alternating pairs, medians, and the one line that a figure prints."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

PAIRS = 5
Result = TypeVar("Result")


class Pairs(NamedTuple):
    """Medians of alternating runs; `unit` counts of work were done by each run."""

    ours: float
    bare: float
    ratio: float  # median of the pairwise ratios bare time / our time: 1.0 is as quick as bare


def pairs(ours: Callable[[], float], bare: Callable[[], float], count: int = PAIRS) -> Pairs:
    """Each callable does the same work once and returns the seconds it took.

    What is there beforehand is frozen for both, as service/serving.py does after its start.
    """
    mine, theirs = [], []
    for _ in range(count):
        mine.append(frozen(ours))
        theirs.append(frozen(bare))
    ratio = statistics.median(b / a for a, b in zip(mine, theirs, strict=True))
    return Pairs(statistics.median(mine), statistics.median(theirs), ratio)


def frozen(work: Callable[[], Result]) -> Result:
    gc.collect()
    gc.freeze()
    try:
        return work()
    finally:
        gc.unfreeze()


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def at_least(figure: str, value: float, goal: float, detail: str) -> None:
    _line(figure, f"{value:.2f} >= {goal:.2f}", value >= goal, detail)


def at_most(figure: str, value: float, goal: float, detail: str) -> None:
    _line(figure, f"{value:.2f} <= {goal:.2f}", value <= goal, detail)


def say(progress: str) -> None:
    """What is being done, on anything that takes longer than a few seconds; the next line writes over it."""
    print(f"  {progress:<76}", end="\r", flush=True)


def told(figure: str, detail: str) -> None:
    """A figure without a goal."""
    print(f"{figure:<30} {detail}", flush=True)


def _line(figure: str, comparison: str, holds: bool, detail: str) -> None:
    print(f"{figure:<30} {comparison:<18} {'holds' if holds else 'falls short':<12} {detail}", flush=True)
