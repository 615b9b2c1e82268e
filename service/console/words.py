"""How the pages say it: times on a person's own clock, states, rules and answers in plain words. Nothing is decided."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from notifications import addresses, explain, stops
from notifications.agenda import Reason
from notifications.history import Story
from notifications.timing import zone
from programs import exercises, questions, wording
from programs.aftercare import CheckIn
from programs.checkins import Flag
from programs.instants import MINUTE, Instant
from programs.phases import Standing
from programs.questions import Question
from programs.schedule import Course, day_of, time_of
from programs.triage import Finding

TIERS = {"emergency": "Emergency", "same_day": "Same day", "next_visit": "Next visit"}
STEPS = {"evening": "Same evening", "day1": "24 h", "day2": "48 h", "day3": "72 h", "day7": "Day 7"}
PATIENT_STEPS = {
    "evening": "The evening of your visit",
    "day1": "One day after your visit",
    "day2": "Two days after your visit",
    "day3": "Three days after your visit",
    "day7": "One week after your visit",
}
# "Missed" is said to nobody: clinical.md 7.4.
ITEMS = {
    "done": "done",
    "partly": "partly done",
    "late": "done late",
    "skipped": "skipped",
    "missed": "not logged",
    "excused": "on hold",
    "not_reached": "not reached by a reminder",
    "open": "still open",
}
# The same to the patient: what happened, never what should have.
MY_ITEMS = {
    **ITEMS,
    "late": "done",
    "excused": "on hold, nothing to do",
    "not_reached": "not logged; our reminder did not reach you",
    "open": "still ahead",
}
BANDS = {"on track": "on track", "partial": "partly on track", "low": "low", "not enough data": "not enough data"}
REASONS = {
    "too_sore": "too sore",
    "no_time": "no time",
    "forgot": "forgot",
    "unsure_how": "not sure how",
    "unwell": "unwell",
    "other": "another reason",
}
UNREACHED = {
    "no_address": "no phone or e-mail address that works",
    "failed": "every try to send was refused",
    "expired": "it could not be sent in time",
    "quarantined": "a fault of the software kept it from being sent; whoever runs the server has been told",
}
STOPPED = {
    addresses.STOPPED: "stopped e-mail, and nothing else works",
    stops.STOPPED: "stopped text messages, and nothing else works",
}
LATES = {"catch_up": "ask while its window is open", "shift": "give it a later window", "skip": "do not ask"}
STANDINGS = {"gone": "not used any more", "silent": "taken, but never confirmed", "ok": "works, as far as we know"}


def say_silence(since: Instant, count: int, zone_name: str) -> str:
    return f"{count} messages were taken since {say_time(since, zone_name)}, and not one was confirmed"


def say_ending(it: Story, zone_name: str) -> str:
    return explain.ending(it.state, it.reason, it.wakes_at or 0, zone(zone_name))


# time


def say_date(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def say_day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"


def say_time(at: Instant, zone_name: str) -> str:
    """ "Mon 1 Jun 2026, 11:00" on the clock of that zone"""
    wall = zone(zone_name).minutes(at)
    return f"{say_date(day_of(wall))}, {time_of(wall)}"


def day_at(at: Instant, zone_name: str) -> date:
    """The date on the clock of that zone."""
    return day_of(zone(zone_name).minutes(at))


def say_visit(at: Instant, zone_name: str) -> str:
    """ "Monday 1 June, 11:00": as a patient thinks of it, who needs no year"""
    wall = zone(zone_name).minutes(at)
    return f"{say_day(day_of(wall))}, {time_of(wall)}"


def say_wall(wall: int) -> str:
    return f"{say_date(day_of(wall))}, {time_of(wall)}"


def form_time(at: Instant, zone_name: str) -> str:
    """What a datetime-local field takes: "2026-06-01T11:00" """
    wall = zone(zone_name).minutes(at)
    return f"{day_of(wall).isoformat()}T{time_of(wall)}"


def say_times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def spoken(id: str) -> str:
    """ "too_sore" -> "too sore": for ids that are words already"""
    return id.replace("_", " ")


# check-ins, answers, flags


def check_in_state(it: CheckIn, now: Instant) -> str:
    if it.state == "conditional":
        return "only if still sore at 48 hours" if now < it.closes else "not asked"
    if it.state != "open":
        return spoken(it.state)
    if it.closes <= now:
        return "asked, not answered" if it.asked_at is not None else "not asked"
    if it.asked_at is not None:
        return "asked, waiting for an answer"
    return "planned" if now < it.opens else "open, not asked yet"


def options(question: Question, language: str = "en") -> list[tuple[str, str]]:
    """The value and the words of each answer a person can choose."""
    if question.kind == "yes_no":
        forms = wording.words(language).forms
        return [("yes", forms.yes), ("no", forms.no)]
    if question.kind == "scale_0_10":
        return [(str(score), str(score)) for score in range(11)]
    return question.choices(language)


def say_answer(id: str, answer: Any) -> str:
    if isinstance(answer, bool):
        return "Yes" if answer else "No"
    if isinstance(answer, int):
        return f"{answer} of 10"
    return dict(options(questions.BY_ID[id])).get(answer, str(answer))


def say_answers(answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Question and answer in words, in the order in which they are asked."""
    order = list(questions.BY_ID)
    return [(say_question(id), say_answer(id, answers[id])) for id in sorted(answers, key=order.index)]


def say_question(id: str) -> str:
    return questions.BY_ID[id].say("en")


def plain_noes(answers: Mapping[str, Any]) -> list[str]:
    """The warning signs that were asked about and are not there: read last, and together."""
    asked = (id for id in questions.BY_ID if id.startswith("rf_") and id in answers)
    return [say_question(id) for id in asked if answers[id] in (False, "no")]


def noted(answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything else that was answered."""
    noes = plain_noes(answers)
    return [said for said in say_answers(answers) if said[0] not in noes]


def say_span(span: Instant) -> str:
    """ "12 min", "3 h 5 min", "2 days": as long as somebody has, or as it has been"""
    minutes = max(0, span) // MINUTE
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"


def say_clock(it: Flag, now: Instant) -> str:
    """How much time there is left to acknowledge a flag, or how long it has been over."""
    if it.acknowledge_by is None:
        return ""
    if it.nobody(now):
        return f"Nobody has acknowledged it. Its time was over {say_span(now - it.acknowledge_by)} ago."
    if now >= it.acknowledge_by:
        return f"Overdue for {say_span(now - it.acknowledge_by)}; others have been told."
    return f"{say_span(it.acknowledge_by - now)} left to acknowledge."


MESSAGE_STATES = {
    "pending": "will be told if nobody acknowledges it by then",
    "in_flight": "is being told",
    "accepted": "was told",
    "cancelled": "was not told, as it was acknowledged before",
    "suppressed": "could not be told: no address",
    "failed": "could not be told: refused by the provider",
    "expired": "could not be told in time",
}

# The rules that weigh numbers; every other one says which question was answered how.
_RULES = {
    "sore_severe": "Soreness where the needles went is {q_sore} of 10. The rule fires at 8.",
    "sore_rising": "Soreness went up from {q_sore_day1} of 10 at 24 hours to {q_sore} of 10 at 48 hours.",
    "sore_lasting": "Soreness is still {q_sore} of 10, {hours:.0f} hours after needling.",
    "usual_worse": "The usual pain is {q_usual} of 10; the lowest answer before was {q_usual_lowest} of 10.",
    "written": "The patient wrote something to read.",
    "phase_light": "The light phase of the plan waits: soreness is {q_sore} of 10.",
    "phase_full": "The full phase of the plan waits: soreness is {q_sore} of 10.",
}


def say_finding(it: Finding) -> str:
    """What fired and on which answers, for a clinician."""
    if it.rule in _RULES:
        return _RULES[it.rule].format(**it.inputs)
    return " ".join(f"“{question}” {answer}." for question, answer in say_answers(it.inputs))


# plans and messages


def plan_state(course: Course, here: int) -> str:
    """`here` is the patient's wall now."""
    if course.ended_wall is not None:
        return f"ended {say_date(day_of(course.ended_wall))}"
    terms = course.revisions[-1].terms
    if course.revisions[0].from_wall > here:
        return f"starts {say_date(terms.starts_on)}"
    if terms.ends_on is not None and terms.ends_on < day_of(here):
        return f"ran until {say_date(terms.ends_on)}"
    held = [it for it in course.holds if it.from_wall <= here and (it.until_wall is None or here < it.until_wall)]
    if not held:
        return "running"
    until = held[-1].until_wall
    return f"on hold until {say_date(day_of(until))}" if until is not None else "on hold"


OPTIONAL = {"q_free": "Anything to say", "q_move": "Light movement", "q_usual": "Usual pain"}


def say_who(who: str, names: Mapping[str, str]) -> str:
    """ "clinician:ben" -> "Ben Okafor"; the id of somebody who has no name here"""
    id = who.partition(":")[2] or who
    return names.get(id, id)


PHASES = {"A": "First 24 hours", "B": "24 to 48 hours", "C": "After 48 hours"}
RELEASES = {"A": "Go on where it stood", "B": "Begin the light phase", "C": "Begin the full program"}
_STAGES = {"stop": "the plan is stopped", "A": "phase A, settle", "B": "phase B, light", "C": "phase C, full"}
_WHY = {
    "time": "Phase {next} begins at the earliest {not_before}.",
    "silence": "Phase {next} waits for an answer to the check-in, or for you.",
    "soreness": "Phase {next} waits: the last answer was {sore} of 10. A later answer or you can begin it.",
    "rising": "Phase {next} waits: soreness rose, to {sore} of 10. A later answer or you can begin it.",
    "alarm": "An answer raised an emergency or same-day flag. It goes on when you say so.",
}


def say_gate(it: Standing, zone_name: str) -> str:
    """Where a plan stands after a needling session, and what it waits for."""
    why = _WHY[it.why or "time"].format(next=it.next, sore=it.sore, not_before=say_time(it.not_before, zone_name))
    return f"After needling: {_STAGES[it.stage]}, since {say_time(it.since, zone_name)}. {why}"


def releases(it: Standing) -> tuple[str, ...]:
    """The phases a clinician may begin from here."""
    return {"stop": ("A", "C"), "A": ("B", "C"), "B": ("C",), "C": ()}[it.stage]


KINDS = {"check_in": "check-in", "nudge": "reminder of a check-in", "bout": "reminder of the home program"}
_SUBJECTS = {"check_in": "Check-in", "nudge": "Second prompt, check-in"}


def say_subject(subject: str) -> str:
    """What a message is about. Its key holds ids only: a step's name, or a bout's wall."""
    kind, _, rest = subject.partition(":")
    if kind == "bout":
        return f"Home program of {time_of(int(rest.rpartition(':')[2]))}"
    return f"{_SUBJECTS.get(kind, kind)} {STEPS.get(rest.rpartition('-')[2], '').lower()}".strip()


def say_reasons(reasons: Iterable[Reason], zone_name: str) -> str:
    """Each sentence once: of three prompts merged into one, two often come from the same minute."""
    return " ".join(dict.fromkeys(explain.say(reason, zone(zone_name)) for reason in reasons))


# the pictures of the exercises


def is_drawn(exercise: str) -> bool:
    card = exercises.library().get(exercise)
    return card is not None and card.figure is not None


def figure(exercise: str, side: str, language: str, still: bool) -> str:
    """Where it is served (api/figures.py); a side that is neither left nor right is not asked for."""
    asked = [("still", "true")] * still + [("side", side)] * (side in ("left", "right")) + [("language", language)]
    return f"/exercises/{exercise}.svg?{urlencode(asked)}"
