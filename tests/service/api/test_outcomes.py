"""Outcomes over the API: the clinic and the patient see the same numbers; the words are the patient's own."""

from typing import Any

import pytest

from programs.instants import DAY, HOUR, say
from tests.service.api.conftest import EVENING, Api
from tests.world import ADA, BEN, CLEO, DOV, EVE, NOON

PATH = "/clinics/riverside/patients/ada/outcomes"


async def answer(api: Api, step: str, at: int, **scores: int) -> None:
    api.clock.move_to(at)
    reply = await api("POST", f"/me/check-ins/s1-{step}/answers", ADA, {"answers": scores})
    assert reply.status_code == 200


async def test_soreness_and_usual_pain_stand_apart_and_in_hours_since_needling(api: Api) -> None:
    await answer(api, "evening", EVENING, q_sore=5, q_usual=7)
    await answer(api, "day1", NOON + 24 * HOUR, q_sore=4, q_usual=6)
    await answer(api, "day2", NOON + 48 * HOUR, q_sore=1, q_usual=5)
    it = (await api("GET", PATH, CLEO)).json()
    (curve,) = it["soreness"]
    assert [(point["hours"], point["score"]) for point in curve["points"]] == [(4, 5), (25, 4), (49, 1)]
    assert [one["score"] for one in it["usual_pain"]] == [7, 6, 5]
    assert (it["usual_pain_change"]["points"], it["usual_pain_change"]["direction"]) == (-2, "better")
    mine = (await api("GET", "/me/outcomes", ADA)).json()
    assert {key: mine[key] for key in it} == it
    assert (await api("GET", "/me/outcomes", EVE)).json()["soreness"] == []
    assert (await api("GET", PATH, DOV)).status_code == 404


async def test_activities_are_named_rated_at_the_start_and_again_after_two_weeks(api: Api) -> None:
    assert (await api("GET", "/me/outcomes", ADA)).json()["due"] is False
    shoes = (await api("POST", "/me/activities", ADA, {"words": "  Put on\tmy shoes "})).json()
    api.clock.move_to(EVENING + 1)
    stairs = (await api("POST", "/clinics/riverside/patients/ada/activities", BEN, {"words": "Escaleras"})).json()
    assert shoes["words"] == "Put on my shoes"
    it = (await api("GET", "/me/outcomes", ADA)).json()
    assert (it["due"], it["ask"]["change"]) == (True, None)
    await api("POST", "/me/ratings", ADA, {"scores": {shoes["id"]: 2, stairs["id"]: 4}})
    it = (await api("GET", "/me/outcomes", ADA)).json()
    assert (it["due"], it["activities_change"]) == (False, None)
    api.clock.move_to(EVENING + 15 * DAY)
    it = (await api("GET", "/me/outcomes", ADA)).json()
    assert (it["due"], it["ask"]["change"][:12]) == (True, "Think of the")
    await api("POST", f"/me/activities/{stairs['id']}/end", ADA)
    reply = await api("POST", "/me/ratings", ADA, {"scores": {shoes["id"]: 5}, "change": 4})
    assert reply.json()["rated_at"] == say(EVENING + 15 * DAY)
    it = (await api("GET", PATH, BEN)).json()
    assert (it["activities_change"]["points"], it["activities_change"]["size"]) == (3, "large")
    assert (it["felt_change"]["points"], it["felt_change"]["direction"]) == (4, "better")
    assert [[one["score"] for one in activity["scores"]] for activity in it["activities"]] == [[2, 5], [4]]
    assert it["activities"][1]["ended_at"] == say(EVENING + 15 * DAY)


async def test_a_rating_sent_twice_is_one(api: Api) -> None:
    shoes = (await api("POST", "/me/activities", ADA, {"words": "shoes"})).json()["id"]
    for _ in range(2):
        await api("POST", "/me/ratings", ADA, {"scores": {shoes: 2}}, idempotency_key="r1")
    (activity,) = (await api("GET", PATH, BEN)).json()["activities"]
    assert len(activity["scores"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer", "problem"),
    [
        ({"scores": {"nothing": 3}}, "/scores", "rates an activity that is not on the list"),
        ({"scores": {"SHOES": 11}}, "/scores", "must be from 0 to 10"),
        ({"scores": {"SHOES": True}}, "/scores", "must be a whole number"),
        ({"scores": {}}, "/scores", "must have at least 1 items"),
        ({"scores": {"SHOES": 3}, "change": 1}, "/change", "is asked from the second time on"),
    ],
)
async def test_a_rating_that_cannot_be_is_refused(api: Api, body: Any, pointer: str, problem: str) -> None:
    shoes = (await api("POST", "/me/activities", ADA, {"words": "shoes"})).json()["id"]
    sent = {**body, "scores": {id.replace("SHOES", shoes): score for id, score in body["scores"].items()}}
    status, errors = await api.problem("POST", "/me/ratings", ADA, sent)
    assert (status, len(errors)) == (422, 1)
    assert errors[0][0].startswith(pointer)
    assert errors[0][1].startswith(problem)
    assert (await api("GET", PATH, BEN)).json()["activities"][0]["scores"] == []


async def test_five_activities_are_enough_and_blank_ones_are_none(api: Api) -> None:
    for number in range(5):
        assert (await api("POST", "/me/activities", ADA, {"words": f"thing {number}"})).status_code == 201
    assert (await api("POST", "/me/activities", ADA, {"words": "one more"})).status_code == 409
    assert (await api("POST", "/me/activities", EVE, {"words": " \n "})).status_code == 422
    assert (await api("POST", "/clinics/riverside/patients/nobody/activities", BEN, {"words": "x"})).status_code == 404
