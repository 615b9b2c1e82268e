"""What a patient reads keeps to clinical.md 7.4 in every language: no diagnosis, no promise, no blame, no myth.

And it is read with ease: reading age 12 or lower, a screen at a time (7.6).
"""

import re
from collections.abc import Iterator

import pytest

from programs import errors, exercises
from programs.dosage import say
from programs.exercises import library, stop_words
from programs.letters import as_text
from programs.muscles import MUSCLES
from programs.questions import QUESTIONS, STEPS, asks
from programs.triage import RULES, TIERS, Seen, Tier, safety_text, unwell_text
from programs.wording import Words, languages, words
from tests.reading_age import OLDEST, reading_age

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


# The same in Spanish.
FORBIDDEN_ES = (
    r"diagn[oó]stic",
    r"\bdetect",
    r"\btrata(r|s|n|mos|miento|mientos)?\b",
    r"\b(curan?|curar|sanan?|sanar)\b",
    r"\balivia|\balivio\b",
    r"est[aá]s (bien|sano|sana|a salvo)\b|todo est[aá] bien|es normal\b",
    r"no te preocupes|nada de qu[eé] preocuparse",
    r"(?<!si )(?<!¿)\btienes una?\b|puedes tener\b|podr[ií]as tener\b",
    r"recomendado para ti|personalizad",
    r"\bvigila|\bsupervisa|\bmonitor|24/7",
    r"\bprobado\b|\bvalidado\b|garanti",
    r"(est[aá]|quiere decir que) (funciona|haciendo efecto)",
    r"\btoxina|\bnudos?\b|\bderrite",
    r"cumplimiento|\bfall(o|aste|ado)\b|no cumpli",
    r"neumot[oó]rax|trombosis|co[aá]gulo|\binfecci[oó]n|sepsis|cauda",
)
CAUGHT = {
    "en": (
        "This treats pain and heals you. You may have a clot. You are fine. Soreness means it is working. "
        "It detects infection. Recommended for you. It is proven to flush toxins. You missed a day."
    ),
    "es": (
        "Esto trata y cura el dolor. Puedes tener un coágulo. Estás bien, no te preocupes. Es un tratamiento probado y "
        "personalizado que alivia y detecta la infección y los nudos. Te vigilamos. Hay un fallo de cumplimiento."
    ),
}


def sentences(it: Words) -> Iterator[str]:
    for asked in it.questions.values():
        yield from (asked.text, *asked.options, *([asked.urgent] if asked.urgent else []))
    for part in (it.safety, it.forms, it.outcomes):
        yield from (getattr(part, name) for name in part.__struct_fields__)


def patient_texts(language: str) -> Iterator[str]:
    yield from sentences(words(language))
    for question in QUESTIONS:
        yield from (question.say(language), *(label for _, label in question.choices(language)))
    for card in library().values():
        text, dose = exercises.words(card, language), say(card.dosage, language)
        yield from (text.title, text.start, *text.steps, text.easier, text.harder, text.feel, dose)
        yield from (*text.care, *text.cautions.values())
    yield from (safety_text(tier, "112", "555 0100", language) for tier in TIERS)
    yield from (stop_words(5, language), words(language).cards.gentle)
    if language == "en":
        yield from (error.to_person for error in (errors.ProgramsError, errors.NoSuchRecord, errors.Conflict))


@pytest.mark.parametrize(
    ("language", "phrase"),
    [*(("en", phrase) for phrase in FORBIDDEN), *(("es", phrase) for phrase in FORBIDDEN_ES)],
)
def test_no_patient_text_says_what_7_4_avoids(language: str, phrase: str) -> None:
    flags = 0 if phrase == r"\bAI\b" else re.IGNORECASE
    assert [text for text in patient_texts(language) if re.search(phrase, text, flags)] == []


@pytest.mark.parametrize(("language", "phrases"), [("en", FORBIDDEN), ("es", FORBIDDEN_ES)])
def test_each_forbidden_phrase_would_be_caught(language: str, phrases: tuple[str, ...]) -> None:
    assert sum(bool(re.search(phrase, CAUGHT[language], re.IGNORECASE)) for phrase in phrases) >= 10


def test_every_language_has_a_list_of_what_it_avoids() -> None:
    assert set(languages()) == set(CAUGHT)


@pytest.mark.parametrize("tier", TIERS)
def test_a_safety_text_speaks_of_the_answer_and_not_of_a_condition(tier: Tier) -> None:
    assert "Your answer means your clinic wants" in safety_text(tier, "112", "")
    assert "Tu respuesta significa que tu clínica quiere" in safety_text(tier, "112", "", "es")


# languages


@pytest.mark.parametrize("language", languages())
def test_a_shipped_language_leaves_nothing_to_english(language: str) -> None:
    """A file may be partial; ours are not."""
    english = set(sentences(words("en")))
    same = {"No", "N"}  # the same word in both
    left = [text for text in sentences(words(language)) if text in english and text not in same]
    assert left == [] or language == "en"
    placeholders = [set(re.findall(r"{\w+}", text)) for text in sentences(words(language))]
    assert placeholders == [set(re.findall(r"{\w+}", text)) for text in sentences(words("en"))]


def test_what_an_emergency_may_be_seen_in_says_what_to_do_where_no_rule_reads_it() -> None:
    """On paper, and where triage is off."""
    urgent = set()
    for question in QUESTIONS:
        for answer in question.options or (True,):
            seen = Seen("evening", {question.id: answer}, {}, 6)
            if any(rule.tier == "emergency" and rule.when(seen) for rule in RULES):
                urgent.add(question.id)
    for it in languages().values():
        assert {id for id, asked in it.questions.items() if asked.urgent} == urgent


# reading age


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("step", STEPS)
def test_every_check_in_is_read_at_twelve(step: str, language: str) -> None:
    for muscle in MUSCLES:
        asked = asks([muscle.id], step)  # type: ignore[arg-type]
        labels = (label for question in asked for _, label in question.choices(language))
        assert reading_age([*(question.say(language) for question in asked), *labels], language) <= OLDEST, muscle.id
        assert reading_age(as_text(asked, language, "112"), language) <= OLDEST


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("number", ["112", ""])
def test_every_safety_text_and_form_is_read_at_twelve(number: str, language: str) -> None:
    for tier in TIERS:
        assert reading_age(safety_text(tier, number, "555 0100", language), language) <= OLDEST
    it, unwell = words(language), unwell_text(number, language)
    for text in (it.forms.triage_off, it.forms.free_text):
        assert reading_age(text.format(unwell=unwell), language) <= OLDEST
    assert reading_age([getattr(it.outcomes, name) for name in it.outcomes.__struct_fields__], language) <= OLDEST
