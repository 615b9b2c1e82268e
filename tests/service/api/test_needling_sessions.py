"""Needling sessions over the API: what is recorded, what is refused and how, and that nothing is done twice."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, func, select

from notifications.tables import due, message
from programs.instants import DAY, HOUR, say
from programs.tables import check_in, needling_session, needling_session_before
from service.settings import Settings
from service.tables import reply
from tests.service.api.conftest import Api
from tests.service.application import built
from tests.world import ADA, BEN, CLEO, NOON

PATH = "/clinics/riverside/needling-sessions"


def needled(**changed: Any) -> dict[str, Any]:
    it = {
        "patient_id": "ada",
        "started_at": "2026-06-01T10:30:00-04:00",
        "ended_at": "2026-06-01T11:00:00-04:00",
        "muscles": ["gluteus medius", "TFL"],
        "side": "left",
        "insertions": 6,
        "twitch_responses": "some",
        "electrical_stimulation": False,
        "note": "Ελαφρύ\nsecond line",
    }
    return {name: value for name, value in {**it, **changed}.items() if value is not ...}


async def counts(api: Api) -> tuple[int, ...]:
    def count(db: Connection) -> tuple[int, ...]:
        tables = (needling_session, check_in, message, due, reply)
        return tuple(db.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)

    return await api.db.read(count)  # type: ignore[no-any-return]


async def test_a_recorded_session_comes_back_whole_with_its_check_ins(empty: Api) -> None:
    reply = await empty("POST", PATH, BEN, needled())
    it = reply.json()
    assert (reply.status_code, reply.headers["etag"]) == (201, '"1"')
    assert reply.headers["location"] == f"/api/v1{PATH}/{it['id']}"
    assert it["ended_at"] == "2026-06-01T15:00:00Z"
    assert it["muscles"] == ["gluteus medius", "tensor fasciae latae"]
    assert (it["clinician_id"], it["insertions"], it["note"]) == ("ben", 6, "Ελαφρύ\nsecond line")
    assert [(one["step"], one["state"]) for one in it["check_ins"]] == [
        ("evening", "open"),
        ("day1", "open"),
        ("day2", "open"),
        ("day3", "conditional"),
        ("day7", "open"),
    ]
    assert it["not_made"] == []
    assert (await empty("GET", f"{PATH}/{it['id']}", CLEO)).json() == it


async def test_insertions_may_be_few_or_many_and_most_may_be_left_out(empty: Api) -> None:
    least = {"patient_id": "ada", "ended_at": "2026-06-01T15:00:00Z", "muscles": ["psoas"], "side": "both"}
    assert (await empty("POST", PATH, BEN, {**least, "insertions": "many"})).json()["insertions"] == "many"
    assert (await empty("POST", PATH, BEN, least)).json()["insertions"] is None


async def test_what_its_time_is_over_for_is_not_made_and_says_so(empty: Api) -> None:
    it = (await empty("POST", PATH, BEN, needled(started_at=..., ended_at=say(NOON - 3 * DAY)))).json()
    assert [one["step"] for one in it["check_ins"]] == ["day3", "day7"]
    assert [one["step"] for one in it["not_made"]] == ["evening", "day1", "day2"]
    assert it["not_made"][0]["closed_at"] == say(NOON - 3 * DAY + 18 * HOUR)
    assert "over" in it["not_made"][0]["reason"]


BAD: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"muscles": ["TFL", "gluteus mediu"]}, "/muscles/1", "is not in the list of muscles", "gluteus medius"),
    ({"muscles": []}, "/muscles", "must have at least 1 items", ""),
    ({"muscles": ["TFL"] * 51}, "/muscles", "must have at most 50 items", ""),
    ({"muscles": ["x" * 4000]}, "/muscles/0", "must have at most 100 characters", ""),
    ({"started_at": "2026-06-01T11:30:00-04:00"}, "/ended_at", "is before started_at", ""),
    ({"started_at": "2026-05-31T11:00:00-04:00"}, "/started_at", "is more than 12 hours before ended_at", ""),
    ({"started_at": ..., "ended_at": say(NOON - 31 * DAY)}, "/ended_at", "is more than 30 days ago", "too|so old"),
    ({"ended_at": say(NOON + HOUR)}, "/ended_at", "is in the future", "after it has ended"),
    ({"ended_at": "2026-06-01T11:00:00"}, "/ended_at", "does not say its offset from UTC", "-04:00"),
    ({"ended_at": "yesterday"}, "/ended_at", "is not a time", "-04:00"),
    ({"ended_at": 1780000000}, "/ended_at", "must be a time with its offset, not a whole number", "-04:00"),
    ({"ended_at": "0001-01-01T00:00:00Z"}, "/ended_at", "must be from 2000 to 2099", ""),
    ({"ended_at": "9999-12-31T23:59:59-12:00"}, "/ended_at", "must be from 2000 to 2099", ""),
    ({"ended_at": ...}, "/ended_at", "is missing", "-04:00"),
    ({"side": "middle"}, "/side", "is not one of the values allowed", "both, left, right"),
    ({"insertions": 0}, "/insertions", "must be at least 1", ""),
    ({"insertions": 10**30}, "/insertions", "must be at most 500", ""),
    ({"insertions": "lots"}, "/insertions", "is not one of the values allowed", "“few”"),
    ({"insertions": "6"}, "/insertions", "is not one of the values allowed", "“few”"),
    ({"electrical_stimulation": 1}, "/electrical_stimulation", "must be true or false or null, not a whole number", ""),
    ({"note": "x" * 4001}, "/note", "must have at most 4000 characters", ""),
    ({"note": "bell \x07"}, "/note", "is not written as it must be", "4000"),
    ({"note": "nul \x00"}, "/note", "is not written as it must be", "4000"),
    ({"patient_id": "a b"}, "/patient_id", "is not written as it must be", "letters"),
    ({"muscle": ["TFL"]}, "/muscle", "is not a field of this request", "muscles"),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_wrong_is_named_with_what_would_be_right_and_nothing_is_written(empty: Api) -> None:
    before = await counts(empty)
    for changed, where, problem, hint in BAD:
        status, errors = await empty.problem("POST", PATH, BEN, needled(**changed), idempotency_key="k")
        assert status == 422
        ((pointer, said, advice),) = errors
        assert (pointer, said) == (where, problem), changed
        assert any(part in advice for part in hint.split("|")), (changed, advice)
    assert await counts(empty) == before


async def test_every_wrong_muscle_is_named(empty: Api) -> None:
    _, errors = await empty.problem("POST", PATH, BEN, needled(muscles=["qqq", "TFL", "hamstrins"]))
    assert [(pointer, hint) for pointer, _, hint in errors] == [
        ("/muscles/0", ""),
        ("/muscles/2", "Did you mean “hamstrings”?"),
    ]


async def test_a_patient_or_clinician_of_another_clinic_is_not_there(empty: Api) -> None:
    assert (await empty("POST", PATH, BEN, needled(patient_id="eve"))).status_code == 404
    assert (await empty("POST", PATH, BEN, needled(clinician_id="dov"))).status_code == 404


async def test_a_correction_needs_the_version_it_corrects(api: Api) -> None:
    assert (await api("PUT", f"{PATH}/s1", BEN, needled())).status_code == 428
    assert (await api("PUT", f"{PATH}/s1", BEN, needled(), if_match="*")).status_code == 428
    for stale in ('"7"', "1", 'W/"1"', '"1", "2"', '"x"', '"²"', '""', '"99999999999"'):
        assert (await api("PUT", f"{PATH}/s1", BEN, needled(), if_match=stale)).status_code == 412
    reply = await api("PUT", f"{PATH}/s1", BEN, needled(), if_match='"1"')
    assert (reply.status_code, reply.headers["etag"], reply.json()["version"]) == (200, '"2"', 2)
    assert (await api("PUT", f"{PATH}/s1", BEN, needled(), if_match='"1"')).status_code == 412


async def test_a_correction_moves_what_is_unsent_and_keeps_the_old_version(api: Api) -> None:
    moved = needled(started_at=..., ended_at="2026-06-01T10:00:00-04:00")
    it = (await api("PUT", f"{PATH}/s1", BEN, moved, if_match='"1"')).json()
    assert it["check_ins"][1]["target_at"] == "2026-06-02T14:00:00Z"

    def kept(db: Connection) -> int:
        return db.execute(select(func.count()).select_from(needling_session_before)).scalar_one()

    assert await api.db.read(kept) == 1


async def test_whoever_corrects_a_colleagues_session_does_not_take_it_over(api: Api) -> None:
    it = (await api("PUT", f"{PATH}/s1", CLEO, needled(), if_match='"1"')).json()
    assert it["clinician_id"] == "ben"
    it = (await api("PUT", f"{PATH}/s1", CLEO, needled(clinician_id="cleo"), if_match='"2"')).json()
    assert it["clinician_id"] == "cleo"


async def test_a_cancelled_session_asks_nothing_more_and_cannot_be_corrected(api: Api) -> None:
    assert (await api("DELETE", f"{PATH}/s1")).status_code == 428
    it = (await api("DELETE", f"{PATH}/s1", BEN, if_match='"1"')).json()
    assert it["cancelled_at"] == say(api.clock.now())
    assert {one["state"] for one in it["check_ins"]} == {"cancelled"}
    assert (await api("DELETE", f"{PATH}/s1", BEN, if_match='"2"')).json() == it
    assert (await api("PUT", f"{PATH}/s1", BEN, needled(), if_match='"2"')).status_code == 409
    assert (await api("GET", "/me/today", ADA)).json()["check_ins"] == []


# Idempotency-Key


async def test_the_same_request_with_the_same_key_is_done_once(empty: Api) -> None:
    first = await empty("POST", PATH, BEN, needled(), idempotency_key="visit-17")
    written = await counts(empty)
    again = await empty("POST", PATH, BEN, needled(), idempotency_key="visit-17")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (201, first.content)
    for name in ("etag", "location", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert await counts(empty) == written


async def test_a_reply_that_was_lost_is_given_by_the_next_process_too(empty: Api, settings: Settings) -> None:
    first = await empty("POST", PATH, BEN, needled(), idempotency_key="k")
    app = built(settings, empty.db, empty.clock)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://aftercare.example.org") as http:
        again = await Api(app, empty.db, empty.clock, http)("POST", PATH, BEN, needled(), idempotency_key="k")
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_the_same_key_for_another_request_is_refused(api: Api) -> None:
    await api("POST", PATH, BEN, needled(), idempotency_key="k")
    written = await counts(api)
    for path, body in ((PATH, needled(side="right")), ("/clinics/riverside/patients/ada/plans/p1/end", None)):
        status, errors = await api.problem("POST", path, BEN, body, idempotency_key="k")
        assert (status, errors[0][:2]) == (422, ("Idempotency-Key", "was used for another request"))
    assert await counts(api) == written


async def test_a_key_is_its_senders_own(empty: Api) -> None:
    one = await empty("POST", PATH, BEN, needled(), idempotency_key="k")
    other = await empty("POST", PATH, CLEO, needled(), idempotency_key="k")
    assert "idempotency-replayed" not in other.headers
    assert one.json()["id"] != other.json()["id"]


async def test_a_refused_request_may_be_put_right_under_its_key(empty: Api) -> None:
    assert (await empty("POST", PATH, BEN, needled(muscles=["x"]), idempotency_key="k")).status_code == 422
    assert (await empty("POST", PATH, BEN, needled(), idempotency_key="k")).status_code == 201


async def test_a_key_must_be_one(empty: Api) -> None:
    for key in ("", "x" * 101, "tab\there"):
        status, errors = await empty.problem("POST", PATH, BEN, needled(), idempotency_key=key)
        assert (status, errors[0][0]) == (422, "Idempotency-Key")


async def test_the_same_key_twice_at_the_same_time_is_done_once(empty: Api) -> None:
    replies = await asyncio.gather(*(empty("POST", PATH, BEN, needled(), idempotency_key="k") for _ in range(6)))
    assert {one.status_code for one in replies} == {201}
    assert len({one.content for one in replies}) == 1
    assert (await counts(empty))[0] == 1
