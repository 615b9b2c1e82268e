"""Patients over the API: any name there is, zones there are, changes by version, pages to the end."""

from typing import Any

import pytest

from programs.instants import HOUR, MINUTE, say
from service.api.wire import cursor
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLEO, NOON

PATH = "/clinics/riverside/patients"
NAMES = (
    "Anna O’Neill",
    "김민수",
    "प्रिया शर्मा",
    "דוד כהן",
    "สมชาย",
    "Nguyễn Văn Ánh",
    "Γιώργος",
    "Mary Smith III, Jr.",
    "عبد‌الله",
    "ꦱꦸꦫꦠ",
    "𠮷野家",
    "👩🏽‍⚕️",
    "X Æ A-12",
    "O",
    "é" * 200,
    "Robert'); DROP TABLE patient;--",
)


def newcomer(**changed: Any) -> dict[str, Any]:
    it = {"name": "Zoë", "zone": "Europe/Madrid", "clinician_id": "ben", "consent": True}
    return {name: value for name, value in {**it, **changed}.items() if value is not ...}


async def test_any_name_of_any_script_is_a_name(empty: Api) -> None:
    for name in NAMES:
        reply = await empty("POST", PATH, BEN, newcomer(name=name))
        assert (reply.status_code, reply.json()["name"]) == (201, name)
        assert (await empty("GET", f"{PATH}/{reply.json()['id']}")).json()["name"] == name


async def test_blanks_around_a_name_are_not_part_of_it(empty: Api) -> None:
    assert (await empty("POST", PATH, BEN, newcomer(name="　 Zoë \u00a0"))).json()["name"] == "Zoë"


BAD: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"name": "x" * 4000}, "/name", "must have at most 200 characters", ""),
    ({"name": "  "}, "/name", "must not be empty", ""),
    ({"name": "\u200b\u00a0"}, "/name", "must not be empty", ""),
    ({"name": "a\nb"}, "/name", "is not written as it must be", "control characters"),
    ({"name": "a\u0000"}, "/name", "is not written as it must be", "control characters"),
    ({"name": "a\u2028b"}, "/name", "is not written as it must be", "control characters"),
    ({"name": None}, "/name", "must be text, not null", "One line"),
    ({"name": ...}, "/name", "is missing", "One line"),
    ({"zone": "Europe/Madri"}, "/zone", "is not the name of a time zone", "Did you mean “Europe/Madrid”?"),
    ({"zone": "../../etc/passwd"}, "/zone", "is not the name of a time zone", "Europe/Madrid"),
    ({"zone": "x" * 65}, "/zone", "must have at most 64 characters", ""),
    ({"consent": ...}, "/consent", "is missing", ""),
    ({"consent": "yes"}, "/consent", "must be true or false, not text", ""),
    ({"precautions": ["osteoporsis"]}, "/precautions/0", "is not a precaution we know", "osteoporosis"),
    ({"preferences": {"language": "xx"}}, "/preferences/language", "must be one of en, es", ""),
    (
        {"preferences": {"allowed_from": "12:00"}},
        "/preferences/allowed_until",
        "leaves less than 12 allowed hours",
        "no allowed hour",
    ),
    ({"preferences": {"allowed_from": "8:00"}}, "/preferences/allowed_from", "is not written as it must be", "HH:MM"),
    ({"preferences": {"most_a_day": 99}}, "/preferences/most_a_day", "must be at most 6", ""),
    ({"preferences": {"channels": ["pigeon"]}}, "/preferences/channels", "must be among", ""),
    ({"preferences": {"quiet": True}}, "/preferences/quiet", "is not a field of this request", ""),
    ({"nam": "Zoë"}, "/nam", "is not a field of this request", "Did you mean “name”?"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_wrong_with_a_new_patient_is_named_and_nobody_is_enrolled(empty: Api) -> None:
    for changed, where, problem, hint in BAD:
        status, errors = await empty.problem("POST", PATH, BEN, newcomer(**changed))
        assert status == 422
        ((pointer, said, advice),) = errors
        assert pointer == where
        assert problem in said, changed
        assert hint in advice, changed
    assert [it["id"] for it in (await empty("GET", PATH)).json()["items"]] == ["ada"]


async def test_a_clinician_of_another_clinic_takes_no_patient_here(empty: Api) -> None:
    assert (await empty("POST", PATH, BEN, newcomer(clinician_id="dov"))).status_code == 404


async def test_preferences_left_out_are_those_of_everybody(empty: Api) -> None:
    it = (await empty("POST", PATH, BEN, newcomer(preferences={"allowed_from": "07:00"}))).json()
    assert (it["preferences"]["allowed_from"], it["preferences"]["allowed_until"]) == ("07:00", "21:00")


async def test_a_change_names_what_it_changes_and_leaves_the_rest(empty: Api) -> None:
    await empty("PATCH", f"{PATH}/ada", BEN, {"preferences": {"language": "es"}}, if_match='"1"')
    changed = {"name": "Ada L.", "preferences": {"most_a_day": 3}, "precautions": ["osteoporosis"]}
    reply = await empty("PATCH", f"{PATH}/ada", CLEO, changed, if_match='"2"')
    it = reply.json()
    assert (reply.headers["etag"], it["version"], it["name"], it["zone"]) == ('"3"', 3, "Ada L.", "America/New_York")
    assert (it["preferences"]["language"], it["preferences"]["most_a_day"]) == ("es", 3)
    assert (it["precautions"], it["consent"]) == (["osteoporosis"], True)


async def test_a_change_to_an_old_version_changes_nothing(empty: Api) -> None:
    assert (await empty("PATCH", f"{PATH}/ada", BEN, {"zone": "Europe/Madrid"})).status_code == 428
    assert (await empty("PATCH", f"{PATH}/ada", BEN, {"zone": "Europe/Madrid"}, if_match='"9"')).status_code == 412
    assert (await empty("GET", f"{PATH}/ada")).json()["zone"] == "America/New_York"


async def test_null_is_no_way_to_leave_a_thing_out(empty: Api) -> None:
    status, errors = await empty.problem("PATCH", f"{PATH}/ada", BEN, {"zone": None}, if_match='"1"')
    assert (status, errors[0][:2]) == (422, ("/zone", "must be text, not null"))


async def test_a_new_zone_moves_the_messages(api: Api) -> None:
    before = (await api("GET", f"{PATH}/ada/agenda")).json()
    await api("PATCH", f"{PATH}/ada", BEN, {"zone": "Asia/Tokyo"}, if_match='"1"')
    after = (await api("GET", f"{PATH}/ada/agenda")).json()
    assert (before["zone"], after["zone"]) == ("America/New_York", "Asia/Tokyo")
    assert [it["at"] for it in before["messages"]] != [it["at"] for it in after["messages"]]


async def test_discharge_ends_everything_and_may_be_taken_back(api: Api) -> None:
    it = (await api("PATCH", f"{PATH}/ada", BEN, {"discharged": True}, if_match='"1"')).json()
    assert it["discharged_at"] == say(api.clock.now())
    agenda = (await api("GET", f"{PATH}/ada/agenda")).json()
    assert agenda["messages"] == []
    assert {one["reason"]["code"] for one in agenda["omissions"]} <= {"discharged", "conditional"}
    body = {"patient_id": "ada", "ended_at": say(NOON), "muscles": ["TFL"], "side": "left"}
    assert (await api("POST", "/clinics/riverside/needling-sessions", BEN, body)).status_code == 409
    again = await api("PATCH", f"{PATH}/ada", BEN, {"discharged": True}, if_match='"2"')
    assert again.json()["discharged_at"] == it["discharged_at"]
    back = (await api("PATCH", f"{PATH}/ada", BEN, {"discharged": False}, if_match='"3"')).json()
    assert back["discharged_at"] is None


async def test_withdrawn_consent_silences_everything(api: Api) -> None:
    await api("PATCH", f"{PATH}/ada", BEN, {"consent": False}, if_match='"1"')
    agenda = (await api("GET", f"{PATH}/ada/agenda")).json()
    assert agenda["messages"] == []
    assert any(one["reason"]["code"] == "no_consent" for one in agenda["omissions"])


# pages


async def test_the_list_is_paged_to_its_end(empty: Api) -> None:
    for minute in range(7):
        empty.clock.move_to(NOON + minute * MINUTE)
        await empty("POST", PATH, BEN, newcomer(name=f"P{minute}"))
    seen: list[str] = []
    path = f"{PATH}?limit=3"
    for size in (3, 3, 2):
        reply = await empty("GET", path)
        page = reply.json()
        assert len(page["items"]) == size
        seen += [it["name"] for it in page["items"]]
        if page["next"] is None:
            assert "link" not in reply.headers
            break
        assert reply.links["next"]["url"] == f"/api/v1{PATH}?limit=3&cursor={page['next']}"
        path = reply.links["next"]["url"].removeprefix("/api/v1")
    assert sorted(seen) == ["Ada", *(f"P{minute}" for minute in range(7))]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_page_is_asked_for_in_the_way_it_can_be(empty: Api) -> None:
    for query, where, problem in (
        ("limit=0", "limit", "must be at least 1"),
        ("limit=201", "limit", "must be at most 200"),
        ("limit=ten", "limit", "must be a whole number, not text"),
        ("limit=1&limit=2", "limit", "is given twice"),
        ("lmit=1", "lmit", "is not a field of this request"),
        ("cursor=%21%21", "cursor", "is not a cursor of this list"),
        ("cursor=abc", "cursor", "is not a cursor of this list"),
        (f"cursor={cursor(17)}", "cursor", "is not a cursor of this list"),
        (f"cursor={cursor(['a', 'b'])}", "cursor", "is not a cursor of this list"),
        (f"cursor={'x' * 401}", "cursor", "must have at most 400 characters"),
    ):
        status, errors = await empty.problem("GET", f"{PATH}?{query}")
        assert (status, errors[0][:2]) == (422, (where, problem)), query


async def test_a_sign_of_life_is_seen(api: Api) -> None:
    api.clock.move_to(NOON + 4 * HOUR)
    await api("POST", "/me/check-ins/s1-evening/answers", ADA, {"answers": {"q_sore": 1}})
    assert (await api("GET", f"{PATH}/ada")).json()["seen_at"] == say(NOON + 4 * HOUR)
