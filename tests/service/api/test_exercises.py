"""The exercises over the API: ours in the language asked for, the clinic's own, and ours in the clinic's words."""

from typing import Any

from programs.exercises import library
from programs.instants import DAY
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLEO, DOV, NOON

PATH = "/clinics/riverside/exercises"
SAID = {
    "title": "Calf raise",
    "start": "Hold on to a chair.",
    "steps": ["Rise on your toes.", "Lower slowly."],
    "easier": "Do it sitting.",
    "feel": "Your calves work.",
}
CALF: dict[str, Any] = {
    "exercise": {
        "targets": ["gastrocnemius"],
        "phase": "B",
        "loaded": True,
        "dosage": {"sets": 3, "reps": 12},
        "figure": "step_up",
    },
    "words": {"en": SAID},
}


async def test_ours_are_listed_by_title_in_the_language_asked_for(api: Api) -> None:
    for language, title, dose in (
        ("en", "Back of thigh stretch, lying down", "twice"),
        ("es", "Apretar los glúteos", "veces"),
    ):
        items = (await api("GET", f"{PATH}?language={language}")).json()["items"]
        assert {it["id"] for it in items} == set(library())
        assert (items[0]["title"], items[0]["origin"], items[0]["version"]) == (title, "ours", 0)
        assert dose in items[0]["how_much"]


async def test_an_own_exercise_is_written_changed_assigned_and_shown_to_the_patient(api: Api) -> None:
    reply = await api("PUT", f"{PATH}/calf_raise", BEN, CALF)
    assert (reply.status_code, reply.headers["etag"], reply.json()["origin"]) == (200, '"1"', "own")
    assert (await api("PUT", f"{PATH}/calf_raise", CLEO, CALF)).status_code == 412
    changed = CALF | {"words": {"en": SAID | {"title": "Heel raise"}}}
    assert (await api("PUT", f"{PATH}/calf_raise", CLEO, changed, if_match='"1"')).json()["title"] == "Heel raise"
    plan = {"title": "Calf", "prescriptions": [{"exercise": "calf_raise", "dosage": {"reps": 12}}], "times": ["20:00"]}
    made = await api("POST", "/clinics/riverside/patients/ada/plans", BEN, plan)
    assert made.status_code == 201, made.text
    today = (await api("GET", "/me/today", ADA)).json()
    assert "Heel raise" in [it["title"] for bout in today["bouts"] for it in bout["exercises"]]
    assert (await api("DELETE", f"{PATH}/calf_raise", BEN, if_match='"2"')).json()["retired"] is True
    assert "calf_raise" not in [it["id"] for it in (await api("GET", PATH)).json()["items"]]
    assert (await api("GET", f"{PATH}/calf_raise")).json()["retired"] is True
    assert (await api("GET", "/me/today", ADA)).json() == today


async def test_ours_in_the_clinics_words_are_what_its_patients_read(api: Api) -> None:
    walk = SAID | {"title": "Walk by the river", "cautions": {"balance_risk": "Bring your stick."}}
    it = (await api("PUT", f"{PATH}/walking/words", BEN, {"words": {"en": walk}})).json()
    assert (it["origin"], it["title"], it["source"]) == ("reworded", "Walk by the river", library()["walking"].source)
    api.clock.move_to(NOON + DAY)
    today = (await api("GET", "/me/today", ADA)).json()
    titles = [one["title"] for bout in today["bouts"] for one in bout["exercises"]]
    assert "Walk by the river" in titles
    back = await api("PUT", f"{PATH}/walking/words", BEN, {"words": {}}, if_match='"1"')
    assert (back.json()["origin"], back.json()["title"]) == ("ours", "Walking")


async def test_another_clinics_exercise_is_one_that_never_was(api: Api) -> None:
    await api("PUT", f"{PATH}/calf_raise", BEN, CALF)
    theirs = [await api("GET", f"/clinics/harbour/exercises/{id}", DOV) for id in ("calf_raise", "never_was")]
    assert [it.status_code for it in theirs] == [404, 404]
    assert theirs[0].json() == theirs[1].json()
    plan = {"title": "Calf", "prescriptions": [{"exercise": "calf_raise", "dosage": {"reps": 12}}], "times": ["20:00"]}
    refused = await api("POST", "/clinics/harbour/patients/eve/plans", DOV, plan)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/prescriptions/0/exercise")


async def test_what_is_wrong_with_an_own_exercise_is_said_and_nothing_is_kept(api: Api) -> None:
    wrong = CALF | {"exercise": CALF["exercise"] | {"targets": ["gastrocnemus"]}}
    reply = await api("PUT", f"{PATH}/calf_raise", BEN, wrong)
    assert (reply.status_code, "gastrocnemius" in reply.text) == (422, True)
    assert (await api("PUT", f"{PATH}/walking", BEN, CALF)).status_code == 422
    assert (await api("DELETE", f"{PATH}/walking", BEN, if_match='"0"')).status_code == 404
    assert (await api("GET", f"{PATH}/calf_raise")).status_code == 404
