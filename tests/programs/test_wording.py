"""What a patient reads keeps to clinical.md 7.4: no diagnosis, no promise, no blame, no myth."""

import re
from collections.abc import Iterator

import pytest

from programs import errors
from programs.dosage import say
from programs.exercises import GENTLE, library, stop_words
from programs.questions import QUESTIONS
from programs.triage import SAFETY_TEXTS, TIERS, Tier, safety_text, unwell_text

# Column "Avoid" of 7.4, and what section 0 says not to carry over.
FORBIDDEN = (
    r"diagnos",
    r"\bdetect",
    r"\bscreen(s|ed|ing)?\b",
    r"\btreat(s|ed|ment)?\b",
    r"\bheal(s|ed|ing)?\b",
    r"\bcur(e|es|ed)\b",
    r"\breliev|\brelief\b",
    r"speeds? (up )?(your )?recovery",
    r"you are (fine|safe|normal|ok)\b",
    r"all clear|nothing to worry|no need to worry",
    r"(?<!do )(?<!if )\byou (may |might |could )?have an? ",
    r"recommended for you|personali[sz]ed",
    r"\bAI\b",
    r"\bmonitor(s|ed|ing)?\b|watch(es)? over|24/7",
    r"\bproven\b|\bvalidated\b|guarantee",
    r"(it|soreness) (is|means it is) working|means it work",
    r"\bflush|\btoxin|\bknots?\b|\bmelt",
    r"complian|\bfail(s|ed|ure)?\b|\bmissed\b",
    r"reduces? hospital|improves? outcomes?",
    r"pneumothorax|collapsed lung|\bclot\b|thrombosis|cauda|nerve damage|infection|sepsis",
    r"\bdormant\b|root cause|meridian|resets?\b",
    r"no pain,? no gain",
)


def patient_texts() -> Iterator[str]:
    for question in QUESTIONS:
        yield from question.text.values()
        yield from (label for labels in question.labels.values() for label in labels)
    for card in library().values():
        yield say(card.dosage)
        for text in card.words.values():
            yield from (text.title, text.start, *text.steps, text.easier, text.harder, text.feel)
            yield from (*text.care, *text.cautions.values())
    for language in SAFETY_TEXTS:
        yield from (safety_text(tier, "112", "555 0100", language) for tier in TIERS)
        yield from (unwell_text("112", language), stop_words(5, language), GENTLE[language])
    yield from (error.to_person for error in (errors.ProgramsError, errors.NoSuchRecord, errors.Conflict))


@pytest.mark.parametrize("phrase", FORBIDDEN)
def test_no_patient_text_says_what_7_4_avoids(phrase: str) -> None:
    flags = 0 if phrase == r"\bAI\b" else re.IGNORECASE
    assert [text for text in patient_texts() if re.search(phrase, text, flags)] == []


def test_each_forbidden_phrase_would_be_caught() -> None:
    caught = (
        "This treats pain and heals you. You may have a clot. You are fine. Soreness means it is working. "
        "It detects infection. Recommended for you. It is proven to flush toxins. You missed a day."
    )
    assert sum(bool(re.search(phrase, caught, re.IGNORECASE)) for phrase in FORBIDDEN) >= 10


@pytest.mark.parametrize("tier", TIERS)
def test_a_safety_text_speaks_of_the_answer_and_not_of_a_condition(tier: Tier) -> None:
    assert "Your answer means your clinic wants" in SAFETY_TEXTS["en"][tier]
