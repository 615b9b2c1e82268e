"""What answers mean: rules in one table turn them into findings. It routes; it never says what is wrong, nor that
nothing is. No finding is not "fine", and free text is passed on to a human unread. Pure.

A rule is added by one entry in RULES. Thresholds are proposals [P] of clinical.md until a clinician approves them,
clinic by clinic (rules.py). Whatever a rule says or does is changed only together with its version.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from programs.questions import BY_ID, Answers, Question, Step
from programs.wording import words

Tier = Literal["emergency", "same_day", "next_visit"]
TIERS: tuple[Tier, ...] = ("emergency", "same_day", "next_visit")  # worst first
NOT_APPROVED = "not yet approved by a clinician"


class Seen(msgspec.Struct, frozen=True):
    """What a rule may look at; `earlier` are the answers of the same needling session's earlier steps."""

    step: Step
    answers: Answers
    earlier: Mapping[Step, Answers]
    hours: float


Inputs = dict[str, Any]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`when` gives the answers it fired on, or None; `says` is the whole rule in words, threshold included."""

    id: str
    tier: Tier
    when: Callable[[Seen], Inputs | None]
    says: str
    source: str
    version: str = "1"


class Standing(NamedTuple):
    """What a clinic decided about a rule: who approved which version of it, or that it is off."""

    version: str
    approved_by: str
    off: bool = False


class Finding(msgspec.Struct, frozen=True):
    """One rule that fired; what the clinic's flag is made of."""

    tier: Tier
    rule: str
    rule_version: str
    source: str
    inputs: Inputs
    approved_by: str = NOT_APPROVED


def _chose(question: str, *options: bool | str) -> Callable[[Seen], Inputs | None]:
    def when(seen: Seen) -> Inputs | None:
        answer = seen.answers.get(question)
        return {question: answer} if answer in options else None

    return when


def _yes(question: str) -> Callable[[Seen], Inputs | None]:
    return _chose(question, True)


def _severe(seen: Seen) -> Inputs | None:
    sore = _score(seen.answers, "q_sore")
    return {"q_sore": sore} if sore is not None and sore >= 8 else None


def _rising(seen: Seen) -> Inputs | None:
    """Soreness goes down from about hour 12 (1.2.1), so two points up between 24 and 48 h are worth a call."""
    before, now = _score(seen.earlier.get("day1", {}), "q_sore"), _score(seen.answers, "q_sore")
    if seen.step != "day2" or before is None or now is None or now < before + 2:
        return None
    return {"q_sore": now, "q_sore_day1": before}


def _lasting(seen: Seen) -> Inputs | None:
    """By step or by hours: a 72 h check-in may be answered a little early, a 48 h one late."""
    sore = _score(seen.answers, "q_sore")
    late = seen.step == "day3" or seen.hours >= 72
    return {"q_sore": sore, "hours": seen.hours} if late and sore is not None and sore >= 4 else None


def _usual_worse(seen: Seen) -> Inputs | None:
    """Against the lowest earlier score of this needling session."""
    scores = [score for answers in seen.earlier.values() if (score := _score(answers, "q_usual")) is not None]
    now = _score(seen.answers, "q_usual")
    if now is None or not scores or now < min(scores) + 2:
        return None
    return {"q_usual": now, "q_usual_lowest": min(scores)}


def _written(seen: Seen) -> Inputs | None:
    """That something was written, never what: a human reads it."""
    text = seen.answers.get("q_free")
    return {"q_free": "written"} if isinstance(text, str) and text.strip() else None


def _score(answers: Answers, question: str) -> int | None:
    answer = answers.get(question)
    return answer if isinstance(answer, int) and not isinstance(answer, bool) else None


_RED, _ORANGE = "clinical.md 2.4 tier 3, 2.5", "clinical.md 2.4 tier 2, 2.5"


def _asked(id: str, tier: Tier, source: str) -> Rule:
    """A warning sign that was asked about and is there."""
    return Rule(id=id, tier=tier, when=_yes(id), says=f"“{BY_ID[id].say('en')}” Yes.", source=f"{source} {id} [K]")


RULES: tuple[Rule, ...] = (
    _asked("rf_breath", "emergency", _RED),
    _asked("rf_chest", "emergency", _RED),
    _asked("rf_blood", "emergency", _RED),
    Rule(
        id="rf_collapse_not_recovered",
        tier="emergency",
        when=_chose("rf_collapse", "fainted_not_recovered", "fainted_hurt"),
        says="Fainted since the visit, and hurt or not feeling like themselves yet.",
        source=f"{_RED} rf_collapse [K]",
    ),
    Rule(
        id="rf_bleed",
        tier="emergency",
        when=_yes("rf_bleed"),
        says=f"“{BY_ID['rf_bleed'].say('en')}” Yes.",
        source=f"{_RED} rf_bleed [K], 10 min [P]",
    ),
    _asked("rf_cauda", "emergency", _RED),
    _asked("rf_belly", "emergency", _RED),
    Rule(
        id="rf_collapse",
        tier="same_day",
        when=_chose("rf_collapse", "nearly", "fainted_recovered"),
        says="Nearly fainted since the visit, or fainted and feeling like themselves again.",
        source=f"{_ORANGE} rf_collapse [K]",
    ),
    Rule(
        id="rf_cough",
        tier="same_day",
        when=_yes("rf_cough"),
        says=f"“{BY_ID['rf_cough'].say('en')}” Yes.",
        source="clinical.md 2.5 rf_cough [P], 2.2 Patel [S]",
    ),
    _asked("rf_nerve", "same_day", _ORANGE),
    _asked("rf_swell", "same_day", _ORANGE),
    _asked("rf_infect", "same_day", _ORANGE),
    _asked("rf_calf", "same_day", _ORANGE),
    Rule(
        id="sore_severe",
        tier="same_day",
        when=_severe,
        says="Soreness where the needles went is 8 of 10 or more, at any time.",
        source="clinical.md 2.4 tier 2: pain 8 of 10 or more [P]",
    ),
    Rule(
        id="sore_rising",
        tier="same_day",
        when=_rising,
        says="Soreness at the 48 h check-in is 2 points or more above the 24 h check-in of the same needling session.",
        source="clinical.md 2.4 tier 2, 1.2.1: 48 h over 24 h [P]",
    ),
    Rule(
        id="sore_lasting",
        tier="next_visit",
        when=_lasting,
        says="Soreness is 4 of 10 or more at the 72 h check-in, or 72 hours or more after that needling session.",
        source="clinical.md 2.4 tier 1, 1.2.1: 72 h [P]",
    ),
    Rule(
        id="usual_worse",
        tier="next_visit",
        when=_usual_worse,
        says="The usual pain is 2 points or more above the lowest earlier answer after the same needling session.",
        source="clinical.md 2.4 tier 1: usual pain a bit worse [K]; two points: 3.1 Suzuki 2020 [S]",
    ),
    Rule(
        id="written",
        tier="next_visit",
        when=_written,
        says="The patient wrote something. No rule reads it; a person does.",
        source="clinical.md 2.5 q_free: human reads [P]",
    ),
)
RULE: Mapping[str, Rule] = {rule.id: rule for rule in RULES}


def triage(
    step: Step,
    answers: Answers,
    earlier: Mapping[Step, Answers],
    hours: float,
    standing: Mapping[str, Standing] | None = None,
) -> tuple[Finding, ...]:
    """Every rule that fires and is not off at this clinic, worst first; `hours` since that needling session ended.

    Checked answers only. Each finding says who approved that version of its rule, or that nobody has.
    """
    seen, standing = Seen(step, answers, earlier, hours), standing or {}
    return tuple(
        Finding(rule.tier, rule.id, rule.version, rule.source, inputs, approver(rule, standing.get(rule.id)))
        for rule in RULES
        if not ((it := standing.get(rule.id)) and it.off) and (inputs := rule.when(seen)) is not None
    )


def approver(rule: Rule, standing: Standing | None) -> str:
    """A changed rule has a new version, which nobody has approved yet."""
    return standing.approved_by if standing and standing.version == rule.version else NOT_APPROVED


def needs_day3(answers: Answers, findings: tuple[Finding, ...]) -> bool:
    """Whether to ask at 72 h (1.2.4), after the 48 h check-in was answered; no score counts as 3, never as well."""
    score = _score(answers, "q_sore")
    return score is None or score >= 3 or any(finding.rule != "written" for finding in findings)


# Words of clinical.md 7.4 and actions of 2.4 [K]/[P]; fixed, so that nothing is worded by the software.


def safety_text(tier: Tier, emergency_number: str, clinic_phone: str, language: str = "en") -> str:
    """What the patient sees at once. No number: their local one is named in words."""
    it = words(language).safety
    text: str = getattr(it, tier)
    phone = it.phone.format(phone=clinic_phone) if clinic_phone else it.phone_unknown
    unwell = unwell_text(emergency_number, language)
    return text.format(number=emergency_number or it.local_number, phone=phone, unwell=unwell)


def off_text(emergency_number: str, language: str = "en") -> str:
    """What a patient reads where their clinic has switched triage off: that nobody is told, and what to do."""
    return words(language).forms.triage_off.format(unwell=unwell_text(emergency_number, language))


def beside(question: Question, emergency_number: str, language: str, off: bool) -> str:
    """What stands beside a question: who reads one's own words and, where no rule weighs the answer, what to do."""
    it = words(language)
    if question.kind == "free_text":
        return it.forms.free_text.format(unwell=unwell_text(emergency_number, language))
    asked = it.questions.get(question.id)
    return asked.urgent.format(number=emergency_number or it.safety.local_number) if off and asked else ""


def unwell_text(emergency_number: str, language: str = "en") -> str:
    """The line every screen of a check-in carries (clinical.md 2.5)."""
    it = words(language).safety
    return it.unwell.format(number=emergency_number or it.local_number)
