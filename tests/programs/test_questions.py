"""The right questions at the right step, most dangerous first, never reworded; answers are of the right kind."""

from hashlib import sha256

import pytest

from programs.errors import Invalid
from programs.muscles import MUSCLES, Muscle
from programs.questions import BY_ID, QUESTIONS, STEPS, Answer, Question, Step, asks, check_answers
from programs.triage import triage
from programs.wording import languages

# clinical.md 2.5, column "Ask when": the steps, then muscles it fits and muscles it does not.
ALL_TO_72H = "evening day1 day2 day3"
ASK_WHEN: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "rf_breath": (ALL_TO_72H, ("upper trapezius", "quadratus lumborum"), ("gluteus medius", "iliopsoas")),
    "rf_chest": (ALL_TO_72H, ("rhomboid major", "infraspinatus"), ("piriformis",)),
    "rf_blood": (ALL_TO_72H, ("pectoralis major",), ("rectus femoris",)),
    "rf_cough": (ALL_TO_72H, ("thoracic multifidus", "external oblique"), ("soleus",)),
    "rf_collapse": ("evening", ("gluteus medius", "masseter"), ()),
    "rf_bleed": ("evening day1", ("gluteus medius", "masseter"), ()),
    "rf_swell": ("day1 day2", ("gluteus medius", "masseter"), ()),
    "rf_nerve": ("day1 day2", ("gluteus medius", "masseter"), ()),
    "rf_cauda": (
        "day1 day2",
        ("quadratus lumborum", "lumbar multifidus", "gluteus maximus", "piriformis", "longissimus thoracis"),
        ("rectus femoris", "iliopsoas", "upper trapezius"),
    ),
    "rf_belly": (
        "evening day1",
        ("quadratus lumborum", "iliopsoas", "rectus abdominis"),
        ("gluteus medius", "rhomboid major"),
    ),
    "rf_infect": ("day2 day7", ("gluteus medius", "masseter"), ()),
    "rf_calf": ("day2", ("gastrocnemius", "biceps femoris", "adductor longus"), ("gluteus medius", "infraspinatus")),
    "q_sore": (ALL_TO_72H, ("gluteus medius", "masseter"), ()),
    "q_usual": (ALL_TO_72H, ("gluteus medius", "masseter"), ()),
    "q_move": ("day1 day2", ("gluteus medius", "masseter"), ()),
    "q_free": (ALL_TO_72H, ("gluteus medius", "masseter"), ()),
}

# A question that was ever asked keeps its words, or an old answer would mean something else. Retire it instead.
WORDED = {
    "en": {
        "rf_breath": "072fa4f2341a",
        "rf_chest": "303100709225",
        "rf_blood": "5b97a558d670",
        "rf_collapse": "c5d47b37e047",
        "rf_bleed": "00b518d3a379",
        "rf_cauda": "f295a0ea9289",
        "rf_belly": "73a68eb45c26",
        "rf_cough": "4257f955d8d9",
        "rf_nerve": "7b212d35c6fb",
        "rf_swell": "4241920fea22",
        "rf_infect": "1f4e0a798b46",
        "rf_calf": "914bc25a7ef2",
        "q_sore": "7b80eb66b843",
        "q_usual": "dd127c430ccd",
        "q_move": "4ea0d4c2a7f5",
        "q_free": "eb3557cbd332",
    },
    "es": {
        "rf_breath": "db2af1542097",
        "rf_chest": "3c590c5a3ecf",
        "rf_blood": "f5432aa2bc38",
        "rf_collapse": "5120b64ba787",
        "rf_bleed": "e0987ad12934",
        "rf_cauda": "4ac0df82682b",
        "rf_belly": "5ebfb8a961ba",
        "rf_cough": "adba57cecf35",
        "rf_nerve": "31c4959fa518",
        "rf_swell": "677df30e2efe",
        "rf_infect": "a83c3d76112a",
        "rf_calf": "59c1ec3400dd",
        "q_sore": "282a2891bbb4",
        "q_usual": "d39281dde2f6",
        "q_move": "8f1c083db78a",
        "q_free": "2636f93bc9a2",
    },
}


def asked(muscle: str, step: Step) -> set[str]:
    return {question.id for question in asks([muscle], step)}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("id", ASK_WHEN)
def test_a_question_is_asked_when_clinical_md_2_5_says(id: str, step: Step) -> None:
    steps, fits, others = ASK_WHEN[id]
    for muscle in fits:
        assert (id in asked(muscle, step)) == (step in steps.split()), muscle
    for muscle in others:
        assert id not in asked(muscle, step), muscle


def test_every_question_is_in_the_table_above() -> None:
    assert set(ASK_WHEN) == {question.id for question in QUESTIONS if not question.retired}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("muscle", MUSCLES, ids=lambda muscle: muscle.id)
def test_emergencies_are_asked_first(muscle: Muscle, step: Step) -> None:
    order = [_worst(question) for question in asks([muscle.id], step)]
    assert order == sorted(order)


def _worst(question: Question) -> int:
    """0 where an answer can be an emergency, 1 where it can be for today, 2 for scores and free words."""
    if question.kind not in ("yes_no", "choice"):
        return 2
    options: tuple[Answer, ...] = question.options or (True, False)
    tiers = {finding.tier for option in options for finding in triage("evening", {question.id: option}, {}, 6)}
    return 0 if "emergency" in tiers else 1


def test_muscles_of_one_visit_are_taken_together_and_asked_once() -> None:
    ids = [question.id for question in asks(["TFL", "quadratus lumborum", "upper trapezius"], "evening")]
    assert len(ids) == len(set(ids))
    assert {"rf_breath", "rf_belly"} <= set(ids)


def test_not_knowing_the_muscles_asks_everything() -> None:
    assert {"rf_breath", "rf_cauda", "rf_calf"} <= {question.id for question in asks([], "day2")}


def test_day_seven_is_the_one_tap_infection_check() -> None:
    for muscle in MUSCLES:
        assert asked(muscle.id, "day7") == {"rf_infect"}


def test_a_retired_question_is_no_longer_asked_yet_still_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Question(id="old", text={"en": "Old?"}, kind="yes_no", source="test", steps=("evening",), retired=True)
    monkeypatch.setattr("programs.questions.QUESTIONS", (*QUESTIONS, old))
    assert "old" not in asked("gluteus medius", "evening")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_a_question_has_words_a_source_and_labels_for_its_options(question: Question) -> None:
    assert question.text["en"].strip()
    assert "clinical.md 2.5" in question.source
    assert BY_ID[question.id] is question
    assert (question.kind in ("choice", "yes_some_no")) == bool(question.options)
    for language in question.text:
        assert len(question.labels.get(language, ())) == len(question.options)


@pytest.mark.parametrize("language", WORDED)
@pytest.mark.parametrize("id", BY_ID)
def test_a_question_is_never_reworded_in_any_language(id: str, language: str) -> None:
    assert _digest(BY_ID[id], language) == WORDED[language][id], "retire this question and add another with a new id"


def test_every_language_is_in_the_table_above() -> None:
    assert set(WORDED) == set(languages())


def _digest(question: Question, language: str) -> str:
    words = (question.text[language], *question.options, *question.labels.get(language, ()))
    return sha256("\n".join(words).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("id", "right", "wrong"),
    [
        ("rf_breath", (True, False), (1, 0, "yes", 2)),
        ("q_sore", (0, 10), (-1, 11, True, "5")),
        ("q_move", ("yes", "some", "no"), ("maybe", True, 1, "")),
        ("rf_collapse", ("no", "nearly", "fainted_recovered", "fainted_hurt"), ("yes", True, 0)),
        ("q_free", ("", "text", "x" * 2000), ("x" * 2001, True, 5)),
    ],
)
def test_an_answer_must_be_of_the_kind_asked_for(id: str, right: tuple[Answer, ...], wrong: tuple[Answer, ...]) -> None:
    questions = QUESTIONS
    for answer in right:
        check_answers(questions, {"rf_bleed": False, id: answer})
    for answer in wrong:
        with pytest.raises(Invalid) as refused:
            check_answers(questions, {id: answer})
        assert refused.value.field == id


def test_an_emergency_may_be_answered_alone() -> None:
    check_answers(asks(["upper trapezius"], "evening"), {"rf_breath": True})


@pytest.mark.parametrize("nothing", [{}, {"q_free": ""}, {"q_free": " \n"}])
def test_an_empty_submission_is_refused(nothing: dict[str, Answer]) -> None:
    with pytest.raises(Invalid, match="at least one answer"):
        check_answers(asks(["upper trapezius"], "evening"), nothing)


def test_a_question_not_asked_is_refused_with_the_nearest_and_without_repeating_it_to_the_log() -> None:
    with pytest.raises(Invalid) as refused:
        check_answers(asks(["upper trapezius"], "evening"), {"rf_breth": True})
    assert "rf_breath" in refused.value.hint
    assert "rf_breth" not in str(refused.value)
    with pytest.raises(Invalid):
        check_answers(asks(["upper trapezius"], "day7"), {"rf_breath": True})


def test_an_unknown_muscle_is_refused_rather_than_asked_too_little() -> None:
    with pytest.raises(Invalid, match="muscle"):
        asks(["no such muscle"], "evening")
