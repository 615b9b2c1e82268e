"""A patient's page: what it asks, what an answer brings back at once, and what is logged."""

import pytest
from sqlalchemy import Connection, select

from programs import checkins
from programs.dosage import Dosage, Prescription
from programs.exercises import stop_words
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.schedule import Hold
from programs.tables import answer, completion
from programs.triage import safety_text, unwell_text
from service import care, reading
from service.clock import SetClock
from service.database import Database
from tests.programs.test_cards import OWN
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, CLINIC, EVE, NOON, assignment, session

EVENING = "/today/check-ins/s1-evening"
PRAISE = ("fine", "normal", "well done", "great", "good job", "all clear", "working")


def rows(db: Connection) -> tuple[int, int]:
    return len(db.execute(select(answer)).all()), len(db.execute(select(completion)).all())


@pytest.fixture
async def evening(world: Database, clock: SetClock) -> Instant:
    """Ada was needled at eleven, her program began, and it is six in the evening."""
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    await world.write(care.assign_plan, BEN, "p1", assignment(times=("12:30", "19:00")), NOON)
    clock.move_to(NOON + 6 * HOUR)
    return clock.at


@pytest.mark.usefixtures("evening")
async def test_the_page_shows_what_to_answer_and_what_to_do(browser: Browser) -> None:
    text = (await browser(ADA).get("/today")).text
    for words in (
        "Hello Ada",
        "Monday 1 June",
        "chosen by Ben",
        "About your visit on Monday 1 June, 11:00",
        "The evening of your visit",
        unwell_text("911"),
        "0 to 10: how sore is it where the needles went?",
        "I fainted and hurt myself",
        "Hip bridge",
        "3 sets of 10, hold 5 seconds",
        "At 12:30",
        "At 19:00",
        "Push through your heels and lift your hips.",
        stop_words(5),
        "It does not examine you, find out what is wrong, or decide your treatment",
    ):
        assert words in text


@pytest.mark.usefixtures("evening")
async def test_an_exercise_is_shown_still_and_moving_for_whoever_does_not_mind_and_on_its_side(
    browser: Browser, world: Database
) -> None:
    left = Dosage(sets=3, reps=10, side="left")
    await world.write(
        care.assign_plan,
        BEN,
        "p2",
        assignment(prescriptions=(Prescription("clamshell", left),), times=("12:30",)),
        NOON,
    )
    tags = Reader((await browser(ADA).get("/today")).text).tags
    shown = {it["src"] for tag, it in tags if tag == "img"}
    assert {
        "/exercises/hip_bridge.svg?still=true&language=en",
        "/exercises/hip_bridge.svg?language=en",
        "/exercises/clamshell.svg?side=left&language=en",
    } <= shown
    (instead, *_) = (it for tag, it in tags if tag == "source")
    assert instead["media"] == "(prefers-reduced-motion: reduce)"
    assert "still=true" in instead["srcset"]
    for src in shown:
        assert (await browser(ADA).get(src)).headers["content-type"] == "image/svg+xml; charset=utf-8"


@pytest.mark.usefixtures("evening")
async def test_check_ins_of_two_visits_stand_apart_with_their_visits(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(care.record_session, BEN, "s2", session(clock.at - HOUR, muscles=("QL",)), clock.at)
    clock.move_to(NOON + 9 * HOUR)
    page = (await browser(ADA).get("/today")).text
    assert "About your visit on Monday 1 June, 11:00" in page
    assert "About your visit on Monday 1 June, 17:00" in page
    forms = {it.action for it in Reader(page).forms}
    assert {"/today/check-ins/s1-evening", "/today/check-ins/s2-evening"} <= forms
    assert page.count("<strong>" + unwell_text("911") + "</strong>") == 2


@pytest.mark.usefixtures("evening")
async def test_an_emergency_answer_brings_its_safety_text_at_once(browser: Browser, world: Database) -> None:
    ada = browser(ADA)
    reply = await ada.post(EVENING, data={"rf_belly": "yes", "q_sore": "3"})
    assert reply.history[0].status_code == 303
    assert safety_text("emergency", "911", "+1 555 0100") in reply.text
    assert 'href="tel:911"' in reply.text
    assert 'role="alert"' in reply.text
    flags = await world.read(checkins.flags_of, CLINIC)
    assert [it.tier for it in flags] == ["emergency"]
    again = await ada.get(EVENING)
    assert safety_text("emergency", "911", "+1 555 0100") in again.text
    assert (await browser(EVE).get(EVENING)).status_code == 404


@pytest.mark.usefixtures("evening")
async def test_a_same_day_answer_asks_to_phone_the_clinic(browser: Browser) -> None:
    reply = await browser(ADA).post(EVENING, data={"q_sore": "9"})
    assert safety_text("same_day", "911", "+1 555 0100").split(". ")[0] in reply.text
    assert 'href="tel:+15550100"' in reply.text


@pytest.mark.usefixtures("evening")
async def test_any_other_answer_is_passed_on_without_praise_or_all_clear(browser: Browser) -> None:
    for answers in ({"q_sore": "1", "rf_bleed": "no"}, {"q_free": "Is heat all right?"}):
        text = (await browser(ADA).post(EVENING, data=answers)).text
        assert "This was passed on to Ben." in text
        assert unwell_text("911") in text
        assert not [word for word in PRAISE if word in text.lower()]
    assert "Nothing to answer now." in (await browser(ADA).get("/today")).text


@pytest.mark.usefixtures("evening")
async def test_an_answer_that_cannot_be_is_explained_and_the_others_are_kept(browser: Browser, world: Database) -> None:
    ada = browser(ADA)
    for bad in ({"q_sore": "eleven"}, {"rf_bleed": "perhaps"}, {"rf_collapse": "flew"}, {"q_free": "x" * 2001}):
        reply = await ada.post(EVENING, data={"q_usual": "4", **bad})
        assert reply.status_code == 422
        assert "Nothing was sent yet." in reply.text
        assert Reader(reply.text).form(EVENING).fields["q_usual"] == "4"
    empty = await ada.post(EVENING, data={})
    assert "Give at least one answer" in empty.text
    assert (await world.read(rows))[0] == 0


@pytest.mark.usefixtures("evening")
async def test_a_check_in_that_closed_long_ago_says_so(browser: Browser, clock: SetClock) -> None:
    clock.move_to(NOON + 30 * DAY)
    reply = await browser(ADA).post(EVENING, data={"q_sore": "3"})
    assert reply.status_code == 409
    assert "Your therapist can still hear you." in reply.text
    assert (await browser(ADA).get("/today/check-ins/nobody-evening")).status_code == 404


@pytest.mark.usefixtures("evening")
async def test_an_exercise_is_logged_once_however_often_its_form_is_sent(browser: Browser, world: Database) -> None:
    ada = browser(ADA)
    form = Reader((await ada.get("/today")).text).form("/today/completions", exercise="hip_bridge", time="12:30")
    assert form.buttons == [("outcome", "done"), ("outcome", "partly"), ("outcome", "skipped")]
    for _ in range(2):
        reply = await ada.post(form.action, data={**form.fields, "outcome": "done", "reason": ""})
        assert reply.history[0].status_code == 303
        assert "Saved. Thank you." in reply.text
        assert "You said: done, 18:00." in reply.text
    assert (await world.read(rows))[1] == 1


@pytest.mark.usefixtures("evening")
async def test_what_was_skipped_keeps_its_reason_and_can_be_set_right(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    ada = browser(ADA)
    for outcome, reason, said in (
        ("skipped", "too_sore", "You said: skipped (too sore), 18:00."),
        ("skipped", "", "You said: skipped, 18:01."),
        ("partly", "too_sore", "You said: partly done, 18:02."),
    ):
        form = Reader((await ada.get("/today")).text).form("/today/completions", exercise="walking", time="19:00")
        text = (await ada.post(form.action, data={**form.fields, "outcome": outcome, "reason": reason})).text
        assert said in text
        clock.move_to(clock.at + MINUTE)
    assert (await world.read(rows))[1] == 3


@pytest.mark.usefixtures("evening")
async def test_a_form_that_was_tampered_with_is_refused(browser: Browser, world: Database) -> None:
    ada = browser(ADA)
    form = Reader((await ada.get("/today")).text).form("/today/completions", exercise="walking", time="19:00")
    good = {**form.fields, "outcome": "done", "reason": ""}
    bad: list[dict[str, str]] = [
        {"outcome": "perfect"},
        {"outcome": "skipped", "reason": "rain"},
        {"date": "1 June"},
        {"time": "7pm"},
        {"plan": "another's"},
    ]
    for change in bad:
        assert (await ada.post(form.action, data={**good, **change})).status_code == 422
    for change in ({}, {"plan": "x" * 5000}, {"exercise": "y" * 5000, "id": "z" * 5000}):
        assert (await ada.post(form.action, data=change)).status_code == 422
    assert (await world.read(rows))[1] == 0


@pytest.mark.usefixtures("evening")
async def test_what_the_plan_no_longer_asks_for_is_kept_and_said(browser: Browser, clock: SetClock) -> None:
    ada = browser(ADA)
    form = Reader((await ada.get("/today")).text).form("/today/completions", exercise="walking", time="19:00")
    data = {**form.fields, "outcome": "done", "reason": "", "time": "20:15"}
    assert "Your plan has changed" in (await ada.post(form.action, data=data)).text


@pytest.mark.usefixtures("evening")
async def test_a_held_exercise_is_not_asked_for(browser: Browser, world: Database, clock: SetClock) -> None:
    today = await world.read(reading.today, ADA, clock.at)
    wall = today.tasks[0].bout.wall
    await world.write(care.hold_plan, BEN, "ada", "p1", None, Hold("h", wall, None, (), "Rest"), clock.at)
    text = (await browser(ADA).get("/today")).text
    assert "On hold for now: Rest." in text
    assert "/today/completions" not in text


async def test_a_day_with_nothing_says_so(browser: Browser) -> None:
    text = (await browser(EVE).get("/today")).text
    assert "Nothing to answer now." in text
    assert "No exercises are planned for today." in text


async def test_a_clinics_own_exercise_is_shown_in_its_words_with_the_figure_it_borrows(
    world: Database, clock: SetClock, browser: Browser
) -> None:
    await world.write(care.put_exercise, BEN, "calf_raise", 0, OWN, NOON)
    rises = Prescription("calf_raise", Dosage(sets=3, reps=12))
    await world.write(care.assign_plan, BEN, "calf", assignment(prescriptions=(rises,), times=("19:00",)), NOON)
    clock.move_to(NOON + 6 * HOUR)
    text = (await browser(ADA).get("/today")).text
    assert "Calf raise" in text
    assert "Rise on your toes." in text
    assert "/exercises/step_up.svg" in text
