"""A check-in as a numbered text with answer letters, for print and for a later SMS channel; read back strictly. Pure.

    1. Are you more short of breath than usual? Y/N
    2. 0 to 10: how sore is it where the needles went? 0-10
    ->  N 3 # the patient's own words, kept as they are and read by a human only

Nobody is there to weigh an answer on paper: where an answer may be an emergency, what to do stands beside it.
"""

from collections.abc import Mapping, Sequence

from programs.errors import Invalid
from programs.questions import Answer, Question, check_answers
from programs.wording import Words, words

LETTERS = "ABCDEFGHIJ"
LEFT_OUT = "-"
OWN_WORDS = "#"


def as_text(questions: Sequence[Question], language: str, emergency_number: str) -> str:
    """The whole form, a line a question."""
    it = words(language)
    number = emergency_number or it.safety.local_number
    unwell = it.safety.unwell.format(number=number)
    lines = [it.forms.title, unwell]
    for place, question in enumerate(_lettered(questions), 1):
        urgent = it.questions[question.id].urgent.format(number=number) if question.id in it.questions else ""
        asked = f"{place}. {question.say(language)} {_choices(question, it, language)}"
        lines.append(" ".join(part for part in (asked, urgent) if part))
    lines.append(it.forms.how_to_reply.format(example=_example(questions, it)))
    if _free_text(questions):
        lines.append(it.forms.how_to_write.format(free_text=it.forms.free_text.format(unwell=unwell)))
    return "\n".join(lines)


def write_letters(questions: Sequence[Question], answers: Mapping[str, Answer], language: str) -> str:
    """Answers in letters: what `parse_letters` reads back as the same answers. Blank words are none."""
    forms = words(language)
    said = [_letter(question, answers.get(question.id), forms) for question in _lettered(questions)]
    free = _free_text(questions)
    text = str(answers.get(free.id, "")) if free else ""
    return " ".join([*said, f"{OWN_WORDS} {text}"] if text.strip() else said)


def parse_letters(text: str, questions: Sequence[Question], language: str) -> dict[str, Answer]:
    """ "N 3 -" -> answers by question id. Raises Invalid, which names the answer by its number and what would do."""
    forms = words(language)
    letters, marked, own = text.partition(OWN_WORDS)
    given, lettered = letters.split(), _lettered(questions)
    if len(given) != len(lettered):
        hint = f"For example: {_example(questions, forms)}"
        raise Invalid("answers", f"there must be {len(lettered)}, in order, not {len(given)}", hint)
    found = {
        question.id: _answer(question, one, place, forms)
        for place, (question, one) in enumerate(zip(lettered, given, strict=True), 1)
        if one != LEFT_OUT
    }
    if free := _free_text(questions):
        own = own.removeprefix(" ")
        found |= {free.id: own} if own.strip() else {}
    elif marked:
        raise Invalid("answers", "has words after a #, which this check-in does not ask for")
    check_answers(questions, found)
    return found


def _lettered(questions: Sequence[Question]) -> list[Question]:
    return [question for question in questions if question.kind != "free_text"]


def _free_text(questions: Sequence[Question]) -> Question | None:
    return next((question for question in questions if question.kind == "free_text"), None)


def _letters(question: Question, forms: Words) -> dict[str, Answer]:
    """What may be sent for this question, and what it means."""
    if question.kind == "yes_no":
        return {forms.forms.yes_letter: True, forms.forms.no_letter: False}
    if question.kind == "scale_0_10":
        return {str(score): score for score in range(11)}
    return dict(zip(LETTERS, question.options, strict=False))


def _choices(question: Question, forms: Words, language: str) -> str:
    if question.kind == "scale_0_10":
        return f"0-10 (0: {forms.forms.none}, 10: {forms.forms.worst})"
    if question.kind == "yes_no":
        return f"{forms.forms.yes_letter}/{forms.forms.no_letter}"
    labels = (label for _, label in question.choices(language))
    return "; ".join(f"{letter}: {label}" for letter, label in zip(LETTERS, labels, strict=False))


def _letter(question: Question, answer: Answer | None, forms: Words) -> str:
    # True is 1 to Python, so a score of 1 must not be looked up among yes and no.
    means = _letters(question, forms).items()
    return next((one for one, it in means if it == answer and type(it) is type(answer)), LEFT_OUT)


def _answer(question: Question, given: str, place: int, forms: Words) -> Answer:
    means = _letters(question, forms)
    if given.upper() not in means:
        allowed = "a number from 0 to 10" if question.kind == "scale_0_10" else f"one of {', '.join(means)}"
        raise Invalid(f"answer {place}", f"must be {allowed}", f"Put {LEFT_OUT} to leave it out.")
    return means[given.upper()]


def _example(questions: Sequence[Question], forms: Words) -> str:
    """A plain evening: no to what may be asked with yes or no, 3 of 10, the first of the options."""
    letters = {"yes_no": forms.forms.no_letter, "scale_0_10": "3"}
    return " ".join(letters.get(question.kind, LETTERS[0]) for question in _lettered(questions))
