"""What an invented patient answers and logs, from what they are like. Pure; draws from the Random handed in.

Soreness follows clinical.md 1.1: highest straight after needling, the steepest fall between hours 6 and 12, nearly gone
at 48 h. Those who `rises` are the atypical ones of 1.2.1, for whom somebody should call.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from programs import triage
from programs.completions import Completion, Outcome, Reason
from programs.instants import Instant
from programs.questions import Question
from programs.schedule import Bout, day_of, time_of
from service.simulation.invented import Habits

# (hours after needling, share of the first soreness that is left)
CURVE = ((0, 1.0), (6, 0.9), (12, 0.6), (24, 0.4), (48, 0.12), (72, 0.04), (168, 0.0))
REASONS: tuple[Reason, ...] = ("too_sore", "no_time", "no_time", "forgot", "unsure_how", "unwell")
REMARKS = ("Could I swim tomorrow?", "The left side feels looser.", "Is a bruise usual?")


def soreness(habits: Habits, hours: float, chance: random.Random) -> int:
    """0 to 10 at this many hours after needling."""
    left = _curve(hours)
    if habits.rises and hours > 40:
        left = max(0.9 - 0.006 * (hours - 40), 0.3)
    return min(10, max(0, round(habits.sore * left + chance.uniform(-0.7, 0.7))))


def _curve(hours: float) -> float:
    for (start, high), (end, low) in pairwise(CURVE):
        if hours < end:
            return high + (low - high) * max(0.0, hours - start) / (end - start)
    return 0.0


def answers(
    questions: Sequence[Question], habits: Habits, hours: float, chance: random.Random, alarm: str | None = None
) -> dict[str, Any]:
    """An answer to every question. `alarm` is the tier of a warning sign to report; without it they are rare."""
    if alarm is None:
        alarm = next((tier for tier, share in habits.alarms.items() if chance.random() < share), None)
    signs = alarm_signs(questions, alarm) if alarm else {}
    sign = chance.choice(sorted(signs)) if signs else ""
    said = {it.id: _answer(it, habits, hours, chance) for it in questions}
    return {id: value for id, value in {**said, **({sign: signs[sign]} if sign else {})}.items() if value is not None}


def alarm_signs(questions: Sequence[Question], tier: str) -> Mapping[str, bool | str]:
    """Question -> the answer that makes a flag of this tier, among those asked."""
    signs: dict[str, bool | str] = {}
    for question in questions:
        values: tuple[bool | str, ...] = (True, *question.options)
        for value in values:
            found = triage.triage("evening", {question.id: value}, {}, 6)
            if found and found[0].tier == tier and question.kind != "free_text":
                signs[question.id] = value
    return signs


def _answer(question: Question, habits: Habits, hours: float, chance: random.Random) -> bool | int | str | None:
    if question.id == "q_sore":
        return soreness(habits, hours, chance)
    if question.id == "q_usual":
        return min(10, max(0, round(4 - hours / 60 + chance.uniform(-1, 1))))
    match question.kind:
        case "yes_no":
            return False
        case "yes_some_no":
            return chance.choice(("yes", "yes", "some", "no"))
        case "choice":
            return question.options[0]
        case _:
            return chance.choice(REMARKS) if chance.random() < 0.02 else None


def completions(bout: Bout, done: Collection[str], at: Instant, chance: random.Random) -> list[Completion]:
    """What is logged of a bout beyond what is `done` already: mostly all of it, at times a part, or why not."""
    return [
        _completion(bout, due.exercise, due.dosage.sets, at, chance) for due in bout.wanted if due.exercise not in done
    ]


def _completion(bout: Bout, exercise: str, sets: int, at: Instant, chance: random.Random) -> Completion:
    outcome: Outcome = chance.choices(("done", "partly", "skipped"), (0.86, 0.08, 0.06))[0]
    return Completion(
        id=f"{bout.plan_id}-{bout.wall}-{exercise}",
        plan_id=bout.plan_id,
        exercise=exercise,
        date=day_of(bout.wall),
        time=time_of(bout.wall),
        outcome=outcome,
        done_at=at,
        sets={"done": sets, "partly": max(1, sets // 2), "skipped": None}[outcome],
        pain=chance.randint(0, 4) if outcome != "skipped" else None,
        reason=chance.choice(REASONS) if outcome == "skipped" else None,
    )
