"""adherence: the ledger. Due against done, item by item, and the one function that makes a number of it. Pure.

An item is one exercise of one bout and ends in one of ITEM_STATES. The number is the mean over slots, a slot being one
exercise on one local date, of the share of its prescribed sets that was done, capped at 1 before averaging, so that
extra work on Monday cannot hide a missed Tuesday. Excused (held), not reached and still open items are in no slot;
skipped ones are, with nothing done. Under three slots there is no number. Source: clinical.md 5.2 [P].
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec

from programs.completions import Kept
from programs.dosage import Prescription
from programs.schedule import DAY_MINUTES, Bout, Course, bouts

State = Literal["done", "partly", "late", "skipped", "excused", "not_reached", "missed", "open"]
ITEM_STATES: tuple[State, ...] = ("done", "partly", "late", "skipped", "excused", "not_reached", "missed", "open")
COUNTED = frozenset({"done", "partly", "late", "skipped", "missed"})
FEWEST = 3


class Item(msgspec.Struct, frozen=True, gc=False):
    """`sets_done` may exceed `sets`; `reason` is the patient's for skipping, or the clinic's for holding."""

    plan_id: str
    revision: int
    exercise: str
    wall: int
    state: State
    sets: int
    sets_done: float
    reason: str = ""
    completion_id: str = ""


class Adherence(msgspec.Struct, frozen=True):
    """`percent` is None under three slots; `n` counts slots; `counts` counts items by state."""

    percent: float | None
    n: int
    counts: dict[str, int]

    @property
    def band(self) -> str:
        """clinical.md 5.2: top band from Bailey 2020, the others convention."""
        if self.percent is None:
            return "not enough data"
        return "on track" if self.percent >= 80 else "partial" if self.percent >= 50 else "low"


def ledger(
    course: Course, completions: Iterable[Kept], unreached: Collection[int], first_day: int, last_day: int, here: int
) -> list[Item]:
    """Every item of one plan on the local dates [first_day, last_day], as of the patient's wall `here`.

    `unreached` are the walls of bouts for which a reminder was due and reached nobody. Of several completions of one
    item the last done counts, so that a patient can set right what they logged.
    """
    logged = {(kept.wall, kept.value.exercise): kept for kept in completions if kept.value.plan_id == course.plan_id}
    return [
        _item(bout, due, logged.get((bout.wall, due.exercise)), bout.wall in unreached, here)
        for bout in bouts(course, first_day, last_day)
        for due in bout.due
    ]


def _item(bout: Bout, due: Prescription, kept: Kept | None, unreached: bool, here: int) -> Item:
    sets = due.dosage.sets
    state, sets_done, reason = _state(bout, due, kept, unreached, here)
    id = kept.value.id if kept else ""
    return Item(bout.plan_id, bout.revision, due.exercise, bout.wall, state, sets, sets_done, reason, id)


def _state(bout: Bout, due: Prescription, kept: Kept | None, unreached: bool, here: int) -> tuple[State, float, str]:
    """What is done counts, also while held or unreached; the rest is looked at in the patient's favour first."""
    held = due.exercise in bout.held
    if kept is not None and kept.value.outcome != "skipped":
        return _performed(kept, due.dosage.sets)
    if held:
        return "excused", 0, bout.held[due.exercise]
    if kept is not None:
        return "skipped", 0, kept.value.reason or "no reason given"
    if here < (bout.wall // DAY_MINUTES + 1) * DAY_MINUTES:
        return "open", 0, ""
    return ("not_reached" if unreached else "missed"), 0, ""


def _performed(kept: Kept, sets: int) -> tuple[State, float, str]:
    it = kept.value
    if it.outcome == "partly":
        # "partly" without a number of sets is taken as half.
        return "partly", min(it.sets, sets) if it.sets is not None else sets / 2, ""
    done = it.sets if it.sets is not None else sets
    late = kept.done_wall // DAY_MINUTES > kept.wall // DAY_MINUTES
    return ("late" if late else "done"), done, ""


def sum_up(items: Sequence[Item]) -> Adherence:
    """The number with what it stands on. The same items always give the same number, whoever asks."""
    due: dict[tuple[str, str, int], float] = defaultdict(float)
    done: dict[tuple[str, str, int], float] = defaultdict(float)
    for item in items:
        if item.state in COUNTED:
            slot = (item.plan_id, item.exercise, item.wall // DAY_MINUTES)
            due[slot] += item.sets
            done[slot] += item.sets_done
    n = len(due)
    counts = Counter[str](item.state for item in items)
    shares = sum(min(done[slot] / due[slot], 1.0) for slot in due)
    return Adherence(round(100 * shares / n, 1) if n >= FEWEST else None, n, dict(counts))
