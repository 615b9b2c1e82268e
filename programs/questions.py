"""What a check-in asks, by muscle and step; what an answer means is triage.py, when it is asked aftercare.py.

Source: clinical.md 2.5. Its words are in wording/, a file a language. A question is never reworded: retire it, add
another with a new id, and raise VERSION. Free text is for a human: nothing here or elsewhere reads it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from programs.errors import Invalid, did_you_mean
from programs.muscles import Muscle, find
from programs.wording import languages

VERSION = "1"

Step = Literal["evening", "day1", "day2", "day3", "day7"]
STEPS: tuple[Step, ...] = ("evening", "day1", "day2", "day3", "day7")  # about 4-8, 24, 48, 72 h; day7 one tap (1.2.4)
Kind = Literal["yes_no", "scale_0_10", "yes_some_no", "choice", "free_text"]
Answer = bool | int | str
Answers = Mapping[str, Answer]

TO_72H: tuple[Step, ...] = ("evening", "day1", "day2", "day3")
FREE_TEXT = 2000  # characters


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Asked at its steps if any tag, region or muscle fits what was needled; where it names none, always."""

    id: str
    text: Mapping[str, str]  # by language, from wording/
    kind: Kind
    source: str
    steps: tuple[Step, ...]
    tags: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    muscles: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()  # what a choice stores
    labels: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # by language, in the order of options
    retired: bool = False  # kept so that old answers can be read

    def say(self, language: str) -> str:
        return self.text.get(language) or self.text["en"]

    def choices(self, language: str) -> list[tuple[str, str]]:
        """What a choice stores and what it is called."""
        labels = self.labels.get(language) or self.labels.get("en") or self.options
        return list(zip(self.options, labels, strict=True))


def _question(id: str, **when: Any) -> Question:
    """With its words in every language that has them."""
    said = {language: it.questions[id] for language, it in languages().items()}
    text = {language: it.text for language, it in said.items()}
    return Question(id=id, text=text, labels={language: it.options for language, it in said.items()}, **when)


_GLUTES = frozenset(
    {
        "gluteus maximus",
        "gluteus medius",
        "gluteus minimus",
        "gluteals",
        "piriformis",
        "obturator internus",
        "gemelli",
        "quadratus femoris",
        "deep hip rotators",
    }
)

# Most dangerous first: what calls for the emergency number stands above what calls for the clinic.
QUESTIONS: tuple[Question, ...] = (
    _question(
        "rf_breath",
        kind="yes_no",
        source="clinical.md 2.5 rf_breath [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    _question(
        "rf_chest",
        kind="yes_no",
        source="clinical.md 2.5 rf_chest [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    _question(
        "rf_blood",
        kind="yes_no",
        source="clinical.md 2.5 rf_blood [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    _question(
        "rf_collapse",
        kind="choice",
        source="clinical.md 2.5 rf_collapse [P]; options from 2.4: not recovered, or fainted with injury, is red",
        steps=("evening",),
        options=("no", "nearly", "fainted_recovered", "fainted_hurt", "fainted_not_recovered"),
    ),
    _question(
        "rf_bleed",
        kind="yes_no",
        source="clinical.md 2.5 rf_bleed [P]",
        steps=("evening", "day1"),
    ),
    _question(
        "rf_cauda",
        kind="yes_no",
        source="clinical.md 2.5 rf_cauda [P]: back, QL, glute",
        steps=("day1", "day2"),
        regions=frozenset({"low back", "upper back"}),
        muscles=_GLUTES,
    ),
    _question(
        "rf_belly",
        kind="yes_no",
        source="clinical.md 2.5 rf_belly [P]: QL, iliopsoas, abdominal",
        steps=("evening", "day1"),
        tags=frozenset({"kidney_peritoneum"}),
    ),
    _question(
        "rf_cough",
        kind="yes_no",
        source="clinical.md 2.5 rf_cough [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    _question(
        "rf_nerve",
        kind="yes_no",
        source="clinical.md 2.5 rf_nerve [P]",
        steps=("day1", "day2"),
    ),
    _question(
        "rf_swell",
        kind="yes_no",
        source="clinical.md 2.5 rf_swell [P]",
        steps=("day1", "day2"),
    ),
    _question(
        "rf_infect",
        kind="yes_no",
        source="clinical.md 2.5 rf_infect [P]; onset 3 days to 2 weeks: 2.2 [S]",
        steps=("day2", "day7"),
    ),
    _question(
        "rf_calf",
        kind="yes_no",
        source="clinical.md 2.5 rf_calf [P]: leg",
        steps=("day2",),
        regions=frozenset({"thigh", "lower leg"}),
    ),
    _question(
        "q_sore",
        kind="scale_0_10",
        source="clinical.md 2.5 q_sore, 1.2.3 [P]",
        steps=TO_72H,
    ),
    _question(
        "q_usual",
        kind="scale_0_10",
        source="clinical.md 2.5 q_usual, 1.2.3 [P]",
        steps=TO_72H,
    ),
    _question(
        "q_move",
        kind="yes_some_no",
        source="clinical.md 2.5 q_move [P]",
        steps=("day1", "day2"),
        options=("yes", "some", "no"),
    ),
    _question(
        "q_free",
        kind="free_text",
        source="clinical.md 2.5 q_free [P]: a human reads it",
        steps=TO_72H,
    ),
)
BY_ID: Mapping[str, Question] = {question.id: question for question in QUESTIONS}


def asks(
    muscle_ids: Iterable[str], step: Step, also: Collection[str] = (), without: Collection[str] = ()
) -> tuple[Question, ...]:
    """The questions of this step, most dangerous first; muscles of one visit are taken together. Invalid if unknown.
    `also` and `without` are ids that a clinic's protocol adds to the step and leaves out of it.

    Where no muscle is named everything is asked: not knowing where the needles went is no reason to ask less.
    """
    muscles = [find(muscle) for muscle in muscle_ids]
    wanted = (q for q in QUESTIONS if not q.retired and (step in q.steps or q.id in also) and q.id not in without)
    return tuple(q for q in wanted if _fits(q, muscles))


def _fits(question: Question, muscles: list[Muscle]) -> bool:
    if not muscles or not (question.tags or question.regions or question.muscles):
        return True
    return any(
        muscle.id in question.muscles or muscle.region in question.regions or muscle.tags & question.tags
        for muscle in muscles
    )


def check_answers(questions: Iterable[Question], answers: Answers) -> None:
    """Raise Invalid naming the question. A part may be answered alone, as an emergency must not wait for the rest."""
    asked = {question.id: question for question in questions}
    for id, answer in answers.items():
        if id not in asked:
            raise Invalid("answers", "one answers a question this check-in does not ask", did_you_mean(id, asked))
        if problem := _problem(asked[id], answer):
            raise Invalid(id, problem)
    if all(isinstance(answer, str) and not answer.strip() for answer in answers.values()):
        raise Invalid("answers", "give at least one answer")


def _problem(question: Question, answer: Answer) -> str:
    match question.kind:
        case "yes_no":
            wrong, problem = not isinstance(answer, bool), "must be true or false"
        case "scale_0_10":  # bool is an int to Python, never a score
            wrong = isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer <= 10
            problem = "must be a whole number from 0 to 10"
        case "yes_some_no" | "choice":
            wrong, problem = answer not in question.options, f"must be one of: {', '.join(question.options)}"
        case "free_text":
            wrong = not isinstance(answer, str) or len(answer) > FREE_TEXT
            problem = f"must be text of at most {FREE_TEXT} characters"
    return problem if wrong else ""
