"""A clinician's list: flags first and in words, whom to look after, and the patients with their numbers."""

import random

import msgspec
import pytest
from sqlalchemy import Connection

from programs import checkins, people
from programs.instants import DAY, HOUR
from programs.questions import BY_ID
from programs.triage import RULES, TIERS, Finding
from service import care
from service.care import Who
from service.clock import SetClock
from service.console.words import STEPS, say_finding
from service.console.words import TIERS as TIER_WORDS
from service.database import Database
from service.jobs import Worker
from tests.notifications.test_delivery import Wire, run_until
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, NOON, OTHER, assignment, let_in, patient, session

HOSTILE = ("<b>sore</b>", '"><script>alert(1)</script>', "O'Brien & Söhne; DROP TABLE", "李小龍 \u202e")
INPUTS = {"q_sore": 9, "q_sore_day1": 3, "hours": 73.2, "q_usual": 6, "q_usual_lowest": 2, "q_free": "written"}


@pytest.mark.parametrize("rule", RULES, ids=lambda it: it.id)
def test_every_rule_is_said_in_words_with_what_it_fired_on(rule: object) -> None:
    it = next(one for one in RULES if one is rule)
    asked = "rf_collapse" if it.id.startswith("rf_collapse") else it.id
    inputs = {asked: "nearly" if asked == "rf_collapse" else True} if asked in BY_ID else INPUTS
    said = say_finding(Finding(it.tier, it.id, it.version, it.source, inputs))
    assert said.endswith(".")
    assert it.id not in said
    assert BY_ID[asked].text["en"] in said if asked in BY_ID else "{" not in said


def test_every_tier_and_step_has_words() -> None:
    assert set(TIER_WORDS) == set(TIERS)
    assert set(STEPS) == {"evening", "day1", "day2", "day3", "day7"}


async def test_flags_stand_worst_first_in_words_on_the_clinics_clock(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    at = NOON + 5 * HOUR
    await world.write(care.answer, ADA, "s1-evening", {"q_sore": 9, "q_free": "<b>ow</b>", "rf_belly": True}, at, at)
    clock.move_to(at)
    ben = browser(BEN)
    text = (await ben.get("/clinic")).text
    places = [text.index(f'<strong class="tier">{tier}') for tier in ("Emergency", "Same day", "Next visit")]
    assert places == sorted(places)
    assert "Same evening check-in, answered 6 hours after needling. Raised Mon 1 Jun 2026, 17:00." in text
    assert "Strong new belly or side pain, or blood in your urine?” Yes." in text
    assert "Soreness where the needles went is 9 of 10." in text
    assert "<b>ow</b>" not in text
    assert "ow" in text


async def test_acknowledging_takes_a_flag_off_the_list_once(browser: Browser, world: Database, clock: SetClock) -> None:
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    await world.write(care.answer, ADA, "s1-evening", {"q_sore": 9}, NOON + HOUR, NOON + HOUR)
    clock.move_to(NOON + 2 * HOUR)
    cleo = browser(CLEO)
    action = next(it.action for it in Reader((await cleo.get("/clinic")).text).forms if "acknowledge" in it.action)
    assert (await browser(DOV).post(action)).status_code == 404
    for who in (cleo, browser(BEN)):
        reply = await who.post(action)
        assert reply.history[0].status_code == 303
        assert "No flag waits for anybody." in reply.text
    assert (await world.read(checkins.flags_of, CLINIC))[0].acknowledged_by == "clinician:cleo"


async def test_whoever_was_not_reached_or_did_not_answer_is_named(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    def two_more(db: Connection) -> None:
        care.enrol(db, BEN, patient("finn", "ben"), None, NOON)
        care.record_session(db, BEN, "s1", session(), NOON)
        care.record_session(db, BEN, "s2", session(patient_id="finn"), NOON)

    await world.write(two_more)
    wire = Wire()
    await run_until(Worker(world, {"console": wire}, clock, chance=random.Random(1)), clock, NOON + DAY + HOUR)
    text = (await browser(BEN).get("/clinic")).text
    assert '<a href="/clinic/patients/finn"><bdi>Finn</bdi></a>: no phone or e-mail address that works' in text
    assert "Did not answer" not in text
    await run_until(Worker(world, {"console": wire}, clock, chance=random.Random(1)), clock, NOON + 2 * DAY)
    text = (await browser(BEN).get("/clinic")).text
    assert '<a href="/clinic/patients/ada"><bdi>Ada</bdi></a>: 2 check-ins' in text


async def test_each_patient_has_a_row_and_long_lists_have_pages(browser: Browser, world: Database) -> None:
    def many(db: Connection) -> None:
        care.record_session(db, BEN, "s1", session(), NOON)
        care.assign_plan(db, BEN, "p1", assignment(), NOON)
        for number in range(55):
            people.add_patient(db, CLINIC, patient(f"x{number:02}", "cleo"), "test", NOON)

    await world.write(many)
    ben = browser(BEN)
    text = (await ben.get("/clinic")).text
    row = text[text.index(">Ada</bdi>") :]
    for words in ("Mon 1 Jun 2026, 11:00", "running", "not enough data (0)", "America/New_York"):
        assert words in row[:900]
    assert text.count('<th scope="row">') == 50
    more = next(tag["href"] for name, tag in Reader(text).tags if name == "a" and "after=" in tag.get("href", ""))
    rest = (await ben.get(more)).text
    assert rest.count('<th scope="row">') == 6
    assert "More patients" not in rest


async def test_hostile_names_and_notes_are_shown_as_they_were_typed(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    def hostile(db: Connection) -> None:
        for number, name in enumerate(HOSTILE):
            people.add_patient(
                db, CLINIC, msgspec.structs.replace(patient(f"h{number}", "ben"), name=name), "test", NOON
            )
        care.record_session(db, BEN, "s1", session(note=HOSTILE[1]), NOON)
        care.answer(db, ADA, "s1-evening", {"q_free": HOSTILE[1], "q_sore": 3}, NOON + HOUR, NOON + HOUR)

    await world.write(hostile)
    clock.move_to(NOON + 2 * HOUR)
    ben = browser(BEN)
    for path in (
        "/clinic",
        "/clinic/patients/ada",
        "/clinic/patients/h0",
        "/clinic/patients/h1",
        "/clinic/patients/h1/plans",
    ):
        text = (await ben.get(path)).text
        assert "<script" not in text
        assert "<b>" not in text
    assert "&lt;b&gt;sore&lt;/b&gt;" in (await ben.get("/clinic")).text
    assert "&#34;&gt;&lt;script&gt;" in (await ben.get("/clinic/patients/ada")).text


async def test_an_empty_clinic_is_met_kindly(browser: Browser, world: Database) -> None:
    def nobody(db: Connection) -> None:
        people.add_clinic(db, people.Clinic("new", "New Clinic", "Europe/Madrid", "ES", ""), NOON)
        people.add_clinician(db, "new", "gil", "Gil")
        let_in(db, Who("new", "clinician", "gil"))

    await world.write(nobody)
    gil = browser(Who("new", "clinician", "gil"))
    text = (await gil.get("/clinic")).text
    assert "There are no patients here yet." in text
    assert "No flag waits for anybody." in text
    assert "No exercise was due in this time." in (await gil.get("/clinic/adherence")).text
    assert OTHER not in text
