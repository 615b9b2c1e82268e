"""What a check-in asks, by muscle and step; what an answer means is triage.py, when it is asked aftercare.py.

Source: clinical.md 2.5. A question is never reworded: retire it, add another with a new id, and raise VERSION.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from programs.errors import Invalid, did_you_mean
from programs.muscles import Muscle, find

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
    text: Mapping[str, str]  # by language
    kind: Kind
    source: str
    steps: tuple[Step, ...]
    tags: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    muscles: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()  # what a choice stores
    labels: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # by language, in the order of options
    retired: bool = False  # kept so that old answers can be read


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
    Question(
        id="rf_breath",
        text={"en": "Are you more short of breath than usual?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_breath [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    Question(
        id="rf_chest",
        text={"en": "Do you have new sharp chest, shoulder-tip or upper-back pain when you breathe in?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_chest [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    Question(
        id="rf_blood",
        text={"en": "Have you coughed up blood?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_blood [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    Question(
        id="rf_collapse",
        text={"en": "Have you fainted, or nearly fainted, since your visit?"},
        kind="choice",
        source="clinical.md 2.5 rf_collapse [P]; options from 2.4: not recovered, or fainted with injury, is red",
        steps=("evening",),
        options=("no", "nearly", "fainted_recovered", "fainted_hurt", "fainted_not_recovered"),
        labels={
            "en": (
                "No",
                "Nearly, but I did not pass out",
                "I fainted and feel like myself again",
                "I fainted and hurt myself",
                "I fainted and do not feel like myself yet",
            )
        },
    ),
    Question(
        id="rf_bleed",
        text={"en": "Is any spot still bleeding after 10 minutes of firm pressure?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_bleed [P]",
        steps=("evening", "day1"),
    ),
    Question(
        id="rf_cauda",
        text={"en": "Any new trouble holding or passing urine, or numbness between the legs?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_cauda [P]: back, QL, glute",
        steps=("day1", "day2"),
        regions=frozenset({"low back", "upper back"}),
        muscles=_GLUTES,
    ),
    Question(
        id="rf_belly",
        text={"en": "Strong new belly or side pain, or blood in your urine?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_belly [P]: QL, iliopsoas, abdominal",
        steps=("evening", "day1"),
        tags=frozenset({"kidney_peritoneum"}),
    ),
    Question(
        id="rf_cough",
        text={"en": "Do you have a new dry cough?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_cough [P]",
        steps=TO_72H,
        tags=frozenset({"pleura"}),
    ),
    Question(
        id="rf_nerve",
        text={"en": "New numbness, tingling or weakness that was not there before your visit?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_nerve [P]",
        steps=("day1", "day2"),
    ),
    Question(
        id="rf_swell",
        text={"en": "Is there a lump or swelling that is getting bigger?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_swell [P]",
        steps=("day1", "day2"),
    ),
    Question(
        id="rf_infect",
        text={"en": "Is a needle spot hot, red and spreading, or leaking, or have you had a fever or chills?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_infect [P]; onset 3 days to 2 weeks: 2.2 [S]",
        steps=("day2", "day7"),
    ),
    Question(
        id="rf_calf",
        text={"en": "Is one calf newly swollen and painful?"},
        kind="yes_no",
        source="clinical.md 2.5 rf_calf [P]: leg",
        steps=("day2",),
        regions=frozenset({"thigh", "lower leg"}),
    ),
    Question(
        id="q_sore",
        text={"en": "0 to 10: how sore is it where the needles went?"},
        kind="scale_0_10",
        source="clinical.md 2.5 q_sore, 1.2.3 [P]",
        steps=TO_72H,
    ),
    Question(
        id="q_usual",
        text={"en": "0 to 10: how bad is your usual problem pain?"},
        kind="scale_0_10",
        source="clinical.md 2.5 q_usual, 1.2.3 [P]",
        steps=TO_72H,
    ),
    Question(
        id="q_move",
        text={"en": "Did you do your light movement today?"},
        kind="yes_some_no",
        source="clinical.md 2.5 q_move [P]",
        steps=("day1", "day2"),
        options=("yes", "some", "no"),
        labels={"en": ("Yes", "Some", "No")},
    ),
    Question(
        id="q_free",
        text={"en": "Anything you want your therapist to know?"},
        kind="free_text",
        source="clinical.md 2.5 q_free [P]: a human reads it",
        steps=TO_72H,
    ),
)
BY_ID: Mapping[str, Question] = {question.id: question for question in QUESTIONS}


def asks(muscle_ids: Iterable[str], step: Step) -> tuple[Question, ...]:
    """The questions of this step, most dangerous first; muscles of one visit are taken together. Invalid if unknown.

    Where no muscle is named everything is asked: not knowing where the needles went is no reason to ask less.
    """
    muscles = [find(muscle) for muscle in muscle_ids]
    return tuple(q for q in QUESTIONS if not q.retired and step in q.steps and _fits(q, muscles))


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
