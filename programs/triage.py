"""What answers mean: rules in one table turn them into findings. It routes; it never says what is wrong, nor that
nothing is. No finding is not "fine", and free text is passed on to a human unread.

A rule is added by one entry in RULES. Thresholds are proposals [P] of clinical.md until a clinician approves them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from programs.questions import Answers, Step
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
    """`when` gives the answers it fired on, or None."""

    id: str
    tier: Tier
    when: Callable[[Seen], Inputs | None]
    source: str
    version: str = "1"
    approved_by: str = NOT_APPROVED


class Finding(msgspec.Struct, frozen=True):
    """One rule that fired; what the clinic's flag is made of."""

    tier: Tier
    rule: str
    rule_version: str
    source: str
    inputs: Inputs


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

RULES: tuple[Rule, ...] = (
    Rule(id="rf_breath", tier="emergency", when=_yes("rf_breath"), source=f"{_RED} rf_breath [K]"),
    Rule(id="rf_chest", tier="emergency", when=_yes("rf_chest"), source=f"{_RED} rf_chest [K]"),
    Rule(id="rf_blood", tier="emergency", when=_yes("rf_blood"), source=f"{_RED} rf_blood [K]"),
    Rule(
        id="rf_collapse_not_recovered",
        tier="emergency",
        when=_chose("rf_collapse", "fainted_not_recovered", "fainted_hurt"),
        source=f"{_RED} rf_collapse [K]",
    ),
    Rule(id="rf_bleed", tier="emergency", when=_yes("rf_bleed"), source=f"{_RED} rf_bleed [K], 10 min [P]"),
    Rule(id="rf_cauda", tier="emergency", when=_yes("rf_cauda"), source=f"{_RED} rf_cauda [K]"),
    Rule(id="rf_belly", tier="emergency", when=_yes("rf_belly"), source=f"{_RED} rf_belly [K]"),
    Rule(
        id="rf_collapse",
        tier="same_day",
        when=_chose("rf_collapse", "nearly", "fainted_recovered"),
        source=f"{_ORANGE} rf_collapse [K]",
    ),
    Rule(id="rf_cough", tier="same_day", when=_yes("rf_cough"), source="clinical.md 2.5 rf_cough [P], 2.2 Patel [S]"),
    Rule(id="rf_nerve", tier="same_day", when=_yes("rf_nerve"), source=f"{_ORANGE} rf_nerve [K]"),
    Rule(id="rf_swell", tier="same_day", when=_yes("rf_swell"), source=f"{_ORANGE} rf_swell [K]"),
    Rule(id="rf_infect", tier="same_day", when=_yes("rf_infect"), source=f"{_ORANGE} rf_infect [K]"),
    Rule(id="rf_calf", tier="same_day", when=_yes("rf_calf"), source=f"{_ORANGE} rf_calf [K]"),
    Rule(id="sore_severe", tier="same_day", when=_severe, source="clinical.md 2.4 tier 2: pain 8 of 10 or more [P]"),
    Rule(id="sore_rising", tier="same_day", when=_rising, source="clinical.md 2.4 tier 2, 1.2.1: 48 h over 24 h [P]"),
    Rule(id="sore_lasting", tier="next_visit", when=_lasting, source="clinical.md 2.4 tier 1, 1.2.1: 72 h [P]"),
    Rule(
        id="usual_worse",
        tier="next_visit",
        when=_usual_worse,
        source="clinical.md 2.4 tier 1: usual pain a bit worse [K]; two points: 3.1 Suzuki 2020 [S]",
    ),
    Rule(id="written", tier="next_visit", when=_written, source="clinical.md 2.5 q_free: human reads [P]"),
)


def triage(step: Step, answers: Answers, earlier: Mapping[Step, Answers], hours: float) -> tuple[Finding, ...]:
    """Every rule that fires, worst first; `hours` since the needling session ended. Checked answers only."""
    seen = Seen(step, answers, earlier, hours)
    return tuple(
        Finding(rule.tier, rule.id, rule.version, rule.source, inputs)
        for rule in RULES
        if (inputs := rule.when(seen)) is not None
    )


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


def unwell_text(emergency_number: str, language: str = "en") -> str:
    """The line every screen of a check-in carries (clinical.md 2.5)."""
    it = words(language).safety
    return it.unwell.format(number=emergency_number or it.local_number)
