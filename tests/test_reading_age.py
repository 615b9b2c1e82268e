"""The counting behind the reading age: words whose syllables everybody can clap, and texts of known difficulty."""

import pytest

from tests.reading_age import OLDEST, english_syllables, grade, reading_age, spanish_syllables

ENGLISH = {
    1: "call bridge needs legs knees weight eased asked moves the breathe 10 you're toes worse blood through chair's",
    2: "little muscle needle soreness tighten lowered rested pushes walking quiet fainted pressure ankle reaches",
    3: "exercise therapist usual area recovered idea together clinician's",
    4: "emergency information",
}
SPANISH = {
    1: "pie pues bien muy que más seis y 10",
    2: "dolor pierna causa siente cuando quiere día país hielo huevo baile yeso mayo agua cuello león",
    3: "músculo ahora rodilla abdomen caída paseo guitarra llamada poeta terapia oído aguja",
    4: "ejercicio emergencia tobillera aéreo terapeuta",
}
EASY = {
    "en": "Lie on your back. Bend your knees. Push your feet down and lift your hips. Hold a bit. Then let them down.",
    "es": "Ponte de pie. Dobla la pierna. Baja poco a poco. Para si te duele. Luego sube y descansa un rato.",
}
HARD = {
    "en": (
        "Concomitant administration of anticoagulant medication necessitates individualised consideration of the "
        "cumulative haemorrhagic risk associated with intramuscular instrumentation of inaccessible musculature."
    ),
    "es": (
        "La administración concomitante de medicación anticoagulante requiere una consideración individualizada del "
        "riesgo hemorrágico acumulativo asociado a la instrumentación intramuscular de musculatura inaccesible."
    ),
}


@pytest.mark.parametrize(("count", "words"), ENGLISH.items())
def test_english_syllables_are_counted_as_they_are_spoken(count: int, words: str) -> None:
    assert {word: english_syllables(word) for word in words.split()} == dict.fromkeys(words.split(), count)


@pytest.mark.parametrize(("count", "words"), SPANISH.items())
def test_spanish_syllables_are_counted_as_they_are_spoken(count: int, words: str) -> None:
    assert {word: spanish_syllables(word) for word in words.split()} == dict.fromkeys(words.split(), count)


@pytest.mark.parametrize("language", EASY)
def test_easy_words_are_for_the_young_and_hard_ones_are_not(language: str) -> None:
    assert reading_age(EASY[language], language) < 10
    assert reading_age(HARD[language], language) > OLDEST + 4
    assert reading_age([EASY[language], HARD[language]], language) > reading_age(EASY[language], language)


def test_spanish_ease_becomes_the_grade_of_its_band() -> None:
    assert [grade(ease) for ease in (95, 85, 75, 65)] == [4, 5, 6, 7.5]
    assert grade(200) == 2.5
    assert grade(-50) == 16


def test_no_words_have_no_age() -> None:
    with pytest.raises(ValueError, match="without words"):
        reading_age("...", "en")
