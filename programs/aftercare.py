"""aftercare: needling session + protocol -> check-ins, each with opens, target and closes. Pure.

Offsets are elapsed time since the needling session ended, because soreness does not know about clock changes. Source:
clinical.md 1.2 (check-ins the same evening at about 4 to 8 h, at 24 h, at 48 h, at 72 h when still sore, and a one-tap
infection check on day 7, since infections were reported from 3 days to 2 weeks); the widths are our own proposal.
A window is at least 16 h wide: allowed hours of 12 h or more then always have an instant inside it, also over a clock
change. Nothing of the 24 h check-in is sent before 24 h.

A clinic may have a protocol of its own (protocols.py keeps them). Its steps are these five, moved, narrowed, left out:
what an answer means hangs on whether it is that of the evening, of 24 h, of 48 h (triage.py).
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from programs.errors import Invalid, did_you_mean
from programs.instants import DAY, HOUR, Instant
from programs.questions import BY_ID

Late = Literal["catch_up", "shift", "skip"]
"""What becomes of a check-in that cannot be asked in time, after an outage or a session recorded late: asked while its
window is open; given a later window of the same length; or, over an hour late, not asked."""
LATES: tuple[Late, ...] = get_args(Late)


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """`also` and `without` are ids of questions asked beside, or left out of, what the step asks by itself."""

    name: str
    opens: Instant  # the three are milliseconds after the needling session ended
    target: Instant
    closes: Instant
    conditional: bool = False
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    late: Late = "catch_up"


PROTOCOL = (
    Step("evening", 2 * HOUR, 6 * HOUR, 18 * HOUR),
    Step("day1", 24 * HOUR, 24 * HOUR, 40 * HOUR),
    Step("day2", 42 * HOUR, 48 * HOUR, 62 * HOUR),
    Step("day3", 66 * HOUR, 72 * HOUR, 86 * HOUR, conditional=True),
    Step("day7", 6 * DAY + 12 * HOUR, 7 * DAY, 8 * DAY + 12 * HOUR, late="shift"),
)
STEPS = tuple(step.name for step in PROTOCOL)

# An answer is taken long after its window: a warning sign that comes late is still a warning sign.
ANSWERABLE = 14 * DAY

NARROWEST = 16 * HOUR
LATEST = 2 * DAY  # after the target: what is older is no longer among a patient's open check-ins
# Between these hours a target may lie and still be what the step's name, its questions and the rules mean by it [P].
TARGETS: Mapping[str, tuple[int, int]] = {
    "evening": (2, 12),
    "day1": (20, 32),
    "day2": (40, 60),
    "day3": (64, 96),
    "day7": (5 * 24, 14 * 24),
}
# Warning signs are always asked, and soreness is what gates and rules read.
MAY_BE_LEFT_OUT = frozenset({"q_usual", "q_move", "q_free"})
SHORTEST_REASON, LONGEST_REASON = 10, 1_000


class Protocol(msgspec.Struct, frozen=True):
    """The steps in order, and for each of STEPS that is not among them why the clinic does without it."""

    steps: tuple[Step, ...] = PROTOCOL
    left_out: Mapping[str, str] = {}

    def step(self, name: str) -> Step | None:
        return next((it for it in self.steps if it.name == name), None)


DEFAULT = Protocol()


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
    late: Late = "catch_up"
    shifted_from: Instant | None = None


def check_ins(patient_id: str, session_id: str, ended_at: Instant, steps: Sequence[Step] = PROTOCOL) -> list[CheckIn]:
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
            late=step.late,
        )
        for step in steps
    ]


def in_time(it: CheckIn, now: Instant) -> CheckIn:
    """As it stands when it is planned only now: one whose window is over may be shifted."""
    return shifted(it, now) if is_to_be_shifted(it, now) else it


def is_to_be_shifted(it: CheckIn, now: Instant) -> bool:
    """Once, and no later than LATEST after its window: a visit of last month is not asked about."""
    return (
        it.late == "shift"
        and it.state == "open"
        and it.asked_at is None
        and it.shifted_from is None
        and it.closes <= now < it.closes + LATEST
    )


def shifted(it: CheckIn, now: Instant) -> CheckIn:
    closes = now + min(it.closes - it.opens, LATEST)
    return msgspec.structs.replace(it, opens=now, target=now, closes=closes, shifted_from=it.target)


def checked(it: Protocol) -> Protocol:
    """Raises Invalid, which names the field: "steps/1/closes". What passes always has an instant to be asked at."""
    names = [step.name for step in it.steps]
    for at, step in enumerate(it.steps):
        if step.name not in STEPS:
            raise Invalid(f"steps/{at}/name", f"must be one of: {', '.join(STEPS)}", did_you_mean(step.name, STEPS))
        if step.name in names[:at]:
            raise Invalid(f"steps/{at}/name", "is there twice")
        _check_window(step, f"steps/{at}")
        _check_policy(step, f"steps/{at}")
        if step.conditional and (step.name != "day3" or "day2" not in names):
            problem = "is for day3 alone, which is asked if the answer of day2 says so"
            raise Invalid(f"steps/{at}/conditional", problem)
    _check_left_out(names, it.left_out)
    return msgspec.structs.replace(it, steps=tuple(sorted(it.steps, key=lambda step: step.target)))


def _check_window(step: Step, where: str) -> None:
    low, high = TARGETS[step.name]
    if not low * HOUR <= step.target <= high * HOUR:
        raise Invalid(f"{where}/target", f"must be from {low} to {high} hours after the needling session")
    if not 0 <= step.opens <= step.target:
        raise Invalid(f"{where}/opens", "must be from 0 hours to the target")
    if not step.target <= step.closes <= step.target + LATEST:
        raise Invalid(f"{where}/closes", "must be from the target to 48 hours after it")
    if step.closes - step.opens < NARROWEST:
        hint = "A patient's quiet hours may take 12 of them, and a clock change one more."
        raise Invalid(f"{where}/closes", "must be at least 16 hours after it opens", hint)


def _check_policy(step: Step, where: str) -> None:
    if step.late not in LATES:
        raise Invalid(f"{where}/late", f"must be one of: {', '.join(LATES)}", did_you_mean(step.late, LATES))
    if step.late == "shift" and step.closes + LATEST > TARGETS[step.name][1] * HOUR:
        hint = "Choose “catch_up” or “skip”: what its answers mean hangs on when they are given."
        raise Invalid(f"{where}/late", "may not be shifted", hint)
    for id in step.without:
        if id not in MAY_BE_LEFT_OUT:
            hint = f"These may be left out: {', '.join(sorted(MAY_BE_LEFT_OUT))}."
            raise Invalid(f"{where}/without", "leaves out a warning sign, soreness or what is no question", hint)
    for id in step.also:
        if id not in BY_ID or BY_ID[id].retired:
            raise Invalid(f"{where}/also", "names a question that is not there", did_you_mean(id, BY_ID))


def _check_left_out(names: Sequence[str], left_out: Mapping[str, str]) -> None:
    for name in STEPS:
        reason = left_out.get(name, "").strip()
        if name not in names and not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
            hint = f"Write why, in {SHORTEST_REASON} to {LONGEST_REASON} characters, under left_out."
            raise Invalid("left_out", f"says no reason for leaving out {name}", hint)
    for name in left_out:
        if name in names or name not in STEPS:
            raise Invalid("left_out", "names a step that is not left out")
    if not names:
        raise Invalid("steps", "must not be empty", "To ask nothing of one patient, withdraw their consent.")
