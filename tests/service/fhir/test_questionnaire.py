"""A check-in in FHIR and back: the same answers, stable link ids, and a clear word on what is not an answer."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs.errors import Invalid
from programs.questions import STEPS, VERSION, Answer, asks
from programs.wording import languages
from service.fhir.questionnaire import (
    Questionnaire,
    QuestionnaireResponse,
    answers_of,
    questionnaire,
    response,
)
from tests.programs.test_letters import answered

AT = datetime(2026, 6, 1, 22, 0, tzinfo=UTC)
EVENING = asks(["gluteus medius"], "evening")


@given(answered(), st.sampled_from(STEPS))
def test_answers_in_fhir_come_back_as_they_were(it: Any, step: str) -> None:
    questions, answers = it
    wire = msgspec.json.encode(response(questions, answers, step, "ada", AT))
    back = answers_of(msgspec.json.decode(wire, type=QuestionnaireResponse), questions)
    assert back == answers
    assert {id: type(answer) for id, answer in back.items()} == {id: type(answer) for id, answer in answers.items()}


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("step", STEPS)
def test_the_definition_is_a_questionnaire_that_reads_back_the_same(step: Any, language: str) -> None:
    questions = asks([], step)
    it = questionnaire(questions, step, language)
    assert msgspec.json.decode(msgspec.json.encode(it), type=Questionnaire) == it
    assert [item.link_id for item in it.item] == [question.id for question in questions]
    assert [item.text for item in it.item] == [question.say(language) for question in questions]


def test_it_looks_as_r4_has_it() -> None:
    it = msgspec.json.decode(msgspec.json.encode(questionnaire(EVENING, "evening", "en")))
    assert {key: it[key] for key in ("resourceType", "status", "version", "url", "subjectType", "language")} == {
        "resourceType": "Questionnaire",
        "status": "active",
        "version": VERSION,
        "url": "urn:homestretch:questionnaire:check-in:evening",
        "subjectType": ["Patient"],
        "language": "en",
    }
    items = {item["linkId"]: item for item in it["item"]}
    assert items["rf_bleed"] == {
        "linkId": "rf_bleed",
        "text": "Is any spot still bleeding after 10 minutes of firm pressure?",
        "type": "boolean",
    }
    assert items["q_sore"]["type"] == "integer"
    assert [one["valueInteger"] for one in items["q_sore"]["extension"]] == [0, 10]
    assert items["rf_collapse"]["answerOption"][1]["valueCoding"] == {
        "system": "urn:homestretch:answers",
        "code": "nearly",
        "display": "Nearly, but I did not pass out",
    }
    assert items["q_free"]["type"] == "text"


def test_a_response_says_whose_and_when_and_whether_it_is_whole() -> None:
    whole: dict[str, Answer] = {"rf_collapse": "no", "rf_bleed": False, "q_sore": 3, "q_usual": 4, "q_free": "thanks"}
    it = msgspec.json.decode(msgspec.json.encode(response(EVENING, whole, "evening", "ada", AT)))
    assert (it["status"], it["authored"]) == ("completed", "2026-06-01T22:00:00Z")
    assert it["subject"] == {"reference": "Patient/ada"}
    assert it["questionnaire"] == f"urn:homestretch:questionnaire:check-in:evening|{VERSION}"
    assert response(EVENING, {"q_sore": 3, "q_free": " "}, "evening", "ada", AT).status == "in-progress"


def an_item(link: str, *values: dict[str, Any]) -> dict[str, Any]:
    return {"linkId": link, "answer": list(values)}


@pytest.mark.parametrize(
    ("items", "field", "problem"),
    [
        ([an_item("q_soar", {"valueInteger": 3})], "linkId", "one names a question this check-in does not ask"),
        ([an_item("q_sore", {"valueInteger": 11})], "q_sore", "must be a whole number from 0 to 10"),
        ([an_item("q_sore", {"valueString": "3"})], "q_sore", "must have exactly one value, valueInteger"),
        ([an_item("q_sore", {})], "q_sore", "must have exactly one value, valueInteger"),
        (
            [an_item("q_sore", {"valueInteger": 3, "valueString": "3"})],
            "q_sore",
            "must have exactly one value, valueInteger",
        ),
        ([an_item("q_sore", {"valueInteger": 3}, {"valueInteger": 4})], "q_sore", "has more than one answer"),
        ([an_item("q_sore", {"valueInteger": 3})] * 2, "q_sore", "has more than one answer"),
        (
            [an_item("rf_collapse", {"valueCoding": {"code": "LA6113-0", "system": "http://loinc.org"}})],
            "rf_collapse",
            "must be a code of urn:homestretch:answers",
        ),
        ([an_item("rf_collapse", {"valueCoding": {"code": "flew"}})], "rf_collapse", "must be one of: no, nearly"),
        ([], "answers", "give at least one answer"),
    ],
)
def test_what_is_not_an_answer_is_refused_by_its_link_id(items: list[Any], field: str, problem: str) -> None:
    wire = {
        "resourceType": "QuestionnaireResponse",
        "id": "what others add is no mistake",
        "questionnaire": "urn:homestretch:questionnaire:check-in:evening|1",
        "status": "completed",
        "item": items,
    }
    with pytest.raises(Invalid) as refused:
        answers_of(msgspec.convert(wire, QuestionnaireResponse), EVENING)
    assert refused.value.field == field
    assert refused.value.problem.startswith(problem)


def test_answers_to_another_questionnaire_are_refused() -> None:
    it = QuestionnaireResponse(questionnaire="http://example.org/phq-9", status="completed")
    with pytest.raises(Invalid, match="questionnaire"):
        answers_of(it, EVENING)
