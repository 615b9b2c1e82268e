"""The questions themselves, and a check-in of theirs as a form: for the app, on paper or by text message, in FHIR."""

from collections.abc import Sequence
from typing import Annotated

from litestar import get
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import letters, people, questions
from programs.errors import Invalid
from programs.questions import Kind, Question, Step
from programs.wording import languages
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.today import Option, QuestionOut, question_out, voice
from service.api.wire import Out
from service.care import Who
from service.errors import Wrong, invalid
from service.fhir.questionnaire import Questionnaire, questionnaire

Language = Annotated[str, Meta(max_length=16, description="A language code, such as en or es.")]


class QuestionsQuery(Out, frozen=True, kw_only=True, forbid_unknown_fields=True):
    language: Language = "en"


class FormQuery(QuestionsQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    step: Annotated[Step, Meta(description="evening, day1, day2, day3 or day7.")] = "evening"
    muscles: Annotated[
        str, Meta(max_length=2000, description="Needled muscles, with commas between; none asks everything.")
    ] = ""


class DefinitionOut(Out, frozen=True, kw_only=True):
    """Asked at its steps if any tag, region or muscle fits what was needled; where it names none, always."""

    id: str
    kind: Kind
    text: str
    options: Sequence[Option]
    source: str
    steps: Sequence[Step]
    tags: Sequence[str]
    regions: Sequence[str]
    muscles: Sequence[str]
    retired: bool


class QuestionsOut(Out, frozen=True, kw_only=True):
    """`questions_version` is kept with every answer. A question is retired, never reworded."""

    questions_version: str
    languages: Sequence[str]
    items: Sequence[DefinitionOut]


class FormOut(Out, frozen=True, kw_only=True):
    """Three renderings of one check-in. `letters` is text to print or to send; its answers come back as letters."""

    questions_version: str
    step: Step
    language: str
    app: Sequence[QuestionOut]
    letters: str
    fhir: Questionnaire


@get("/clinics/{clinic:str}/questions", doc=Doc(gives=QuestionsOut, query=QuestionsQuery))
async def list_questions(request: ApiRequest) -> ASGIResponse:
    """Every question there is or was, with when it is asked and from which source it comes."""
    call = await at_clinic(request)
    language = _known(call.query(QuestionsQuery).language)
    items = [_definition(it, language) for it in questions.QUESTIONS]
    return call.show(QuestionsOut(questions_version=questions.VERSION, languages=tuple(languages()), items=items))


@get("/clinics/{clinic:str}/check-in-form", doc=Doc(gives=FormOut, query=FormQuery))
async def get_form(request: ApiRequest) -> ASGIResponse:
    """One check-in after needling these muscles, as the app shows it, as text with letters, and as a Questionnaire."""
    call = await at_clinic(request)
    query = call.query(FormQuery)
    _known(query.language)
    return await call.read(_form, call.who, query)


def _known(language: str) -> str:
    if language not in languages():
        raise invalid(Wrong(f"must be one of {', '.join(languages())}", parameter="language"))
    return language


def _form(db: Connection, who: Who, query: FormQuery) -> FormOut:
    said = voice(people.clinic_of(db, who.clinic), query.language)
    named = [name for part in query.muscles.split(",") if (name := part.strip())]
    try:
        asked = questions.asks(named, query.step)
    except Invalid as error:
        raise invalid(Wrong(error.problem, parameter="muscles", hint=error.hint)) from None
    return FormOut(
        questions_version=questions.VERSION,
        step=query.step,
        language=query.language,
        app=[question_out(it, said) for it in asked],
        letters=letters.as_text(asked, query.language, said.number),
        fhir=questionnaire(asked, query.step, query.language),
    )


def _definition(it: Question, language: str) -> DefinitionOut:
    return DefinitionOut(
        id=it.id,
        kind=it.kind,
        text=it.say(language),
        options=[Option(value=value, label=label) for value, label in it.choices(language)],
        source=it.source,
        steps=it.steps,
        tags=sorted(it.tags),
        regions=sorted(it.regions),
        muscles=sorted(it.muscles),
        retired=it.retired,
    )


ROUTES = (list_questions, get_form)
