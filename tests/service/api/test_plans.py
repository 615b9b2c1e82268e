"""Plans over the API: assigned from a template or a list, revised for the future only, held, ended."""

from typing import Any

import pytest

from programs.instants import DAY
from tests.service.api.conftest import Api
from tests.world import BEN, CLEO

PATH = "/clinics/riverside/patients/ada/plans"
BRIDGE = {"exercise": "hip_bridge", "dosage": {"sets": 3, "reps": 10}}


def plan(**changed: Any) -> dict[str, Any]:
    it = {"title": "Hip", "prescriptions": [BRIDGE], "times": ["09:00", "18:30"]}
    return {name: value for name, value in {**it, **changed}.items() if value is not ...}


async def test_a_list_of_exercises_becomes_a_plan_from_today_on(empty: Api) -> None:
    reply = await empty("POST", PATH, CLEO, plan(note="slowly"))
    it = reply.json()
    assert (reply.status_code, reply.headers["etag"]) == (201, '"1"')
    assert reply.headers["location"] == f"/api/v1{PATH}/{it['id']}"
    assert (it["title"], it["clinician_id"], it["ended"], it["warnings"]) == ("Hip", "cleo", None, [])
    (revision,) = it["revisions"]
    assert (revision["from"], revision["starts_on"], revision["ends_on"]) == ("2026-06-01T12:00", "2026-06-01", None)
    assert (revision["prescriptions"][0]["exercise"], revision["times"]) == ("hip_bridge", ["09:00", "18:30"])
    assert (await empty("GET", PATH)).json() == {"items": [it], "next": None}


async def test_a_template_brings_its_exercises_and_its_title(empty: Api) -> None:
    it = (await empty("POST", PATH, BEN, {"template": "iliopsoas_b", "times": ["09:00", "18:30"]})).json()
    assert it["title"]
    assert it["revisions"][0]["prescriptions"]


async def test_too_much_is_warned_of_and_saved(empty: Api) -> None:
    names = ("hip_bridge", "clamshell", "walking", "wall_sit", "step_up", "bird_dog")
    many = [{"exercise": name, "dosage": {"sets": 3, "reps": 10}} for name in names]
    reply = await empty("POST", PATH, BEN, plan(prescriptions=many))
    assert reply.status_code == 201
    assert "6 exercises" in reply.json()["warnings"][0]


BAD: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    (
        {"prescriptions": [{**BRIDGE, "exercise": "hip_brige"}]},
        "/prescriptions/0/exercise",
        "is not in the library",
        "hip_bridge",
    ),
    (
        {"prescriptions": [BRIDGE, {"exercise": "clamshell", "dosage": {"sets": 99, "reps": 1}}]},
        "/prescriptions/1/dosage/sets",
        "must be from 1 to 10",
        "",
    ),
    (
        {"prescriptions": [{"exercise": "hip_bridge", "dosage": {"sets": 3}}]},
        "/prescriptions/0/dosage/reps",
        "give reps",
        "",
    ),
    (
        {"prescriptions": [{"exercise": "hip_bridge", "dosage": {"sets": 10**40, "reps": 1}}]},
        "/prescriptions/0/dosage/sets",
        "must be from 1 to 10",
        "",
    ),
    ({"prescriptions": [{**BRIDGE, "times": ["9"]}]}, "/prescriptions/0/times", "must be written as HH:MM", ""),
    ({"prescriptions": [{**BRIDGE, "pain_limit": 11}]}, "/prescriptions/0/pain_limit", "must be from 0 to 10", ""),
    ({"prescriptions": [{**BRIDGE, "note": "x" * 501}]}, "/prescriptions/0/note", "must be at most 500", ""),
    ({"prescriptions": [{**BRIDGE, "weight": 1}]}, "/prescriptions/0/weight", "is not a field of this request", ""),
    ({"prescriptions": [BRIDGE, BRIDGE]}, "/prescriptions", "name an exercise twice", "several times"),
    ({"prescriptions": []}, "/prescriptions", "must have at least 1 items", ""),
    ({"prescriptions": ...}, "/prescriptions", "give either template or prescriptions", ""),
    ({"template": "iliopsoas_b"}, "/prescriptions", "give either template or prescriptions", ""),
    ({"prescriptions": ..., "template": "iliopsoas_c2"}, "/template", "is not a program we have", "iliopsoas_c"),
    ({"times": ["25:00"]}, "/times/0", "is not written as it must be", "HH:MM"),
    ({"times": ["09:00\n"]}, "/times/0", "is not written as it must be", "HH:MM"),
    ({"times": ["09:00", "09:00"]}, "/times", "different times of day", ""),
    ({"times": []}, "/times", "must be at least 1", ""),
    ({"times": ...}, "/times", "is missing", "clock"),
    ({"ends_on": "2026-05-01"}, "/ends_on", "is before starts_on", ""),
    ({"starts_on": "2026-02-30"}, "/starts_on", "is not a date", "2026-06-01"),
    ({"starts_on": "9999-12-31"}, "/starts_on", "must be from 2000 to 2099", ""),
    ({"title": "x" * 4000}, "/title", "must have at most 200 characters", ""),
    ({"title": " "}, "/title", "must not be empty", ""),
    ({"titel": "x"}, "/titel", "is not a field of this request", "Did you mean “title”?"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_wrong_with_a_plan_is_named_and_none_is_made(empty: Api) -> None:
    for changed, where, problem, hint in BAD:
        status, errors = await empty.problem("POST", PATH, BEN, plan(**changed))
        assert status == 422, changed
        ((pointer, said, advice),) = errors
        assert pointer == where, (changed, pointer, said)
        assert problem in said, (changed, said)
        assert hint in advice, (changed, advice)
    assert (await empty("GET", PATH)).json()["items"] == []


async def test_a_revision_changes_what_comes_and_keeps_what_was(api: Api) -> None:
    terms = {"prescriptions": [BRIDGE], "times": ["07:15"]}
    assert (await api("PUT", f"{PATH}/p1", BEN, terms)).status_code == 428
    it = (await api("PUT", f"{PATH}/p1", BEN, terms, if_match='"1"')).json()
    assert (await api("PUT", f"{PATH}/p1", BEN, terms, if_match='"1"')).status_code == 412
    assert [(one["number"], one["from"], one["times"]) for one in it["revisions"]] == [
        (1, "2026-06-01T12:00", ["09:00"]),
        (2, "2026-06-01T15:00", ["07:15"]),
    ]
    assert it["revisions"][1]["starts_on"] == "2026-06-01"
    assert (await api("PUT", f"{PATH}/p1", BEN, {**terms, "title": "x"}, if_match='"2"')).status_code == 422


async def test_a_hold_runs_from_now_until_the_end_of_its_last_day(api: Api) -> None:
    held = {"until": "2026-06-03", "exercises": ["hip_bridge"], "reason": "needled there"}
    it = (await api("POST", f"{PATH}/p1/hold", BEN, held)).json()
    ((hold,), version) = it["holds"], it["version"]
    assert (hold["from"], hold["until"], hold["exercises"]) == ("2026-06-01T15:00", "2026-06-03", ["hip_bridge"])
    assert version == 2
    api.clock.move_to(api.clock.now() + 1000)
    it = (
        await api(
            "POST", f"{PATH}/p1/hold", BEN, {"from": "2026-06-05T00:00:00-04:00", "reason": "away"}, if_match='"2"'
        )
    ).json()
    assert (it["holds"][1]["from"], it["holds"][1]["until"], it["holds"][1]["exercises"]) == (
        "2026-06-05T00:00",
        None,
        [],
    )
    agenda = (await api("GET", "/clinics/riverside/patients/ada/agenda?days=10")).json()
    held_at = [one["local"] for one in agenda["omissions"] if one["reason"]["code"] == "held"]
    assert held_at[0] == "2026-06-05T09:00"


async def test_a_hold_that_cannot_be_is_refused(api: Api) -> None:
    for body, where in (
        ({"until": "2026-05-01", "reason": "x"}, "/until"),
        ({"exercises": ["clamshell"], "reason": "x"}, "/exercises"),
        ({"reason": ""}, "/reason"),
        ({}, "/reason"),
        ({"from": "2026-06-01T10:00", "reason": "x"}, "/from"),
    ):
        status, errors = await api.problem("POST", f"{PATH}/p1/hold", BEN, body)
        assert (status, errors[0][0]) == (422, where), body
    assert (await api("POST", f"{PATH}/p1/hold", BEN, {"reason": "x"}, if_match='"9"')).status_code == 412


async def test_an_ended_plan_is_over_and_ending_it_again_changes_nothing(api: Api) -> None:
    assert (await api("POST", f"{PATH}/p1/end", BEN, if_match='"9"')).status_code == 412
    it = (await api("POST", f"{PATH}/p1/end", BEN, {})).json()
    assert it["ended"] == "2026-06-01T15:00"
    api.clock.move_to(api.clock.now() + DAY)
    assert (await api("POST", f"{PATH}/p1/end", BEN)).json() == it
    terms = {"prescriptions": [BRIDGE], "times": ["07:15"]}
    assert (await api("PUT", f"{PATH}/p1", BEN, terms, if_match='"2"')).status_code == 409
    assert (await api("POST", f"{PATH}/p1/end", BEN, {"when": "now"})).status_code == 422


async def test_plans_are_paged_to_the_end(api: Api) -> None:
    for at in range(4):
        api.clock.move_to(api.clock.now() + 1000)
        await api("POST", PATH, BEN, plan(title=f"Plan {at}"))
    seen, path = [], f"{PATH}?limit=2"
    while path:
        reply = await api("GET", path)
        seen += [it["title"] for it in reply.json()["items"]]
        path = reply.links["next"]["url"].removeprefix("/api/v1") if "next" in reply.links else ""
    assert sorted(seen) == ["Hip program", "Plan 0", "Plan 1", "Plan 2", "Plan 3"]
