"""The questions over the API: their definition, and one check-in in its three forms."""

import msgspec
import pytest

from programs.letters import parse_letters
from programs.questions import QUESTIONS, asks
from service.fhir.questionnaire import Questionnaire
from tests.service.api.conftest import Api

QUESTIONS_PATH = "/clinics/riverside/questions"
FORM_PATH = "/clinics/riverside/check-in-form"


async def test_every_question_is_listed_with_when_it_is_asked_and_why(empty: Api) -> None:
    found = (await empty("GET", f"{QUESTIONS_PATH}?language=es")).json()
    assert [it["id"] for it in found["items"]] == [question.id for question in QUESTIONS]
    assert found["languages"][:2] == ["en", "es"]
    calf = next(it for it in found["items"] if it["id"] == "rf_calf")
    assert calf["text"] == "¿Se te ha hinchado una pantorrilla y te duele?"
    assert (calf["steps"], calf["regions"]) == (["day2"], ["lower leg", "thigh"])
    assert "clinical.md 2.5 rf_calf" in calf["source"]


async def test_one_check_in_has_the_same_questions_in_all_three_forms(empty: Api) -> None:
    found = (await empty("GET", f"{FORM_PATH}?step=day1&muscles=QL, upper trap&language=es")).json()
    asked = [question.id for question in asks(["QL", "upper trap"], "day1")]
    assert [it["id"] for it in found["app"]] == asked
    assert [it.link_id for it in msgspec.convert(found["fhir"], Questionnaire).item] == asked
    assert "Si te sientes muy mal, llama al 911 ahora." in found["letters"]
    numbered = [line for line in found["letters"].splitlines() if line[0].isdigit()]
    assert len(numbered) == len(asked) - 1  # one's own words have no number
    letters = " ".join(["S"] * 6 + ["N"] * 3 + ["3", "4", "B"])
    said = parse_letters(letters, asks(["QL", "upper trap"], "day1"), "es")
    assert (said["rf_breath"], said["q_sore"], said["q_move"]) == (True, 3, "some")


@pytest.mark.parametrize(
    ("query", "parameter", "problem"),
    [
        ("language=xx", "language", "must be one of en, es"),
        ("step=day4", "step", "is not one of the values allowed"),
        ("muscles=glute mad", "muscles", "is not in the list of muscles"),
    ],
)
async def test_a_form_that_cannot_be_is_refused(empty: Api, query: str, parameter: str, problem: str) -> None:
    status, errors = await empty.problem("GET", f"{FORM_PATH}?{query}")
    assert status == 422
    assert [(where, what) for where, what, _ in errors] == [(parameter, problem)]
