"""The whole engine at random: a clinic, a patient, a worker, a provider and a clock do what they do, in any order.

After each step the conservation check holds and nothing waits for a patient who may not be told. Every message is
looked at the moment a provider takes it, by rules written again here; so is the adherence number.
"""

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, ClassVar, get_args

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, create_engine, event

from notifications import claiming, conservation, delivery, outbox, settling
from notifications.channels import Parcel
from notifications.claiming import LEASE, Claimed
from notifications.preferences import Preferences
from notifications.settling import Sent
from notifications.timing import AllowedHours
from notifications.wire import Wire
from programs import adherence, checkins, rollup
from programs.aftercare import CheckIn
from programs.completions import Completion, Outcome
from programs.dosage import Prescription
from programs.errors import Conflict
from programs.instants import DAY, HOUR, MINUTE, SECOND, Instant
from programs.schedule import Hold, Terms
from service import care, counting
from service.clock import SetClock
from service.counting import Group, Wanted
from service.database import postgresql_engine
from service.jobs import Worker
from tests.clocks import is_allowed, shown
from tests.conftest import forget_everything
from tests.service.story import (
    FIRST_DAY,
    HOURS,
    LATER_WINDOW,
    LISTS,
    TIMES,
    WINDOWS,
    ZONES,
    Bench,
    Crash,
    Delivered,
    Plan,
    Provider,
    pending_of,
    slow_items,
    slow_percent,
    subjects_of,
    unreached,
    wakes,
)
from tests.world import ADA, BEN, CLINIC, NOON, assignment, populate, session


async def _it_stands() -> bool:
    return True


class Story(RuleBasedStateMachine):
    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock(NOON)
        self.db = Bench(self.engine)
        self.loop = asyncio.new_event_loop()
        self.provider = Provider(self.judge)
        self.failing = ""
        self.chance = Random(7)
        self.zone, self.hours, self.version = "America/New_York", HOURS[0], 1
        self.consented, self.discharged = True, False
        self.ended: dict[str, tuple[int, Instant, bool]] = {}  # session -> version, ended at, cancelled
        self.plans: dict[str, Plan] = {}
        self.kept: dict[str, tuple[Completion, int, Instant]] = {}
        self.answered: set[str] = set()
        self.asked: set[str] = set()
        self.taken: list[Delivered] = []
        self.unsure: set[str] = set()  # delivery ids that arrived without our knowing: they may arrive again
        self.faults: list[Exception] = []
        self.names = 0
        self.rolling = False
        self.reports: list[tuple[Wanted, list[Group]]] = []

    @initialize(ago=st.sampled_from([0, 1, 23, 30]), rolling=st.sampled_from([True, False, False]))
    def open_clinic(self, ago: int, rolling: bool) -> None:
        self.rolling = rolling
        self.db.do(populate)
        self.record(ago)
        self.assign(LISTS[1], TIMES[1], 0)

    def teardown(self) -> None:
        try:
            self.adherence_is_what_a_slow_count_says()
            self.the_numbers_of_a_past_report_can_be_had_again()
        finally:
            self.loop.close()

    @property
    def now(self) -> Instant:
        return self.clock.at

    @property
    def here(self) -> int:
        wall = shown(self.zone, self.now)
        return wall.day * 1440 + wall.minute

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    # the far side

    def judge(self, label: str, parcel: Parcel, certain: bool) -> None:
        """Whatever a channel raises is an outcome to the worker: what is found wrong here is said after the step."""
        try:
            self._judge(label, parcel, certain)
        except Exception as error:
            self.faults.append(error)

    def _judge(self, label: str, parcel: Parcel, certain: bool) -> None:
        """Everything that must hold when a message for Ada is in a provider's hands."""
        if not certain:
            self.unsure.add(parcel.delivery_id)
        if label != "ada's phone":
            return
        subjects = self.db.do(subjects_of, parcel.delivery_id)
        assert self.consented
        assert not self.discharged
        allowed = AllowedHours(*(int(it[:2]) * 60 + int(it[3:]) for it in self.hours))
        assert is_allowed(self.zone, self.now, allowed), (self.zone, self.now, self.hours)
        for subject in subjects:
            kind, _, rest = subject.partition(":")
            if kind in ("check_in", "nudge"):
                assert rest not in self.answered
                self._inside(kind, rest)
            else:
                plan, _, wall = rest.rpartition(":")
                assert self.plans[plan].due(int(wall))
        self.taken.append(Delivered(self.now, parcel.delivery_id, subjects))

    def _inside(self, kind: str, check_in: str) -> None:
        name, _, step = check_in.rpartition("-")
        _, ended_at, cancelled = self.ended[name]
        assert not cancelled
        if kind == "check_in" or check_in not in self.asked:
            opens, closes = (ended_at + hours * HOUR for hours in WINDOWS[step])
            if check_in not in self.asked:
                closes += LATER_WINDOW.get(step, 0) * HOUR
            assert opens <= self.now < closes, (check_in, self.now)

    # what clinicians do

    @precondition(lambda self: not self.discharged and sum(not it[2] for it in self.ended.values()) < 3)
    @rule(ago=st.sampled_from([0, 1, 5, 23, 30, 47, 70, 200]))
    def record(self, ago: int) -> None:
        id = self.name("s")
        self.ended[id] = (1, self.now - ago * HOUR, False)
        self.db.do(care.record_session, BEN, id, session(self.now - ago * HOUR), self.now)

    @precondition(lambda self: not self.discharged and any(not it[2] for it in self.ended.values()))
    @rule(data=st.data(), by=st.sampled_from([-30 * HOUR, -3 * HOUR, -MINUTE, MINUTE, 2 * HOUR, 20 * HOUR]))
    def correct(self, data: st.DataObject, by: Instant) -> None:
        id = data.draw(st.sampled_from([id for id, it in self.ended.items() if not it[2]]))
        version, ended_at, _ = self.ended[id]
        ended_at = min(ended_at + by, self.now)
        if ended_at < self.now - 29 * DAY:
            return
        before = {it.id: it for it in self.db.do(checkins.session_check_ins, CLINIC, id)}
        self.ended[id] = (version + 1, ended_at, False)
        standing = self.db.do(care.correct_session, BEN, id, version, session(ended_at), self.now).check_ins
        for it in standing:
            if it.id in before and (before[it.id].asked_at or before[it.id].answered_at):
                assert it == before[it.id]

    @precondition(lambda self: any(not it[2] for it in self.ended.values()))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from([id for id, it in self.ended.items() if not it[2]]))
        version, ended_at, _ = self.ended[id]
        self.ended[id] = (version + 1, ended_at, True)
        self.db.do(care.cancel_session, BEN, id, version, self.now)

    @precondition(lambda self: not self.discharged and len(self.open_plans) < 2)
    @rule(which=st.sampled_from(LISTS), times=st.sampled_from(TIMES), ahead=st.integers(-2, 2))
    def assign(self, which: tuple[Prescription, ...], times: tuple[str, ...], ahead: int) -> None:
        id = self.name("p")
        terms = Terms(which, times, date.fromordinal(self.here // 1440 + ahead))
        self.plans[id] = Plan(id, self.here, terms)
        given = msgspec.structs.replace(assignment(), terms=terms)
        self.db.do(care.assign_plan, BEN, id, given, self.now)

    @property
    def open_plans(self) -> list[str]:
        return [it.id for it in self.plans.values() if it.ended is None]

    @precondition(lambda self: self.open_plans)
    @rule(data=st.data(), which=st.sampled_from(LISTS), times=st.sampled_from(TIMES))
    def revise(self, data: st.DataObject, which: tuple[Prescription, ...], times: tuple[str, ...]) -> None:
        plan = self.plans[data.draw(st.sampled_from(self.open_plans))]
        terms = Terms(which, times, FIRST_DAY)
        self.db.do(care.revise_plan, BEN, "ada", plan.id, plan.version, terms, self.now)
        plan.revisions.append((self.here, terms))
        plan.version += 1

    @precondition(lambda self: self.open_plans)
    @rule(data=st.data(), length=st.sampled_from([600, 1440, 4000, None]), whole=st.booleans())
    def hold(self, data: st.DataObject, length: int | None, whole: bool) -> None:
        plan = self.plans[data.draw(st.sampled_from(self.open_plans))]
        names = () if whole else (plan.revisions[-1][1].prescriptions[0].exercise,)
        it = Hold(self.name("h"), self.here, None if length is None else self.here + length, names, "sore")
        self.db.do(care.hold_plan, BEN, "ada", plan.id, plan.version, it, self.now)
        plan.holds.append(it)
        plan.version += 1

    @precondition(lambda self: self.open_plans)
    @rule(data=st.data())
    def end_plan(self, data: st.DataObject) -> None:
        plan = self.plans[data.draw(st.sampled_from(self.open_plans))]
        self.db.do(care.end_plan, BEN, "ada", plan.id, plan.version, self.now)
        plan.ended = self.here

    # what patients do and are

    def change(self, **changed: object) -> None:
        self.db.do(care.change_patient, BEN, "ada", self.version, changed, self.now)
        self.version += 1

    @rule(name=st.sampled_from(ZONES), hours=st.sampled_from(HOURS), most=st.integers(1, 6), reminders=st.booleans())
    def travel_and_prefer(self, name: str, hours: tuple[str, str], most: int, reminders: bool) -> None:
        self.zone, self.hours = name, hours
        chosen = Preferences(allowed_from=hours[0], allowed_until=hours[1], most_a_day=most, bout_reminders=reminders)
        self.change(zone=name, preferences=chosen)

    @rule(discharged=st.booleans(), long=st.sampled_from([0, 3 * HOUR, 30 * HOUR]), for_good=st.booleans())
    def withdraw_consent_or_be_discharged(self, discharged: bool, long: Instant, for_good: bool) -> None:
        self.consented, self.discharged = not discharged, discharged
        if discharged:
            for plan in self.plans.values():
                plan.ended = self.here if plan.ended is None else plan.ended
        self.change(consented=self.consented, discharged_at=self.now if discharged else None)
        self.nothing_waits_for_a_silent_patient()
        self.hours_pass(long)
        if not for_good:
            self.be_taken_up_again()

    @precondition(lambda self: self.discharged or not self.consented)
    @rule()
    def be_taken_up_again(self) -> None:
        self.consented, self.discharged = True, False
        self.change(consented=True, discharged_at=None)

    @rule()
    def put_address(self) -> None:
        self.db.do(care.put_address, ADA, "ada", "ada-phone", "console", {"label": "ada's phone"}, self.now)

    @property
    def check_ins(self) -> list[CheckIn]:
        found: list[CheckIn] = self.db.do(checkins.check_ins_of, CLINIC, ["ada"], 0)
        return found

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), sore=st.integers(0, 10), emergency=st.booleans())
    def answer(self, data: st.DataObject, sore: int, emergency: bool) -> None:
        open_ones = [it for it in self.check_ins if it.state in ("open", "answered") and it.opens <= self.now]
        if not open_ones:
            return
        it = data.draw(st.sampled_from(open_ones))
        answers: dict[str, object] = {"rf_infect": True} if it.step == "day7" else {"q_sore": sore}
        if emergency and it.step in ("evening", "day1"):
            answers["rf_bleed"] = True
        try:
            reply = self.db.do(care.answer, ADA, it.id, answers, self.now, self.now)
        except Conflict:
            assert self.now > it.target + 14 * DAY
            return
        self.answered.add(it.id)
        if "rf_bleed" in answers:
            assert reply.tier == "emergency"
            assert "911" in reply.safety
            for id in reply.answered.flags:
                assert self.db.do(wakes, f"alert:{id}") in (self.now, None)

    @precondition(lambda self: self.plans)
    @rule(data=st.data(), days=st.integers(-3, 0), again=st.booleans(), late=st.sampled_from([0, MINUTE, DAY]))
    def complete(self, data: st.DataObject, days: int, again: bool, late: Instant) -> None:
        plan = data.draw(st.sampled_from([*self.plans]))
        day, time = date.fromordinal(self.here // 1440 + days), data.draw(st.sampled_from(("09:00", "10:15", "18:00")))
        exercise = data.draw(st.sampled_from(("hip_bridge", "walking", "clamshell")))
        outcomes: tuple[Outcome, ...] = ("done", "partly", "skipped")
        outcome = data.draw(st.sampled_from(outcomes))
        sets = data.draw(st.sampled_from((None, 0, 1, 2, 7))) if outcome != "skipped" else None
        id = data.draw(st.sampled_from([*self.kept])) if again and self.kept else self.name("c")
        it = Completion(id, plan, exercise, day, time, outcome, self.now - late, sets)
        (judged,) = self.db.do(care.complete, ADA, [it], self.now)
        wall = day.toordinal() * 1440 + int(time[:2]) * 60 + int(time[3:])
        expected = "accepted" if exercise in self.plans[plan].due(wall) else "not_due"
        assert judged.verdict == ("duplicate" if id in self.kept else expected)
        if id not in self.kept:
            done = shown(self.zone, self.now - late)
            self.kept[id] = (it, done.day, self.now)

    # time, the worker and the provider

    def fail(self, name: str) -> None:
        if name == self.failing:
            self.failing = ""
            raise Crash(name)

    def turn(self) -> None:
        worker = Worker(self.db, {"console": self.provider}, self.clock, self.fail, self.chance)
        self.loop.run_until_complete(worker.turn())

    @rule(long=st.sampled_from([MINUTE, 25 * MINUTE, 3 * HOUR]))
    def hours_pass(self, long: Instant) -> None:
        until = self.now + long
        while self.now < until:
            self.turn()
            at = self.db.do(outbox.earliest)
            self.clock.move_to(min(at if at is not None else until, self.now + 6 * HOUR, until))
        self.turn()
        self._note_asked()

    @rule(long=st.sampled_from([7 * HOUR, 11 * HOUR]))
    def half_a_day_passes(self, long: Instant) -> None:
        self.hours_pass(long)

    @rule(long=st.sampled_from([25 * HOUR, 26 * HOUR]))
    def a_day_passes(self, long: Instant) -> None:
        self.hours_pass(long)

    @rule(long=st.sampled_from([50 * HOUR, 74 * HOUR]))
    def days_pass(self, long: Instant) -> None:
        self.hours_pass(long)

    @rule(long=st.sampled_from([20 * MINUTE, 5 * HOUR, 14 * HOUR]), mode=st.sampled_from([*Provider.answers]))
    def the_provider_has_a_bad_day(self, long: Instant, mode: str) -> None:
        self.provider.mode = mode
        self.hours_pass(long)
        self.provider.mode = "accept"

    @rule(long=st.sampled_from([20 * MINUTE, 5 * HOUR, 30 * HOUR, 4 * DAY]))
    def nobody_works(self, long: Instant) -> None:
        self.clock.move_to(self.now + long)

    @rule(at=st.sampled_from(["claiming", "claimed", "sending", "sent", "settling", "settled"]))
    def the_worker_dies(self, at: str) -> None:
        before = len(self.taken)
        self.failing = at
        try:
            self.turn()
        except Crash:
            self.loop.run_until_complete(asyncio.sleep(0.001))  # what was on its way still goes out
        self.failing = ""
        self.unsure |= {it.id for it in self.taken[before:]}
        self._note_asked()

    @rule(sleep=st.sampled_from([0, LEASE // 2, LEASE + SECOND]), twice=st.booleans())
    def a_second_worker_is_slow(self, sleep: Instant, twice: bool) -> None:
        """It claims and sends, and settles only after another one had its turn."""
        _, claimed = self.db.do(claiming.claim, self.now)
        sent = self.loop.run_until_complete(self._send(claimed))
        self.unsure |= {it.row.id for it in claimed}
        self.clock.move_to(self.now + sleep)
        self.turn()
        for _ in range(1 + twice):
            self.db.do(settling.settle, sent, self.now, self.chance)
        self._note_asked()

    async def _send(self, claimed: list[Claimed]) -> list[Sent]:
        wire = Wire({"console": self.provider})
        return [await delivery.send(it, wire, self.clock.now, _it_stands) for it in claimed]

    def _note_asked(self) -> None:
        self.asked |= {it.id for it in self.check_ins if it.asked_at is not None}

    # what always holds

    @invariant()
    def every_message_was_right_when_it_was_sent(self) -> None:
        for fault in self.faults:
            raise fault

    @invariant()
    def every_message_is_pending_or_ended(self) -> None:
        assert self.db.do(conservation.unaccounted) == 0

    @invariant()
    def nothing_waits_for_a_silent_patient(self) -> None:
        if self.discharged or not self.consented:
            assert self.db.do(pending_of, "ada") == []

    @invariant()
    def nothing_is_told_twice(self) -> None:
        told: dict[str, set[str]] = defaultdict(set)
        for it in self.taken:
            for subject in it.subjects:
                told[subject].add(it.id)
        for subject, ids in told.items():
            assert len(ids - self.unsure) <= 1, (subject, ids)

    @rule()
    def adherence_is_what_a_slow_count_says(self) -> None:
        if not self.plans:
            return
        first, last = date.fromordinal(NOON // DAY + 719_163 - 4), date.fromordinal(self.here // 1440 + 1)
        items = self.db.do(counting.patient_ledger, CLINIC, "ada", first, last, self.now)
        expected = sorted(
            slow_items(self.plans.values(), [*self.kept.values()], self.here, (first, last), self.db.do(unreached))
        )
        assert sorted((it.plan_id, it.wall, it.exercise, it.state, it.sets_done) for it in items) == expected
        assert adherence.sum_up(items).percent == slow_percent(self.plans, expected)

    @invariant()
    def a_clinics_numbers_are_those_of_the_ledger(self) -> None:
        """By the rollup, which has just been right when the last step began, and by the ledger alone."""
        if self.rolling:
            self._numbers("week")
            for clinic, patients in self.db.do(rollup.stale, self.now, 100).items():
                self.db.do(counting.roll_up, clinic, patients, self.now)

    def _numbers(self, by: counting.By) -> tuple[Wanted, list[Group]]:
        week = self.here // 1440 // 7
        wanted = Wanted(week - 3, week + 1, by, self.now)
        as_of = msgspec.structs.replace(wanted, known=self.now)
        found: list[Group] = self.db.do(counting.clinic_groups, CLINIC, wanted)
        assert found == self.db.do(counting.clinic_groups, CLINIC, as_of)
        return as_of, found

    @rule()
    def the_numbers_of_a_past_report_can_be_had_again(self) -> None:
        self.reports += [self._numbers(by) for by in get_args(counting.By)]
        self.clock.move_to(self.now + 1)  # within its own millisecond, more could still become known
        wanted, said = self.chance.choice(self.reports)
        assert self.db.do(counting.clinic_groups, CLINIC, wanted) == said


def play(engine: Engine, fresh: Callable[[], Engine], examples: int, steps: int) -> None:
    class Played(Story):
        def __init__(self) -> None:
            type(self).engine = fresh()
            super().__init__()

    if os.environ.get("HYPOTHESIS_PROFILE") == "long":
        examples *= 20
    run_state_machine_as_test(Played, settings=settings(max_examples=examples, stateful_step_count=steps))
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_original: Path, tmp_path: Path) -> Iterator[tuple[Engine, Callable[[], Engine]]]:
    """A real file, and a way to make it new."""
    path = tmp_path / "story.db"
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def dress(raw: Any, _: object) -> None:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA synchronous = OFF")  # nothing here pulls the plug

    def fresh() -> Engine:
        engine.dispose()
        shutil.copy(sqlite_original, path)
        return engine

    yield engine, fresh
    engine.dispose()


def test_whatever_happens_in_whatever_order(sqlite_engine: tuple[Engine, Callable[[], Engine]]) -> None:
    play(*sqlite_engine, examples=24, steps=40)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whatever_happens_in_whatever_order_on_postgresql(database_url: str) -> None:
    engine = postgresql_engine(database_url)

    def fresh() -> Engine:
        with engine.begin() as db:
            forget_everything(db)
        return engine

    play(engine, fresh, examples=8, steps=30)
