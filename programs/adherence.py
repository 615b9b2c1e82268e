"""adherence: the ledger. Due against done, item by item, and the one function that makes a number of it. Pure.

An item is one exercise of one bout and ends in one of ITEM_STATES. The number is the mean over slots, a slot being one
exercise on one local date, of the share of its prescribed sets that was done, capped at 1 before averaging, so that
extra work on Monday cannot hide a missed Tuesday. Excused (held), not reached and still open items are in no slot;
skipped ones are, with nothing done. Under three slots there is no number. Source: clinical.md 5.2 [P].
How adherence is counted, in plain words and with an example: docs/adherence.md.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Literal, TypeVar, get_args

import msgspec

from programs.completions import Kept
from programs.dosage import Prescription
from programs.schedule import DAY_MINUTES, Bout, Course, bouts

State = Literal["done", "partly", "late", "skipped", "excused", "not_reached", "missed", "open"]
ITEM_STATES: tuple[State, ...] = get_args(State)
COUNTED = frozenset({"done", "partly", "late", "skipped", "missed"})
DONE = frozenset({"done", "partly", "late"})
FEWEST = 3
# A whole slot. Sets are 1 to 10 a bout and bouts up to 6 a day, half sets may be done: every share of that is a whole
# number of these, so that sums come out the same in whatever order they are added, and in whatever parts.
WHOLE = 302_400

_NONE = (0, 0.0)

Key = TypeVar("Key", bound=Hashable)


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

    @property
    def day(self) -> int:
        return self.wall // DAY_MINUTES


class Tally(msgspec.Struct, frozen=True, gc=False):
    """What a number is made of, and what of several periods can be added: slots, their shares, items by state."""

    slots: int = 0
    share: int = 0  # the sum over slots, each at most WHOLE
    counts: tuple[int, ...] = (0,) * len(ITEM_STATES)

    def __add__(self, other: "Tally") -> "Tally":
        counts = tuple(map(int.__add__, self.counts, other.counts))
        return Tally(self.slots + other.slots, self.share + other.share, counts)


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
    item the last done counts, so that a patient can set right what they logged. Whoever logged anything of a bout was
    there, reminder or no reminder.
    """
    logged = {(kept.wall, kept.value.exercise): kept for kept in completions if kept.value.plan_id == course.plan_id}
    missing = set(unreached).difference(wall for wall, _ in logged) if unreached else ()
    return [
        _item(bout, due, logged.get((bout.wall, due.exercise)), bout.wall in missing, here)
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


# the number


def sum_up(items: Iterable[Item]) -> Adherence:
    """The number with what it stands on. The same items always give the same number, whoever asks."""
    return number(tally(items))


def tally(items: Iterable[Item]) -> Tally:
    """Tallies of different days can be added: no slot lies in two of them."""
    slots: dict[tuple[str, str, int], tuple[int, float]] = {}
    counts = dict.fromkeys(ITEM_STATES, 0)
    for item in items:
        state = item.state
        counts[state] += 1
        if state in COUNTED:
            slot = (item.plan_id, item.exercise, item.wall // DAY_MINUTES)
            sets, done = slots.get(slot, _NONE)
            slots[slot] = sets + item.sets, done + item.sets_done
    share = sum([WHOLE if done >= sets else round(WHOLE * done / sets) for sets, done in slots.values()])
    return Tally(len(slots), share, tuple(counts.values()))


def number(it: Tally) -> Adherence:
    percent = round(100 * it.share / (WHOLE * it.slots), 1) if it.slots >= FEWEST else None
    return Adherence(
        percent, it.slots, {name: count for name, count in zip(ITEM_STATES, it.counts, strict=True) if count}
    )


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The items by week, by exercise, by bout, ...: what can be summed up apart; in the order of their first item."""
    found: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return dict(found)


def bout_of(item: Item) -> tuple[str, int]:
    return item.plan_id, item.wall


class Coverage(msgspec.Struct, frozen=True):
    """clinical.md 5.2: days with anything logged, of the days that asked for something and are over or logged."""

    logged: int
    due: int


def coverage(items: Sequence[Item]) -> Coverage:
    due = {item.day for item in items if item.state in COUNTED}
    logged = {item.day for item in items if item.completion_id}
    return Coverage(len(logged & due), len(due))


class Progress(msgspec.Struct, frozen=True):
    """A patient's own view of a week: bouts in which something was done, of those there are, and how many are ahead.

    What is on hold, and what no reminder reached them for, is not asked of them.
    """

    done: int
    due: int
    ahead: int


def progress(items: Iterable[Item]) -> Progress:
    states = [{item.state for item in bout} - {"excused", "not_reached"} for bout in grouped(items, bout_of).values()]
    asked = [it for it in states if it]
    done = sum(not it.isdisjoint(DONE) for it in asked)
    return Progress(done, len(asked), sum("open" in it and it.isdisjoint(DONE) for it in asked))
