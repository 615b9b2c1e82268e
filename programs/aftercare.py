"""aftercare: needling session + protocol -> check-ins, each with opens, target and closes. Pure.

Offsets are elapsed time since the needling session ended, because soreness does not know about clock changes. Source:
clinical.md 1.2 (check-ins the same evening at about 4 to 8 h, at 24 h, at 48 h, at 72 h when still sore, and a one-tap
infection check on day 7, since infections were reported from 3 days to 2 weeks); the widths are our own proposal.
A window is at least 16 h wide: allowed hours of 12 h or more then always have an instant inside it, also over a clock
change. Nothing of the 24 h check-in is sent before 24 h.
"""

from typing import NamedTuple

import msgspec

from programs.instants import DAY, HOUR, Instant

PROTOCOL_VERSION = "2026-11"


class Step(NamedTuple):
    name: str
    opens: Instant  # the three are milliseconds after the needling session ended
    target: Instant
    closes: Instant
    conditional: bool = False


PROTOCOL = (
    Step("evening", 2 * HOUR, 6 * HOUR, 18 * HOUR),
    Step("day1", 24 * HOUR, 24 * HOUR, 40 * HOUR),
    Step("day2", 42 * HOUR, 48 * HOUR, 62 * HOUR),
    Step("day3", 66 * HOUR, 72 * HOUR, 86 * HOUR, conditional=True),
    Step("day7", 6 * DAY + 12 * HOUR, 7 * DAY, 8 * DAY + 12 * HOUR),
)
STEPS = tuple(step.name for step in PROTOCOL)

# An answer is taken long after its window: a warning sign that comes late is still a warning sign.
ANSWERABLE = 14 * DAY


class CheckIn(msgspec.Struct, frozen=True):
    """One planned contact of one needling session, and where it stands."""

    id: str
    patient_id: str
    session_id: str
    step: str
    state: str
    opens: Instant
    target: Instant
    closes: Instant
    asked_at: Instant | None = None
    answered_at: Instant | None = None


def check_ins(patient_id: str, session_id: str, ended_at: Instant) -> list[CheckIn]:
    """All of the protocol's check-ins, in order; ids are the same each time, so that planning again finds the rows."""
    return [
        CheckIn(
            id=f"{session_id}-{step.name}",
            patient_id=patient_id,
            session_id=session_id,
            step=step.name,
            state="conditional" if step.conditional else "open",
            opens=ended_at + step.opens,
            target=ended_at + step.target,
            closes=ended_at + step.closes,
        )
        for step in PROTOCOL
    ]
