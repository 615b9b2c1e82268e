"""A clinician's list: flags first and in words, whom to look after, and the patients with their numbers."""

import html
import random

import msgspec
import pytest
from sqlalchemy import Connection

from programs import checkins, people, rules
from programs.instants import DAY, HOUR, MINUTE
from programs.questions import BY_ID
from programs.triage import RULES, TIERS, Finding, off_text
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
        reply = await who.post(action, data={"note": "Phoned <her>."})
        assert reply.history[0].status_code == 303
        assert "No flag waits for anybody." in reply.text
    flag = (await world.read(checkins.flags_of, CLINIC))[0]
    assert (flag.acknowledged_by, flag.note) == ("clinician:cleo", "Phoned <her>.")
    story = (await cleo.get(f"/clinic/flags/{flag.id}")).text
    assert "Cleo acknowledged it after 1 h 0 min. Phoned &lt;her&gt;." in story
    assert "Ben was not told, as it was acknowledged before." in story
    assert (await browser(DOV).get(f"/clinic/flags/{flag.id}")).status_code == 404


async def test_a_flag_shows_its_clock_and_is_red_when_nobody_acknowledged_it(
    browser: Browser, world: Database, clock: SetClock
) -> None:
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    await world.write(care.answer, ADA, "s1-evening", {"rf_belly": True, "q_sore": 9}, NOON + HOUR, NOON + HOUR)
    ben = browser(BEN)
    clock.move_to(NOON + HOUR + 5 * MINUTE)
    text = (await ben.get("/clinic")).text
    assert "10 min left to acknowledge." in text
    assert "3 h 55 min left to acknowledge." in text
    assert "not yet approved by a clinician" in text
    assert 'class="flag emergency nobody"' not in text
    clock.move_to(NOON + HOUR + 20 * MINUTE)
    text = (await ben.get("/clinic")).text
    assert "Nobody has acknowledged it. Its time was over 5 min ago." in text
    assert 'class="flag emergency nobody"' in text


async def test_rules_are_read_approved_and_switched_on_one_page(browser: Browser, world: Database) -> None:
    ben = browser(BEN)
    text = (await ben.get("/clinic/rules")).text
    for rule in RULES:
        assert html.escape(rule.says, quote=False).replace("'", "&#39;") in text
        assert html.escape(rule.source, quote=False) in text
    ticked = {"rule": ["rf_bleed 1", "written 1"]}
    text = (await ben.post("/clinic/rules/approve", data=ticked)).text
    assert text.count("approved by Ben, 2026-06-01") == 2
    stale = await ben.post("/clinic/rules/approve", data={"rule": "rf_nerve 9"})
    assert (stale.status_code, "This rule has changed. Read it again first." in stale.text) == (422, True)
    assert (await ben.post("/clinic/rules/rf_bleed/switch", data={"on": "no", "reason": "x"})).status_code == 422
    text = (await ben.post("/clinic/rules/written/switch", data={"on": "no", "reason": "We <i>phone</i> all."})).text
    assert "We &lt;i&gt;phone&lt;/i&gt; all." in text
    assert "approved by Ben" not in (await browser(DOV).get("/clinic/rules")).text
    assert {it.off for it in await world.read(rules.decided, CLINIC) if it.rule.id == "written"} == {True}


async def test_who_is_told_is_chosen_on_the_page(browser: Browser, world: Database) -> None:
    await world.write(people.change_clinician, CLINIC, "ben", {"role": "admin"})
    assert (await browser(CLEO).post("/clinic/triage/watch", data={})).status_code == 403
    ben = browser(BEN)
    form = Reader((await ben.get("/clinic/rules")).text).form("/clinic/triage/watch")
    said = {**form.fields, "emergency_minutes": "10", "chain": ["cleo", "on-call"], "mailbox": "oncall@example.org"}
    said |= {"Saturday opens": "10:00", "Saturday closes": "12:30"}
    text = (await ben.post(form.action, data=said)).text
    assert 'value="oncall@example.org"' in text
    watch = (await world.read(people.clinic_of, CLINIC)).settings.watch
    assert (watch.emergency_minutes, watch.chain, watch.opening[5]) == (
        10,
        ("cleo", "on-call"),
        people.Opening("10:00", "12:30"),
    )
    assert watch.opening[6] is None
    for bad in ({"mailbox": "nobody"}, {"emergency_minutes": "soon"}, {"Monday opens": "18:00"}):
        assert (await ben.post(form.action, data={**said, **bad})).status_code == 422
    assert (await world.read(people.clinic_of, CLINIC)).settings.watch == watch


async def test_where_triage_is_off_every_page_says_so(browser: Browser, world: Database, clock: SetClock) -> None:
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    await world.write(people.change_clinician, CLINIC, "ben", {"role": "admin"})
    ben, ada = browser(BEN), browser(ADA)
    assert (await ben.post("/clinic/triage/switch", data={"on": "no", "reason": " "})).status_code == 422
    await ben.post("/clinic/triage/switch", data={"on": "no", "reason": "Not assessed here yet."})
    clock.move_to(NOON + 6 * HOUR)
    for path in ("/clinic", "/clinic/rules", "/clinic/patients/ada"):
        text = (await ben.get(path)).text
        assert "Triage is off" in text, path
        assert "Not assessed here yet." in text, path
    text = (await ada.get("/today")).text
    assert off_text("911") in text
    assert "If yes, call 911 now." in text
    said = (await ada.post("/today/check-ins/s1-evening", data={"rf_bleed": "yes", "q_sore": "9"})).text
    assert off_text("911") in said
    assert "This was passed on" not in said
    assert "No flag is open, and none is raised while triage is off." in (await ben.get("/clinic")).text
    await ben.post("/clinic/triage/switch", data={"on": "yes"})
    assert "Triage is off" not in (await ben.get("/clinic")).text


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
    ben = browser(BEN)
    text = (await ben.get("/clinic")).text
    assert '<a href="/clinic/patients/finn"><bdi>Finn</bdi></a>: no phone or e-mail address that works' in text
    listed = text[text.index("Not answered, or not reached (2)") :]
    ada, finn = listed.index("<bdi>Ada</bdi>"), listed.index("<bdi>Finn</bdi>")
    assert "Same evening check-in, closed Tue 2 Jun 2026, 05:00: asked, no answer" in listed[ada:][:400]
    assert "Same evening check-in, closed Tue 2 Jun 2026, 05:00: no message reached them" in listed[finn:][:400]
    form = next(it for it in Reader(text).forms if it.fields.get("check_in") == "s1-evening")
    text = (await ben.post(form.action, data={**form.fields, "note": "Phoned her."})).text
    assert "Not answered, or not reached (1)" in text
    assert "<bdi>Ada</bdi>: asked" not in text


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
