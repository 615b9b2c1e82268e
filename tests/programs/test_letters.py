"""A check-in in letters: read back strictly, and the same answers come out that went in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs.errors import Invalid
from programs.letters import as_text, parse_letters, write_letters
from programs.muscles import MUSCLES
from programs.questions import FREE_TEXT, STEPS, Answer, Question, asks
from programs.wording import languages

EVENING = asks(["gluteus medius"], "evening")  # rf_collapse, rf_bleed, q_sore, q_usual, q_free


def an_answer(question: Question) -> st.SearchStrategy[Answer]:
    match question.kind:
        case "yes_no":
            return st.booleans()
        case "scale_0_10":
            return st.integers(0, 10)
        case "free_text":
            letters = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")
            return st.text(letters, max_size=60).filter(lambda text: bool(text.strip()) and len(text) <= FREE_TEXT)
    return st.sampled_from(question.options)


@st.composite
def answered(draw: Any) -> tuple[tuple[Question, ...], dict[str, Answer]]:
    """A check-in of any muscles and step, and at least one answer to it."""
    muscles = draw(st.lists(st.sampled_from([muscle.id for muscle in MUSCLES]), max_size=3))
    questions = asks(muscles, draw(st.sampled_from(STEPS)))
    chosen = draw(st.lists(st.sampled_from(questions), min_size=1, unique_by=lambda it: it.id))
    return questions, {question.id: draw(an_answer(question)) for question in chosen}


@given(answered(), st.sampled_from(list(languages())))
def test_answers_in_letters_come_back_as_they_were(it: Any, language: str) -> None:
    questions, answers = it
    back = parse_letters(write_letters(questions, answers, language), questions, language)
    assert back == answers
    assert {id: type(answer) for id, answer in back.items()} == {id: type(answer) for id, answer in answers.items()}


def test_the_form_is_a_line_a_question_with_what_to_do_where_it_may_be_urgent() -> None:
    lines = as_text(EVENING, "en", "911").splitlines()
    assert lines == [
        "Check-in after your visit",
        "If you feel very unwell, call 911 now.",
        "1. Have you fainted, or nearly fainted, since your visit? A: No; B: Nearly, but I did not pass out; "
        "C: I fainted and feel like myself again; D: I fainted and hurt myself; "
        "E: I fainted and do not feel like myself yet "
        "If you hurt yourself or do not feel like yourself yet, call 911 now.",
        "2. Is any spot still bleeding after 10 minutes of firm pressure? Y/N If yes, call 911 now.",
        "3. 0 to 10: how sore is it where the needles went? 0-10 (0: none, 10: worst you can imagine)",
        "4. 0 to 10: how bad is your usual problem pain? 0-10 (0: none, 10: worst you can imagine)",
        "Answer in this order, with a space between. Put - for one you leave out. For example: A N 3 3",
        "You can add your own words after a #. A person at your clinic reads this, but not right away. "
        "If you feel very unwell, call 911 now.",
    ]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("step", STEPS)
def test_the_example_on_the_form_can_be_sent_back(step: Any, language: str) -> None:
    questions = asks([], step)
    form = as_text(questions, language, "")
    example = form.splitlines()[-2 if any(it.kind == "free_text" for it in questions) else -1].rpartition(": ")[2]
    assert parse_letters(example, questions, language)
    assert "{" not in form


def test_case_and_spaces_do_not_matter_and_own_words_are_kept_as_they_are() -> None:
    said = parse_letters("  a n\n10  - #  I cannot breathe # well ", EVENING, "en")
    assert said == {"rf_collapse": "no", "rf_bleed": False, "q_sore": 10, "q_free": " I cannot breathe # well "}
    assert parse_letters("A S 3 3", EVENING, "es")["rf_bleed"] is True


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("A N 3", "answers", "there must be 4, in order, not 3"),
        ("A N 3 3 N", "answers", "there must be 4, in order, not 5"),
        ("", "answers", "there must be 4, in order, not 0"),
        ("F N 3 3", "answer 1", "must be one of A, B, C, D, E"),
        ("A S 3 3", "answer 2", "must be one of Y, N"),
        ("A N 11 3", "answer 3", "must be a number from 0 to 10"),
        ("A N 3 ３", "answer 4", "must be a number from 0 to 10"),
        ("A N 3 3.5", "answer 4", "must be a number from 0 to 10"),
        ("A N 03 3", "answer 3", "must be a number from 0 to 10"),
        ("AN33", "answers", "there must be 4, in order, not 1"),
        ("- - - -", "answers", "give at least one answer"),
    ],
)
def test_what_is_not_an_answer_is_refused_and_not_guessed_at(text: str, field: str, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_letters(text, EVENING, "en")
    assert (refused.value.field, refused.value.problem) == (field, problem)


def test_own_words_where_none_are_asked_for_are_refused() -> None:
    with pytest.raises(Invalid, match="words after a #"):
        parse_letters("N # hello", asks(["gluteus medius"], "day7"), "en")
