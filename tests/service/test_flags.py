"""From an answer to somebody who acknowledges it: the clock, the chain, outages, two workers, the switch, silence."""

import asyncio
import random
from datetime import datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from notifications import alerts, conservation
from notifications.channels import Accepted, Outcome, Parcel, Refused
from notifications.escalation import ON_CALL
from notifications.tables import address, due, outcome
from programs import checkins, people, rules, silence
from programs.errors import Conflict, Invalid, NoSuchRecord
from programs.instants import DAY, HOUR, MINUTE, Instant, of
from programs.people import Watch
from programs.triage import NOT_APPROVED, RULES
from service import care, rulebook
from service.clock import SetClock
from service.database import Database
from service.jobs import Worker
from service.tables import audit
from tests.notifications.test_delivery import Wire, local, run_until
from tests.world import ADA, BEN, CLEO, CLINIC, DOV, EVE, NOON, OTHER, populate, session

FIRST, AGAIN = (
    "A patient's answer needs you. Please open the list of flags now.",
    "A patient's answer still waits for somebody. Please open the list of flags now.",
)
NIGHT = NOON + 15 * HOUR  # Tuesday, three in the morning


class Desks(Wire):
    """Takes what is for clinicians; patients' phones are dead in this story."""

    def __init__(self) -> None:
        super().__init__(lambda label, _: self._answer(label))

    def _answer(self, label: str) -> Outcome:
        return Refused("no") if "phone" in label else Accepted()

    def told(self) -> list[tuple[str, str, str]]:
        return [(local(at), label, parcel.body) for at, label, parcel in self.taken]


def with_chain(db: Connection, ended_at: Instant = NOON - HOUR, now: Instant = NOON) -> None:
    """Ada was needled; after Ben, Cleo is told, then whoever is on call."""
    populate(db, now)
    care.put_address(db, BEN, ON_CALL, ON_CALL, "console", {"label": "on call"}, now)
    people.change_settings(db, CLINIC, {"watch": Watch(chain=("cleo", ON_CALL))})
    care.record_session(db, BEN, "s1", session(ended_at, muscles=("upper trapezius",)), now)


@pytest.fixture
async def clinic(database: Database) -> Database:
    await database.write(with_chain)
    return database


async def report(db: Database, answers: dict[str, Any], at: Instant, step: str = "evening") -> tuple[str, ...]:
    reply = await db.write(care.answer, ADA, f"s1-{step}", answers, at, at)
    flags: tuple[str, ...] = reply.answered.flags
    return flags


def worker(db: Database, wire: Wire, at: Instant) -> Worker:
    wire.clock = SetClock(at)
    return Worker(db, {"console": wire}, wire.clock, chance=random.Random(1))


async def play(db: Database, wire: Wire, start: Instant, until: Instant) -> None:
    it = worker(db, wire, start)
    await run_until(it, wire.clock, until)
    assert await db.read(conservation.unaccounted) == 0


async def test_an_emergency_goes_from_one_to_the_next_every_quarter_hour_also_at_night(clinic: Database) -> None:
    (flag,) = await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + 2 * HOUR)
    assert wire.told() == [
        ("Tue 02 03:00", "ben's desk", FIRST),
        ("Tue 02 03:15", "cleo's desk", AGAIN),
        ("Tue 02 03:30", "on call", AGAIN),
    ]
    it = await clinic.read(checkins.flag_of, CLINIC, flag)
    assert (it.acknowledge_by, it.nobody_at) == (NIGHT + 15 * MINUTE, NIGHT + 45 * MINUTE)
    assert [it.nobody(NIGHT + minutes * MINUTE) for minutes in (44, 45)] == [False, True]


async def test_who_has_left_is_told_nothing_any_more_and_nobody_waits_for_them(clinic: Database) -> None:
    gone: dict[str, Any] = {"ended_at": NOON}
    await clinic.write(people.change_clinician, CLINIC, "ben", gone)
    await report(clinic, {"rf_breath": True}, NIGHT)
    await clinic.write(people.change_clinician, CLINIC, "cleo", gone)  # and Cleo, after her alert was laid out
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + HOUR)
    assert wire.told() == [("Tue 02 03:15", "on call", AGAIN)]
    how = select(outcome.c.state, outcome.c.reason)
    assert ("cancelled", "left") in [tuple(it) for it in await clinic.read(lambda db: db.execute(how).all())]


@pytest.mark.parametrize(("night", "later"), [("2026-03-08T01:50-05:00", "03:05"), ("2026-11-01T01:50-04:00", "01:05")])
async def test_the_night_the_clock_changes_is_no_longer_and_no_shorter(
    database: Database, night: str, later: str
) -> None:
    at = of(datetime.fromisoformat(night))
    await database.write(with_chain, at - 6 * HOUR, at - 5 * HOUR)
    await report(database, {"rf_breath": True}, at)
    wire = Desks()
    await play(database, wire, at, at + 2 * HOUR)
    assert [(when - at) // MINUTE for when, _, _ in wire.taken] == [0, 15, 30]
    assert wire.told()[1][0].endswith(later)


async def test_a_same_day_flag_goes_on_by_the_hours_the_clinic_is_open(clinic: Database) -> None:
    await report(clinic, {"q_sore": 9}, NOON + 2 * HOUR)  # Monday 14:00
    wire = Desks()
    await play(clinic, wire, NOON + 2 * HOUR, NOON + 3 * DAY)
    assert wire.told() == [
        ("Mon 01 14:00", "ben's desk", FIRST),
        ("Mon 01 17:00", "cleo's desk", AGAIN),
        ("Tue 02 13:00", "on call", AGAIN),
    ]


async def test_what_waits_for_the_next_visit_alerts_nobody_and_is_overdue_after_the_next_working_day(
    clinic: Database,
) -> None:
    (flag,) = await report(clinic, {"q_free": "hello"}, NOON + HOUR)
    wire = Desks()
    await play(clinic, wire, NOON + HOUR, NOON + 2 * DAY)
    assert wire.told() == []
    assert (await clinic.read(checkins.flag_of, CLINIC, flag)).nobody_at == NOON + 29 * HOUR  # Tuesday 17:00


async def test_acknowledging_stops_the_chain_in_the_same_transaction(clinic: Database) -> None:
    (flag,) = await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + 20 * MINUTE)
    at = NIGHT + 21 * MINUTE
    it = await clinic.write(care.acknowledge, CLEO, flag, at, "  Phoned her, she is on her way to hospital. ")
    assert (it.acknowledged_by, it.note) == ("clinician:cleo", "Phoned her, she is on her way to hospital.")
    assert await clinic.read(keys_pending) == []
    again = await clinic.write(care.acknowledge, BEN, flag, at + MINUTE, "me too")
    assert (again.acknowledged_by, again.note) == (it.acknowledged_by, it.note)
    await play(clinic, wire, at, NIGHT + DAY)
    assert [label for _, label, _ in wire.told()] == ["ben's desk", "cleo's desk"]


def keys_pending(db: Connection) -> list[str]:
    return list(db.execute(select(due.c.key).where(due.c.key.like("alert:%"))).scalars())


async def test_its_history_says_who_was_told_by_which_channel_and_who_was_not(clinic: Database) -> None:
    (flag,) = await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + 16 * MINUTE)
    await clinic.write(care.acknowledge, CLEO, flag, NIGHT + 17 * MINUTE)
    it = await clinic.read(checkins.flag_of, CLINIC, flag)
    told = await clinic.read(alerts.history, CLINIC, it)
    assert [(one.person, (one.at - NIGHT) // MINUTE, one.state, one.reason, one.channel) for one in told] == [
        ("ben", 0, "accepted", "console", "console"),
        ("cleo", 15, "accepted", "console", "console"),
        (ON_CALL, 30, "cancelled", "acknowledged", ""),
    ]
    notes = await clinic.read(
        lambda db: db.execute(select(audit.c.who).where(audit.c.record_id == flag)).scalars().all()
    )
    assert notes == ["clinician:cleo"]


async def test_a_worker_that_was_down_tells_each_of_them_once_when_it_is_back(clinic: Database) -> None:
    await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + MINUTE)  # then it dies, and another starts after twenty minutes
    await play(clinic, wire, NIGHT + 20 * MINUTE, NIGHT + 21 * MINUTE)
    await play(clinic, wire, NIGHT + 21 * MINUTE, NIGHT + 2 * HOUR)
    assert [(label, body) for _, label, body in wire.told()] == [
        ("ben's desk", FIRST),
        ("cleo's desk", AGAIN),
        ("on call", AGAIN),
    ]


async def test_two_workers_at_once_tell_nobody_twice(clinic: Database) -> None:
    await report(clinic, {"rf_breath": True, "rf_blood": True}, NIGHT)
    one, other = Desks(), Desks()
    for minutes in (0, 15, 30):
        at = NIGHT + minutes * MINUTE
        await asyncio.gather(worker(clinic, one, at).turn(), worker(clinic, other, at).turn())
    taken = [parcel.delivery_id for wire in (one, other) for _, _, parcel in wire.taken]
    assert len(taken) == len(set(taken)) == 6  # two flags, three people


async def test_whom_no_address_reaches_is_passed_over_at_once(clinic: Database) -> None:
    def lose(db: Connection) -> None:
        db.execute(address.update().where(address.c.person_id == "ben").values(gone_at=NOON))

    await clinic.write(lose)
    await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + HOUR)
    assert [(when, label) for when, label, _ in wire.told()] == [
        ("Tue 02 03:00", "cleo's desk"),
        ("Tue 02 03:15", "on call"),
    ]


async def test_without_a_chain_the_admins_are_told(clinic: Database) -> None:
    def cleo_runs_it(db: Connection) -> None:
        people.change_settings(db, CLINIC, {"watch": Watch()})
        people.change_clinician(db, CLINIC, "cleo", {"role": "admin"})

    await clinic.write(cleo_runs_it)
    await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + HOUR)
    assert [label for _, label, _ in wire.told()] == ["ben's desk", "cleo's desk"]


async def test_an_alert_says_nothing_clinical_and_leads_to_the_list(clinic: Database) -> None:
    await report(clinic, {"rf_breath": True}, NIGHT)
    wire = Desks()
    await play(clinic, wire, NIGHT, NIGHT + HOUR)
    parcels: list[Parcel] = [parcel for _, _, parcel in wire.taken]
    assert {(parcel.path, parcel.urgency, parcel.title) for parcel in parcels} == {("/flags", "high", "Homestretch")}


async def test_operators_see_how_many_flags_nobody_acknowledged_and_nothing_else(clinic: Database) -> None:
    flags = await report(clinic, {"rf_breath": True, "rf_blood": True}, NIGHT)
    it = worker(clinic, Desks(), NIGHT + 44 * MINUTE)
    await it.turn()
    assert it.pulse.nobody == 0
    it.clock.move_to(NIGHT + 45 * MINUTE)  # type: ignore[attr-defined]
    await it.turn()
    assert it.pulse.nobody == 2
    await clinic.write(care.acknowledge, BEN, flags[0], NIGHT + 45 * MINUTE)
    assert await clinic.read(alerts.nobody, NIGHT + 45 * MINUTE) == 1


# what the clinic decides


async def test_an_approval_stands_on_flags_from_then_on_and_only_at_that_clinic(clinic: Database) -> None:
    before = await report(clinic, {"q_sore": 9}, NOON + HOUR)
    versions = {rule.id: rule.version for rule in RULES}
    await clinic.write(rulebook.approve_rules, BEN, versions, NOON + 2 * HOUR)
    after = await report(clinic, {"rf_cough": True}, NOON + 3 * HOUR)
    found = [(await clinic.read(checkins.flag_of, CLINIC, id)).finding.approved_by for id in before + after[:1]]
    assert found == [NOT_APPROVED, "Ben, 2026-06-01"]
    assert {it.approved_by for it in await clinic.read(rules.decided, OTHER)} == {NOT_APPROVED}
    assert {it.approved_by for it in await clinic.read(rules.decided, CLINIC)} == {"Ben, 2026-06-01"}


async def test_a_changed_rule_needs_a_new_approval(clinic: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await clinic.write(rulebook.approve_rules, BEN, {"sore_severe": "1"}, NOON)
    changed = tuple(msgspec.structs.replace(rule, version="2") for rule in RULES)
    monkeypatch.setattr("programs.rules.RULES", changed)
    monkeypatch.setattr("programs.rules.RULE", {rule.id: rule for rule in changed})
    it = next(one for one in await clinic.read(rules.decided, CLINIC) if one.rule.id == "sore_severe")
    assert (it.approved_by, it.approved_version) == (NOT_APPROVED, "1")
    with pytest.raises(Conflict):
        await clinic.write(rulebook.approve_rules, BEN, {"sore_severe": "1"}, NOON)
    await clinic.write(rulebook.approve_rules, CLEO, {"sore_severe": "2"}, NOON)
    it = next(one for one in await clinic.read(rules.decided, CLINIC) if one.rule.id == "sore_severe")
    assert (it.approved_by, it.approved_version) == ("Cleo, 2026-06-01", "2")


async def test_a_rule_is_switched_off_for_a_reason_and_on_again(clinic: Database) -> None:
    with pytest.raises(Invalid, match="reason"):
        await clinic.write(rulebook.switch_rule, BEN, "sore_severe", False, " ", NOON)
    await clinic.write(rulebook.switch_rule, BEN, "sore_severe", False, "We ask at the desk.", NOON)
    assert await report(clinic, {"q_sore": 9}, NOON + HOUR) == ()
    assert len(await report(clinic, {"q_sore": 9}, NOON + 25 * HOUR, "day1")) == 0
    it = next(one for one in await clinic.read(rules.decided, CLINIC) if one.rule.id == "sore_severe")
    assert (it.off, it.off_reason, it.name) == (True, "We ask at the desk.", "Ben")
    await clinic.write(rulebook.switch_rule, BEN, "sore_severe", True, "", NOON + 26 * HOUR)
    assert len(await report(clinic, {"q_sore": 9}, NOON + 49 * HOUR, "day2")) == 1


async def test_an_emergency_rule_cannot_be_switched_off_alone(clinic: Database) -> None:
    for rule in (rule for rule in RULES if rule.tier == "emergency"):
        with pytest.raises(Conflict):
            await clinic.write(rulebook.switch_rule, BEN, rule.id, False, "too many alarms", NOON)
    with pytest.raises(NoSuchRecord):
        await clinic.write(rulebook.switch_rule, BEN, "moon_phase", False, "no", NOON)


async def test_switched_off_answers_are_kept_and_nothing_is_read_into_them(clinic: Database) -> None:
    standing = await report(clinic, {"rf_blood": True}, NOON + HOUR)
    with pytest.raises(Invalid, match="reason"):
        await clinic.write(rulebook.switch_triage, BEN, False, "", NOON)
    await clinic.write(rulebook.switch_triage, BEN, False, "Not assessed for our country yet.", NOON + HOUR)
    reply = await clinic.write(care.answer, ADA, "s1-day1", {"rf_breath": True, "q_sore": 9}, NIGHT, NIGHT)
    assert (reply.tier, reply.safety, reply.answered.findings, reply.answered.flags) == ("", "", (), ())
    assert (await clinic.read(checkins.answers_of, CLINIC, "s1"))["s1-day1"] == {"rf_breath": True, "q_sore": 9}
    assert [it.id for it in await clinic.read(checkins.flags_of, CLINIC)] == list(standing)
    calm = {"q_sore": 0}
    await clinic.write(care.answer, ADA, "s1-day2", calm, NOON + 2 * DAY, NOON + 2 * DAY)
    states = {it.step: it.state for it in await clinic.read(checkins.session_check_ins, CLINIC, "s1")}
    assert states["day3"] == "open"  # no answer decides that it is not needed
    await clinic.write(rulebook.switch_triage, BEN, True, "", NOON + 2 * DAY)
    assert len(await report(clinic, {"q_sore": 9}, NOON + 3 * DAY, "day3")) == 2


# silence


async def test_a_check_in_without_an_answer_becomes_a_task_and_says_whether_it_was_asked(clinic: Database) -> None:
    wire = Wire()
    await play(clinic, wire, NOON, NOON + 20 * HOUR)  # the evening's was asked; then the phone dies
    await play(clinic, Desks(), NOON + 20 * HOUR, NOON + 2 * DAY)
    found = await clinic.read(silence.unanswered, CLINIC, NOON + 2 * DAY)
    assert [(it.step, it.asked_at is not None) for it in found] == [("day1", False), ("evening", True)]
    assert {it.patient_name for it in found} == {"Ada"}
    assert await clinic.read(silence.unanswered, OTHER, NOON + 2 * DAY) == []


async def test_a_task_of_silence_ends_with_an_answer_or_with_somebody_who_looked_after_it(clinic: Database) -> None:
    now = NOON + 2 * DAY
    assert await clinic.read(silence.unanswered, CLINIC, NOON + HOUR) == []  # still open
    assert len(await clinic.read(silence.unanswered, CLINIC, now)) == 2
    await clinic.write(care.answer, ADA, "s1-evening", {"q_sore": 2}, now, now)
    await clinic.write(care.follow_up, BEN, "s1-day1", "Phoned her: all as told.", now)
    await clinic.write(care.follow_up, CLEO, "s1-day1", "", now)
    assert await clinic.read(silence.unanswered, CLINIC, now) == []
    with pytest.raises(Conflict):
        await clinic.write(care.follow_up, BEN, "s1-evening", "", now)
    with pytest.raises(Conflict):
        await clinic.write(care.follow_up, BEN, "s1-day7", "", now)  # not yet
    with pytest.raises(NoSuchRecord):
        await clinic.write(care.follow_up, DOV, "s1-day1", "", now)


@pytest.mark.parametrize("changed", [{"consented": False}, {"discharged_at": NOON + HOUR}])
async def test_who_wants_no_messages_or_has_left_is_nobodys_task(clinic: Database, changed: dict[str, object]) -> None:
    await clinic.write(care.change_patient, BEN, "ada", 1, changed, NOON + HOUR)
    assert await clinic.read(silence.unanswered, CLINIC, NOON + 2 * DAY) == []


async def test_the_other_clinic_has_a_clock_and_a_chain_of_its_own(clinic: Database) -> None:
    visit = session(patient_id="eve", clinician_id="dov")
    await clinic.write(care.record_session, DOV, "s9", visit, NOON)
    await clinic.write(care.answer, EVE, "s9-evening", {"rf_bleed": True}, NOON + HOUR, NOON + HOUR)
    wire = Desks()
    await play(clinic, wire, NOON + HOUR, NOON + 3 * HOUR)
    assert [label for _, label, _ in wire.told()] == ["dov's desk"]
