"""The story of a message, for the clinic; what a patient puts off, chooses and stops; who cannot be reached."""

import random
from typing import Any

from click.testing import CliRunner
from sqlalchemy import Connection, select

from notifications import addresses, claiming, settling
from notifications.channels import Accepted, Later
from notifications.settling import Sent, Try
from notifications.tables import address, message
from programs.instants import DAY, HOUR, MINUTE, Instant, say
from service import explain_command
from service.cli import main
from service.tables import audit
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLINIC, EVE, NOON

AT_17 = NOON + 5 * HOUR
MESSAGES = "/clinics/riverside/patients/ada/messages"


async def send(api: Api, at: Instant, outcome: Any = None) -> str:
    """Hand over what is due, as the worker does; the id of the last of Ada's."""
    api.clock.move_to(at)
    _, claimed = await api.db.write(claiming.claim, at)
    sent = [
        Sent(it, tuple(Try(one, outcome or Accepted()) for step in it.ladder[:1] for one in step)) for it in claimed
    ]
    await api.db.write(settling.settle, sent, at, random.Random(1))
    mine = [it.row.id for it in claimed if it.row.person_id == "ada"]
    return mine[-1] if mine else ""


async def test_the_story_of_a_message_says_why_then_every_try_and_how_it_ended(api: Api) -> None:
    id = await send(api, AT_17, Later("503 after 2 s"))
    waiting = (await api("GET", f"/clinics/riverside/messages/{id}")).json()
    assert (waiting["state"], waiting["sent_at"], waiting["ended_at"]) == ("pending", None, None)
    assert waiting["text"].startswith("It waits for its time")
    assert await send(api, AT_17 + 10 * MINUTE) == id
    it = (await api("GET", f"/clinics/riverside/messages/{id}")).json()
    assert (it["kind"], it["local"], it["patient_id"]) == ("check_in", "2026-06-01T17:00", "ada")
    assert "step_evening" in [one["code"] for one in it["reasons"]]
    assert [(one["channel"], one["result"], one["detail"]) for one in it["tries"]] == [
        ("console", "later", "503 after 2 s"),
        ("console", "accepted", ""),
    ]
    assert (it["state"], it["reason"], it["sent_at"]) == ("accepted", "console", say(AT_17 + 10 * MINUTE))
    assert "whether it was seen is not known" in it["text"]
    receipt = {"message_id": id, "kind": "opened", "at": say(AT_17 + 11 * MINUTE)}
    await api("POST", "/me/receipts", ADA, receipt)
    listed = (await api("GET", MESSAGES)).json()["items"]
    assert [one["kind"] for one in next(one for one in listed if one["id"] == id)["receipts"]] == ["opened"]
    assert [one["planned_for"] for one in listed] == sorted((one["planned_for"] for one in listed), reverse=True)
    # The log says who looked, and of whom.
    looked = await api.db.read(lambda db: db.execute(select(audit.c.patient_id, audit.c.record_id)).all())
    assert ("ada", id) in [tuple(row) for row in looked]


async def test_alerts_and_messages_of_others_are_no_such_record(api: Api) -> None:
    def others(db: Connection) -> list[str]:
        return list(db.execute(select(message.c.id).where(message.c.person_id != "ada")).scalars())

    await api("POST", "/me/check-ins/s1-evening/answers", ADA, {"answers": {"rf_bleed": True}})
    ids = await api.db.read(others)
    assert ids
    for id in ids:
        assert (await api("GET", f"/clinics/riverside/messages/{id}", BEN)).status_code == 404


async def test_a_span_that_cannot_be_is_said(api: Api) -> None:
    for query in ("to=2020-01-01T00:00:00Z", f"from={say(NOON - 93 * DAY)}&to={say(NOON)}", "from=noon"):
        assert (await api("GET", f"{MESSAGES}?{query}")).status_code == 422
    shown = (await api("GET", f"{MESSAGES}?from={say(NOON + DAY)}&to={say(NOON + 2 * DAY)}")).json()["items"]
    assert shown
    assert all(say(NOON + DAY) <= one["planned_for"] < say(NOON + 2 * DAY) for one in shown)


async def test_the_operator_reads_the_story_without_names_or_health(api: Api, database_url: str) -> None:
    id = await send(api, AT_17)

    def told(db: Connection) -> list[str]:
        return explain_command.lines(*explain_command.find(db, id))

    text = "\n".join(await api.db.read(told))
    assert f"{say(AT_17)}  console: accepted" in text
    assert "accepted, console: A provider took it." in text
    for secret in ("ada", "needling", "sore", "check_in:", "s1"):
        assert secret not in text.lower()
    found = CliRunner().invoke(main, ["explain", "0" * 32], env={"HOMESTRETCH_DATABASE_URL": database_url})
    assert (found.exit_code, "there is no message with this id" in found.output) == (1, True)


# later


async def test_a_check_in_that_is_put_off_is_reminded_of_then_and_not_before(api: Api) -> None:
    id = await send(api, AT_17)
    reply = await api("POST", f"/me/messages/{id}/snooze", ADA, {"minutes": 120})
    assert reply.json() == {"message_id": id, "until": say(AT_17 + 2 * HOUR)}
    again = await api("POST", f"/me/messages/{id}/snooze", ADA, {"minutes": 15})  # the first stands
    assert again.json() == reply.json()
    nudges = [one for one in (await api("GET", MESSAGES)).json()["items"] if one["kind"] == "nudge"]
    [mine] = [one for one in nudges if "snoozed" in [why["code"] for why in one["reasons"]]]
    assert (mine["planned_for"], mine["state"]) == (say(AT_17 + 2 * HOUR), "pending")
    assert await send(api, AT_17 + 2 * HOUR) == mine["id"]
    # What came again may be put off again; near the end of the allowed hours there is no time left.
    api.clock.move_to(NOON + 8 * HOUR + 50 * MINUTE)
    assert (await api("POST", f"/me/messages/{mine['id']}/snooze", ADA, {"minutes": 120})).status_code == 409
    assert (await api("POST", f"/me/messages/{mine['id']}/snooze", ADA, {"minutes": 7})).status_code == 422
    assert (await api("POST", f"/me/messages/{mine['id']}/snooze", EVE, {"minutes": 15})).status_code == 404


async def test_a_bout_that_is_put_off_comes_again_past_the_days_limit_unless_it_is_done(api: Api) -> None:
    await api("PATCH", "/me/preferences", ADA, {"most_a_day": 1, "check_ins": False})
    id = await send(api, NOON + 23 * HOUR)  # 11:00 on Tuesday
    story = (await api("GET", f"/clinics/riverside/messages/{id}")).json()
    bout = next(one for one in story["subjects"] if one["kind"] == "bout")
    until = (await api("POST", f"/me/messages/{id}/snooze", ADA, {"minutes": 60})).json()["until"]
    assert until == say(NOON + DAY)
    planned = (await api("GET", "/clinics/riverside/patients/ada/agenda?days=1")).json()["messages"]
    assert (planned[0]["at"], bout in planned[0]["subjects"]) == (until, True)
    assert await send(api, NOON + DAY) != id
    told = (await api("GET", "/clinics/riverside/patients/ada/agenda?days=1")).json()
    assert bout not in [one["subject"] for one in told["omissions"] if one["reason"]["code"] != "already_sent"]


async def test_what_never_went_out_cannot_be_put_off(api: Api) -> None:
    pending = (await api("GET", MESSAGES)).json()["items"][0]["id"]
    assert (await api("POST", f"/me/messages/{pending}/snooze", ADA, {"minutes": 15})).status_code == 409


# chosen and stopped


async def test_a_patient_chooses_kinds_and_hours_and_messages_follow_at_once(api: Api) -> None:
    async def kinds() -> set[str]:
        items = (await api("GET", "/clinics/riverside/patients/ada/agenda?days=3")).json()["messages"]
        return {subject["kind"] for one in items for subject in one["subjects"]}

    assert await kinds() == {"check_in", "nudge", "bout"}
    chosen = (await api("PATCH", "/me/preferences", ADA, {"nudges": False})).json()
    assert (chosen["nudges"], chosen["check_ins"], await kinds()) == (False, True, {"check_in", "bout"})
    await api("PATCH", "/me/preferences", ADA, {"bout_reminders": False})
    assert await kinds() == {"check_in"}
    await api("PATCH", "/me/preferences", ADA, {"check_ins": False})
    assert await kinds() == set()
    assert (await api("GET", "/me/preferences", ADA)).json()["check_ins"] is False
    # The app shows the check-in all the same, and an answer that cannot wait still tells the clinic.
    api.clock.move_to(AT_17)
    assert (await api("GET", "/me/today", ADA)).json()["check_ins"]
    reply = await api("POST", "/me/check-ins/s1-evening/answers", ADA, {"answers": {"rf_bleed": True}})
    assert "911" in reply.text
    keys = await api.db.read(lambda db: list(db.execute(select(message.c.key)).scalars()))
    assert any(key.startswith("alert:") for key in keys)
    refused = await api.problem("PATCH", "/me/preferences", ADA, {"allowed_until": "09:00"})
    assert refused[1][0][0] == "/allowed_until"


async def test_whom_no_address_reaches_is_shown_since_when(api: Api) -> None:
    async def since() -> str | None:
        return (await api("GET", "/clinics/riverside/patients/ada")).json()["unreachable_since"]  # type: ignore[no-any-return]

    assert await since() is None
    before = (await api("GET", "/me/addresses", ADA)).json()
    assert [(one["channel"], one["state"]) for one in before["items"]][:1] == [("console", "ok")]

    def fall_silent(db: Connection) -> None:
        mine = (address.c.clinic_id == CLINIC) & (address.c.person_id == "ada")
        silent = {"unconfirmed": 3, "unconfirmed_since": NOON - 3 * DAY, "unconfirmed_last": NOON - HOUR}
        db.execute(address.update().where(mine).values(**silent))

    await api.db.write(fall_silent)
    assert await since() == say(NOON - 3 * DAY)
    known = (await api("GET", "/me/addresses", ADA)).json()
    assert (known["push_ok"], {one["state"] for one in known["items"]}) == (False, {"silent"})
    listed = (await api("GET", "/clinics/riverside/patients")).json()["items"]
    assert [one["unreachable_since"] for one in listed if one["id"] == "ada"] == [say(NOON - 3 * DAY)]
    ids = [one["id"] for one in known["items"]]
    await api.db.write(addresses.give_up, [(CLINIC, id, "410", NOON + DAY) for id in ids], NOON + HOUR)
    assert await since() == say(NOON + HOUR)
    await api("PATCH", "/clinics/riverside/patients/ada", BEN, {"consent": False}, if_match='"1"')
    assert await since() is None  # nobody asks
