"""A patient's page for the clinic, and its forms: preview, save, what is refused, what is sent twice."""

from datetime import date, datetime
from itertools import product

import msgspec
from sqlalchemy import Connection, func, select

from notifications.tables import message
from programs import needling, people, plans
from programs.instants import DAY, HOUR, MINUTE, of
from programs.tables import check_in, hold, needling_session, plan, revision
from service import care
from service.clock import SetClock
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, CLINIC, NOON, assignment, session

ADAS = "/clinic/patients/ada"
SESSIONS, PLANS = f"{ADAS}/needling-sessions", f"{ADAS}/plans"
VISIT = {
    "id": "made-once",
    "muscles": ["glute med", "QL, psoas"],
    "side": "left",
    "ended_at": "2026-06-01T11:30",
    "insertions": "12",
    "twitch_responses": "some",
    "electrical_stimulation": "no",
    "note": "Calm.",
}
PROGRAM = {
    "id": "made-once",
    "template": "general_hip",
    "title": "",
    "times": ["18:00", "09:00", ""],
    "starts_on": "2026-06-02",
    "ends_on": "",
}
COUNTED = (needling_session, check_in, plan, revision, hold, message)


def counts(db: Connection) -> list[int]:
    return [db.execute(select(func.count()).select_from(table)).scalar_one() for table in COUNTED]


async def test_a_needling_session_is_previewed_then_saved(browser: Browser, world: Database) -> None:
    ben = browser(BEN)
    before = await world.read(counts)
    shown = await ben.post(SESSIONS, data={**VISIT, "do": "preview"})
    assert shown.status_code == 200
    assert "Preview: nothing is saved yet" in shown.text
    assert "Mon 1 Jun 2026, 17:30" in shown.text
    assert "The check-in of the same evening" in shown.text
    assert await world.read(counts) == before
    kept = Reader(shown.text).form(SESSIONS).fields
    assert (kept["id"], kept["muscles"], kept["insertions"]) == ("made-once", "glute med", "12")
    saved = await ben.post(SESSIONS, data={**VISIT, "do": "save"})
    assert saved.history[0].status_code == 303
    assert saved.url.path == ADAS
    for words in (
        "gluteus medius, quadratus lumborum, iliopsoas; left; 12 insertions",
        "Mon 1 Jun 2026, 11:30",
        "Calm.",
    ):
        assert words in saved.text
    it = (await world.read(needling.sessions_of, CLINIC, "ada"))[0].session
    assert (it.clinician_id, it.twitch_responses, it.electrical_stimulation) == ("ben", "some", False)


async def test_a_form_sent_twice_saves_once(browser: Browser, world: Database) -> None:
    ben = browser(BEN)
    for path, form in ((SESSIONS, VISIT), (PLANS, PROGRAM)):
        await ben.post(path, data={**form, "do": "save"})
        once = await world.read(counts)
        again = await ben.post(path, data={**form, "do": "save"})
        assert again.url.path == ADAS
        assert await world.read(counts) == once
    assert (await world.read(counts))[2] == 1
    await ben.post(SESSIONS, data={**VISIT, "id": "another", "do": "save"})
    assert len(await world.read(needling.sessions_of, CLINIC, "ada")) == 2


NO_VISITS: tuple[tuple[dict[str, object], str], ...] = (
    ({"muscles": ["gluteus medius", "glute medd"]}, "Number 2 is not in the list of muscles. Did you mean"),
    ({"muscles": [""]}, "Name at least one needled muscle"),
    ({"side": ""}, "Must be one of: left, right, both"),
    ({"ended_at": "2026-06-01T13:00"}, "Is in the future. Record the needling session after it has ended."),
    ({"ended_at": "2026-04-01T13:00"}, "Is more than 30 days ago"),
    ({"ended_at": "yesterday"}, "Must be a date"),
    ({"ended_at": "2026-06-01"}, "Must be written as HH:MM"),
    ({"ended_at": "2026-02-30T10:00"}, "Must be a date"),
    ({"insertions": "a dozen"}, "Must be a whole number, “few” or “many”"),
    ({"insertions": "0"}, "Must be from 1 to 500"),
    ({"insertions": "９"}, "Must be a whole number"),
    ({"twitch_responses": "lots"}, "Must be one of"),
    ({"note": "n" * 4001}, "Must be at most 4000 characters"),
)


async def test_what_cannot_be_is_explained_beside_the_form(browser: Browser, world: Database) -> None:
    before = await world.read(counts)
    for (change, words), do in product(NO_VISITS, ("preview", "save")):
        reply = await browser(BEN).post(SESSIONS, data={**VISIT, "note": "<b>kept</b>", **change, "do": do})
        assert reply.status_code == 422
        assert 'role="alert"' in reply.text
        assert words[1:] in reply.text, change
        assert "Nothing was saved." in reply.text
        assert "note" in change or "&lt;b&gt;kept&lt;/b&gt;" in reply.text
        assert "side" in change or '<option value="left" selected>' in reply.text
    assert await world.read(counts) == before


async def test_a_time_that_the_clock_skipped_is_the_first_one_after_it(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    """New York, 14 March 2027: 02:30 never was, it became 03:00."""
    clock.move_to(of_new_york("2027-03-14T12:00:00-04:00"))
    saved = await browser(BEN).post(SESSIONS, data={**VISIT, "ended_at": "2027-03-14T02:30", "do": "save"})
    assert "Sun 14 Mar 2027, 03:00" in saved.text
    it = (await world.read(needling.sessions_of, CLINIC, "ada"))[0]
    assert it.session.ended_at == of_new_york("2027-03-14T03:00:00-04:00")


def of_new_york(text: str) -> int:
    return of(datetime.fromisoformat(text))


async def test_a_program_is_previewed_with_its_warnings_then_saved(browser: Browser, world: Database) -> None:
    def careful(db: Connection) -> None:
        it = people.patient_of(db, CLINIC, "ada")
        care.change_patient(db, BEN, "ada", it.version, {"precautions": ("pregnancy_t2plus",)}, NOON)

    await world.write(careful)
    ben = browser(BEN)
    assert "pregnant, second or third trimester" in (await ben.get(ADAS)).text
    before = await world.read(counts)
    shown = await ben.post(PLANS, data={**PROGRAM, "times": ["09:00"], "do": "preview"})
    assert "Hip bridge: take care, pregnant" in shown.text
    assert "Tue 2 Jun 2026, 09:00" in shown.text
    assert await world.read(counts) == before
    saved = await ben.post(PLANS, data={**PROGRAM, "times": ["09:00"], "do": "save"})
    assert saved.url.path == ADAS
    assert "General hip program" in saved.text
    assert "starts Tue 2 Jun 2026" in saved.text


async def test_listed_exercises_keep_their_cards_dose_where_nothing_was_typed(
    browser: Browser, world: Database
) -> None:
    rows = {"exercise_1": "hip_bridge", "reps_1": "12", "side_1": "left", "exercise_3": "hip_bridge"}
    rows |= {"exercise_2": "walking", "minutes_2": "20", "per_day_2": "1"}
    ben = browser(BEN)
    twice = await ben.post(PLANS, data={**PROGRAM, "template": "", **rows, "do": "save"})
    assert "Prescriptions: name an exercise twice." in twice.text
    saved = await ben.post(
        PLANS, data={**PROGRAM, "template": "", **rows, "exercise_3": "", "title": "Mine", "do": "save"}
    )
    for words in ("Mine", "3 sets of 12, hold 5 seconds, left side, on Monday, Wednesday and Friday", "20 minutes"):
        assert words in saved.text
    courses = await world.read(plans.courses_of, CLINIC, ["ada"])
    assert courses["ada"][0].revisions[0].terms.times == ("09:00", "18:00")


NO_PROGRAMS: tuple[tuple[dict[str, object], str], ...] = (
    ({"template": ""}, "Choose a program, or list at least one exercise."),
    ({"template": "nothing"}, "is not one of the programs"),
    ({"exercise_1": "hip_bridge"}, "Choose a program or list exercises, not both."),
    ({"template": "", "exercise_1": "hip_brigde"}, "Did you mean “hip_bridge”?"),
    ({"template": "", "exercise_2": "walking", "sets_2": "three"}, "Sets in row 2: must be a whole number"),
    ({"template": "", "exercise_2": "walking", "minutes_2": "500"}, "Minutes: must be from 1 to 120"),
    ({"template": "", "exercise_1": "walking", "minutes_1": "5", "reps_1": "5"}, "cannot be given together"),
    ({"times": ["9 am"]}, "Must be written as HH:MM"),
    ({"times": ["09:00", "09:00"]}, "different times of day"),
    ({"starts_on": ""}, "Must be a date"),
    ({"ends_on": "2026-05-01"}, "Is before starts_on"),
    ({"title": "t" * 201}, "Must be at most 200 characters"),
)


async def test_a_program_that_cannot_be_is_explained_and_kept(browser: Browser, world: Database) -> None:
    before = await world.read(counts)
    for change, words in NO_PROGRAMS:
        reply = await browser(BEN).post(PLANS, data={**PROGRAM, "title": "<i>kept</i>", **change, "do": "save"})
        assert reply.status_code == 422
        assert words in reply.text, change
        assert "title" in change or 'value="&lt;i&gt;kept&lt;/i&gt;"' in reply.text
    assert await world.read(counts) == before


async def test_a_plan_is_held_and_ended_from_the_page(browser: Browser, world: Database) -> None:
    await world.write(care.assign_plan, BEN, "p1", assignment(), NOON)
    ben = browser(BEN)
    form = Reader((await ben.get(ADAS)).text).form(f"{PLANS}/p1/hold")
    for reason, until in (("", ""), ("Too sore", "1 June"), ("Too sore", "2026-05-01"), ("r" * 201, "")):
        refused = await ben.post(form.action, data={**form.fields, "reason": reason, "until": until})
        assert refused.status_code == 422
    for _ in range(2):
        held = await ben.post(form.action, data={**form.fields, "reason": "<b>sore</b>", "until": "2026-06-05"})
        assert "on hold until Fri 5 Jun 2026" in held.text
        assert held.text.count("&lt;b&gt;sore&lt;/b&gt;") == 1
    assert (await ben.post(f"{PLANS}/p1/end")).status_code == 422
    for _ in range(2):
        ended = await ben.post(f"{PLANS}/p1/end", data={"confirmed": "yes"})
        assert "ended Mon 1 Jun 2026" in ended.text
    assert (await ben.post(f"{PLANS}/p1/hold", data={**form.fields, "id": "2", "reason": "x"})).status_code == 409
    assert (await ben.post(f"{PLANS}/nothing/end", data={"confirmed": "yes"})).status_code == 404


async def test_consent_and_discharge_ask_once_more_and_hold_when_sent_twice(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    ben = browser(BEN)
    for form in ({"given": "no"}, {"given": "yes"}, {}):
        assert (await ben.post(f"{ADAS}/consent", data=form)).status_code == 422
    assert (await ben.post(f"{ADAS}/discharge", data={})).status_code == 422
    clock.move_to(NOON + MINUTE)
    for given, words in (("no", "No message in the next 14 days."), ("yes", "The check-in of the same evening")):
        for _ in range(2):
            assert words in (await ben.post(f"{ADAS}/consent", data={"given": given, "confirmed": "yes"})).text
    for _ in range(2):
        gone = await ben.post(f"{ADAS}/discharge", data={"confirmed": "yes", "back": "no"})
        assert "Discharged Mon 1 Jun 2026, 12:01." in gone.text
    assert "Record a needling session" not in gone.text
    refused = await ben.post(SESSIONS, data={**VISIT, "do": "save"})
    assert refused.status_code == 409
    assert "This patient is discharged. Take them up again first." in refused.text
    back = await ben.post(f"{ADAS}/discharge", data={"confirmed": "yes", "back": "yes"})
    assert "Discharged" not in back.text


async def test_check_ins_are_shown_with_their_state_and_answers(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(care.record_session, BEN, "s1", session(note="First.\nSecond."), NOON)
    at = NOON + 5 * HOUR
    said = {"q_sore": 4, "rf_bleed": False, "rf_collapse": "nearly", "q_free": "Left & right?"}
    await world.write(care.answer, ADA, "s1-evening", said, at, at)
    clock.move_to(NOON + 2 * DAY)
    text = (await browser(BEN).get(ADAS)).text
    for words in (
        "answered, Mon 1 Jun 2026, 17:00",
        "<dd>4 of 10</dd>",
        "No to 1 safety question<",
        "<li>Is any spot still bleeding after 10 minutes of firm pressure?</li>",
        "<dd>Nearly, but I did not pass out</dd>",
        "<dd>Left &amp; right?</dd>",
        "First.\nSecond.",
        "only if still sore at 48 hours",
        "planned",
    ):
        assert words in text


async def test_a_field_with_a_nul_is_kept_without_it(browser: Browser, world: Database) -> None:
    """PostgreSQL has no NUL in a text; nobody types one."""
    saved = await browser(BEN).post(PLANS, data={**PROGRAM, "title": "A\0B", "do": "save"})
    assert "AB" in saved.text
    assert (await world.read(plans.courses_of, CLINIC, ["ada"]))["ada"][0].title == "AB"


async def test_a_revised_plan_shows_what_now_stands(browser: Browser, world: Database) -> None:
    await world.write(care.assign_plan, BEN, "p1", assignment(), NOON)
    terms = msgspec.structs.replace(assignment().terms, ends_on=date(2026, 6, 9), times=("07:15",))
    await world.write(care.revise_plan, BEN, "ada", "p1", 1, terms, NOON)
    text = (await browser(BEN).get(ADAS)).text
    assert "At 07:15, from Mon 1 Jun 2026 until Tue 9 Jun 2026; revised once." in text
