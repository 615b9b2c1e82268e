"""A check-in as an R4 Questionnaire, and its answers as a QuestionnaireResponse, both ways. Pure.

Link ids are the ids of the questions, which never change; a choice is a Coding of our own system; a score is an
integer, never a LOINC answer code, as LA6113-0 displays "2 or more" (clinical.md 6.5).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from programs.errors import Invalid, did_you_mean
from programs.questions import VERSION, Answer, Question, check_answers
from programs.wording import words

SYSTEM = "urn:homestretch:answers"
CANONICAL = "urn:homestretch:questionnaire:check-in"
LEAST = "http://hl7.org/fhir/StructureDefinition/minValue"
MOST = "http://hl7.org/fhir/StructureDefinition/maxValue"

ItemType = Literal["boolean", "integer", "choice", "text"]
TYPES: Mapping[str, ItemType] = {
    "yes_no": "boolean",
    "scale_0_10": "integer",
    "yes_some_no": "choice",
    "choice": "choice",
    "free_text": "text",
}


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What FHIR leaves out where there is nothing to say."""


class Coding(Part, frozen=True, kw_only=True):
    system: str | None = None
    code: str
    display: str | None = None


class Extension(Part, frozen=True, kw_only=True):
    url: str
    value_integer: int


class Option(Part, frozen=True, kw_only=True):
    value_coding: Coding


class Item(Part, frozen=True, kw_only=True):
    link_id: str
    text: str
    type: ItemType
    extension: tuple[Extension, ...] = ()
    answer_option: tuple[Option, ...] = ()


class Questionnaire(Part, frozen=True, kw_only=True, tag_field="resourceType", tag="Questionnaire"):
    url: str
    version: str
    name: str
    title: str
    status: Literal["draft", "active", "retired", "unknown"]
    language: str
    subject_type: tuple[str, ...]
    item: tuple[Item, ...]


class Reference(Part, frozen=True, kw_only=True):
    reference: str


class Value(Part, frozen=True, kw_only=True):
    """Exactly one of these."""

    value_boolean: bool | None = None
    value_integer: int | None = None
    value_coding: Coding | None = None
    value_string: str | None = None


class Answered(Part, frozen=True, kw_only=True):
    link_id: str
    text: str | None = None
    answer: tuple[Value, ...] = ()


class QuestionnaireResponse(Part, frozen=True, kw_only=True, tag_field="resourceType", tag="QuestionnaireResponse"):
    """`status` is in-progress while a question is unanswered."""

    questionnaire: str
    status: Literal["in-progress", "completed", "amended", "entered-in-error", "stopped"]
    subject: Reference | None = None
    authored: datetime | None = None
    item: tuple[Answered, ...] = ()


def questionnaire(questions: Sequence[Question], step: str, language: str) -> Questionnaire:
    return Questionnaire(
        url=f"{CANONICAL}:{step}",
        version=VERSION,
        name=f"CheckIn{step.title()}",
        title=words(language).forms.title,
        status="active",
        language=language,
        subject_type=("Patient",),
        item=tuple(_item(question, language) for question in questions),
    )


def _item(it: Question, language: str) -> Item:
    bounds = ((LEAST, 0), (MOST, 10)) if it.kind == "scale_0_10" else ()
    codings = (Coding(system=SYSTEM, code=code, display=label) for code, label in it.choices(language))
    return Item(
        link_id=it.id,
        text=it.say(language),
        type=TYPES[it.kind],
        extension=tuple(Extension(url=url, value_integer=bound) for url, bound in bounds),
        answer_option=tuple(Option(value_coding=coding) for coding in codings),
    )


def response(
    questions: Sequence[Question], answers: Mapping[str, Answer], step: str, subject: str, authored: datetime
) -> QuestionnaireResponse:
    """FHIR knows no empty string: words that are blank are no answer."""
    said = [(it, answers[it.id]) for it in questions if it.id in answers and str(answers[it.id]).strip()]
    return QuestionnaireResponse(
        questionnaire=f"{CANONICAL}:{step}|{VERSION}",
        status="completed" if len(said) == len(questions) else "in-progress",
        subject=Reference(reference=f"Patient/{subject}"),
        authored=authored,
        item=tuple(Answered(link_id=it.id, answer=(_value(it, answer),)) for it, answer in said),
    )


def _value(it: Question, answer: Answer) -> Value:
    if isinstance(answer, bool):
        return Value(value_boolean=answer)
    if isinstance(answer, int):
        return Value(value_integer=answer)
    return Value(value_coding=Coding(system=SYSTEM, code=answer)) if it.options else Value(value_string=answer)


def answers_of(it: QuestionnaireResponse, questions: Sequence[Question]) -> dict[str, Answer]:
    """Raises Invalid naming the link id for what is not an answer to these questions."""
    asked = {question.id: question for question in questions}
    if not it.questionnaire.startswith(f"{CANONICAL}:"):
        raise Invalid("questionnaire", f"must begin with {CANONICAL}")
    found: dict[str, Answer] = {}
    for one in it.item:
        if one.link_id not in asked:
            hint = did_you_mean(one.link_id, asked)
            raise Invalid("linkId", "one names a question this check-in does not ask", hint)
        if one.link_id in found or len(one.answer) > 1:
            raise Invalid(one.link_id, "has more than one answer")
        for value in one.answer:
            found[one.link_id] = _answer(asked[one.link_id], value)
    check_answers(questions, found)
    return found


def _answer(question: Question, it: Value) -> Answer:
    said = {name: value for name in it.__struct_fields__ if (value := getattr(it, name)) is not None}
    wanted = {"boolean": "value_boolean", "integer": "value_integer", "choice": "value_coding", "text": "value_string"}[
        TYPES[question.kind]
    ]
    value = said.get(wanted)
    if len(said) != 1 or value is None:
        name = "".join(part.title() for part in wanted.split("_"))
        raise Invalid(question.id, f"must have exactly one value, {name[0].lower()}{name[1:]}")
    if isinstance(value, Coding):
        if value.system not in (None, SYSTEM):
            raise Invalid(question.id, f"must be a code of {SYSTEM}")
        return value.code
    answer: Answer = value
    return answer
