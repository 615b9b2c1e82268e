"""The evidence of remote monitoring: on which local dates a patient sent something, and what staff spent on it. Pure.

It counts; what may be billed for it is the clinic's decision. Tiers have neutral names that a clinic maps to its own
words: no billing code is shipped here. Rules: clinical.md 6.4 [P]; plain words: docs/monitoring.md.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec

from programs.instants import Instant

WINDOW = 30  # days, consecutive from the first date with data
FEW, MANY = 2, 16  # dates with data in a window

Kind = Literal["exercise", "answer"]
DeviceTier = Literal["device_days_2_15", "device_days_16_30"]
StaffTier = Literal["staff_minutes_10_19", "staff_minutes_20_39", "staff_minutes_40_59", "staff_minutes_60_up"]
TIERS: tuple[str, ...] = (*get_args(DeviceTier), *get_args(StaffTier))
_STAFF: tuple[tuple[int, StaffTier], ...] = (
    (60, "staff_minutes_60_up"),
    (40, "staff_minutes_40_59"),
    (20, "staff_minutes_20_39"),
    (10, "staff_minutes_10_19"),
)


class Sent(NamedTuple):
    """Something the patient said: an exercise done or skipped, or answers. `day` is the local date it is about, by the
    patient's clock then, `received_day` that on which it reached us."""

    day: int
    received_day: int
    kind: Kind
    id: str
    at: Instant


class Window(msgspec.Struct, frozen=True):
    """Local dates [first, last]; `days` are those with data, `still` how many more are needed for the upper tier."""

    first: int
    last: int
    days: tuple[int, ...]
    over: bool

    @property
    def tier(self) -> DeviceTier | None:
        count = len(self.days)
        return "device_days_16_30" if count >= MANY else "device_days_2_15" if count >= FEW else None

    def still(self, today: int) -> int | None:
        """How many more dates the upper tier takes; None where the days left are too few."""
        needed = max(0, MANY - len(self.days))
        open_days = self.last - max(today, self.first) + (0 if today in self.days else 1)
        return needed if needed <= max(0, open_days) else None


class Spent(msgspec.Struct, frozen=True):
    """Minutes spent on a patient on a date of the clinic's; `live`: they spoke, in person, by phone or video.

    `replaces` names the entry that this one corrects; 0 minutes take it back.
    """

    id: str
    patient_id: str
    day: int
    minutes: int
    live: bool
    note: str
    replaces: str | None
    by: str
    at: Instant


class Month(msgspec.Struct, frozen=True):
    """What of a calendar month counts."""

    minutes: int
    live: bool
    entries: tuple[Spent, ...]

    @property
    def tier(self) -> StaffTier | None:
        """Only with at least one live contact in the month."""
        return next((tier for least, tier in _STAFF if self.minutes >= least), None) if self.live else None


def counted(it: Sent, grace: int) -> bool:
    """Data of a date counts if it came in on that date, or so many days later."""
    return it.received_day - it.day <= grace


def windows(sent: Iterable[Sent], today: int, grace: int = 0) -> list[Window]:
    """Consecutive from the first date that counts, until the one that is running. A date counts once."""
    days = sorted({it.day for it in sent if counted(it, grace) and it.day <= today})
    if not days:
        return []
    return [
        Window(
            first,
            first + WINDOW - 1,
            tuple(day for day in days if first <= day < first + WINDOW),
            first + WINDOW <= today,
        )
        for first in range(days[0], today + 1, WINDOW)
    ]


def month(entries: Sequence[Spent], first: int, last: int) -> Month:
    """Of the dates [first, last]: every entry that stands, one that was corrected not."""
    replaced = {it.replaces for it in entries}
    standing = tuple(it for it in entries if it.id not in replaced and it.minutes and first <= it.day <= last)
    return Month(sum(it.minutes for it in standing), any(it.live for it in standing), standing)
