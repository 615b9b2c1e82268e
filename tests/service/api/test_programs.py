"""Programs of the clinic over the API: kept, changed, chosen for a plan, retired; suggestions with their cautions."""

from typing import Any

from tests.service.api.conftest import Api
from tests.world import BEN, CLEO, DOV

PATH = "/clinics/riverside/programs"
PLANS = "/clinics/riverside/patients/ada/plans"
BRIDGE: dict[str, Any] = {"exercise": "hip_bridge", "dosage": {"sets": 3, "reps": 10}}


async def test_a_kept_program_is_chosen_by_its_id_changed_by_version_and_retired(empty: Api) -> None:
    kept = await empty("POST", PATH, CLEO, {"title": "Hips", "prescriptions": [BRIDGE]})
    it = kept.json()
    assert (kept.headers["etag"], it["version"], it["exercises"], it["warnings"]) == ('"1"', 1, ["hip_bridge"], [])
    assert (await empty("GET", PATH)).json()["items"][0] == it
    assert it["id"] not in {
        one["id"] for one in (await empty("GET", PATH.replace("riverside", "harbour"), DOV)).json()["items"]
    }
    plan = (await empty("POST", PLANS, BEN, {"template": it["id"], "times": ["09:00"]})).json()
    assert (plan["title"], plan["revisions"][0]["prescriptions"][0]["exercise"]) == ("Hips", "hip_bridge")
    lighter = {**BRIDGE, "dosage": {"sets": 1, "reps": 5}}
    changed = {"title": "Hips", "prescriptions": [lighter]}
    assert (await empty("PUT", f"{PATH}/{it['id']}", BEN, changed, if_match='"1"')).json()["version"] == 2
    assert (await empty("PUT", f"{PATH}/{it['id']}", BEN, changed, if_match='"1"')).status_code == 412
    assert (await empty("GET", PLANS)).json()["items"] == [plan]
    assert (await empty("DELETE", f"{PATH}/{it['id']}", BEN, if_match='"2"')).status_code == 200
    refused = await empty("POST", PLANS, BEN, {"template": it["id"], "times": ["09:00"]})
    assert refused.status_code == 422


async def test_what_is_wrong_in_a_program_says_where(empty: Api) -> None:
    wrong = {"title": "Hips", "prescriptions": [BRIDGE, {**BRIDGE, "exercise": "hip_brigde"}]}
    assert await empty.problem("POST", PATH, BEN, wrong) == (
        422,
        [("/prescriptions/1/exercise", "is not in the library", "Did you mean “hip_bridge”?")],
    )


async def test_suggestions_come_with_what_the_patients_precautions_say_and_assign_nothing(api: Api) -> None:
    await api("PATCH", "/clinics/riverside/patients/ada", BEN, {"precautions": ["lateral_hip_tendon"]}, if_match='"1"')
    items = (await api("GET", "/clinics/riverside/patients/ada/suggestions")).json()["items"]
    assert [it["muscle"] for it in items] == ["gluteus medius", "iliopsoas"]
    clamshell = items[0]["phases"]["B"][0]
    assert (clamshell["exercise"], clamshell["how_much"]) == (
        "clamshell",
        "3 sets of 10, hold 5 seconds, each side, on Monday, Wednesday and Friday",
    )
    assert "outer hip tendons" in clamshell["cautions"][0]
    assert len((await api("GET", PLANS)).json()["items"]) == 1


async def test_a_plan_with_phases_says_what_it_took_from_the_cards(empty: Api) -> None:
    lighter = {**BRIDGE, "lighter": {"sets": 1, "reps": 8}}
    plan = {"title": "Hip", "prescriptions": [lighter], "times": ["09:00"], "phases": {"full_after": 72}}
    it = (await empty("POST", PLANS, BEN, plan)).json()["revisions"][0]
    assert it["phases"] == {"full_after": 72}
    assert (it["prescriptions"][0]["phase"], it["prescriptions"][0]["works"][0]) == ("B", "gluteus maximus")
    wrong = {**plan, "phases": {"light_after": 50}}
    assert (await empty.problem("POST", PLANS, BEN, wrong))[1][0][0] == "/phases/light_after"
