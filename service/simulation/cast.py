"""What invented people do on the stage, each deed through the use cases that the API calls; it writes no rows."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection

from notifications.receipts import Receipt
from notifications.timing import zone
from programs import checkins, exercises, needling, people, plans, templates
from programs.completions import Completion
from programs.ids import derived_id
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.needling import NeedlingSession
from programs.people import Clinic, Patient
from programs.plans import Assignment
from programs.schedule import Course, Hold, Terms, wall_at
from service import care, reading
from service.care import Who
from service.reading import Asked, Task
from service.simulation import habits
from service.simulation.invented import Person, Program
from service.simulation.journal import Answered, Event, Flagged, Journal, Logged, Visit, address_of
from service.simulation.stage import Stage

LATE = 0.04  # of bouts are done the day after
EARLY = 90  # minutes before its time of day a bout may be done


class Part(msgspec.Struct):
    """A patient on the stage: who they are, the dice that are theirs alone, and what their phone has not sent yet."""

    person: Person
    who: Who
    chance: random.Random
    pocket: list[Completion] = []
    looking: bool = False
    gone: bool = False  # stopped reacting, for good


def dice(chance: random.Random) -> random.Random:
    """Dice of one's own: what one person does never changes what another one rolls."""
    return random.Random(chance.getrandbits(64))


class Cast:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.parts: dict[Who, Part] = {}
        self.clinicians: dict[Who, random.Random] = {}
        self.attentive = 0.92  # share of alerts that a clinician follows within the hour
        stage.on_taken(self._told)

    @property
    def now(self) -> Instant:
        return self.stage.clock.at

    @property
    def journal(self) -> Journal:
        return self.stage.journal

    async def write(self, verb: Any, who: Who | str, *args: Any) -> Any:
        clinic = who if isinstance(who, str) else who.clinic
        return await self.stage.db.at(clinic).write(verb, who, *args)

    # who is there

    async def open_clinic(self, clinic: Clinic, clinicians: Mapping[str, str], channels: Sequence[str]) -> None:
        await self.stage.db.at(clinic.id).write(people.add_clinic, clinic, self.now)
        for id, name in clinicians.items():
            await self.write(people.add_clinician, clinic.id, id, name)
            await self.receive(Who(clinic.id, "clinician", id), name, channels)

    async def receive(self, who: Who, name: str, channels: Sequence[str]) -> None:
        """This person, whom the database knows, can be reached from now on."""
        self.journal.names[who] = name
        if who.kind == "clinician":
            self.clinicians[who] = dice(self.stage.chance)
        for kind in channels:
            await self.put_address(who, kind, f"{who.clinic}.{who.id}.{kind}")

    async def put_address(self, who: Who, kind: str, id: str) -> None:
        value = address_of(kind, id)
        self.stage.channels[kind].people[next(iter(value.values()))] = who
        await self.write(care.put_address, who, who.id, id, kind, value, self.now)

    async def enrol(self, person: Person, chance: random.Random) -> Part:
        who = Who(person.clinic.id, "patient", person.id)
        doctor = Who(person.clinic.id, "clinician", person.clinician)
        patient = Patient(person.id, person.name, person.zone, person.clinician, (), True, None, self.now, 1, self.now)
        await self.write(care.enrol, doctor, patient, person.chosen, self.now)
        return await self.follow(person, who, chance)

    async def follow(self, person: Person, who: Who, chance: random.Random) -> Part:
        """From here on the patient, who is enrolled, behaves as they do. `chance` is theirs alone."""
        part = self.parts[who] = Part(person, who, chance)
        self.journal.zones[who].append((self.now, person.zone))
        self.journal.hours[who] = person.chosen.hours
        self.journal.most_a_day[who] = person.chosen.most_a_day
        await self.receive(who, person.name, person.channels)
        return part

    # what clinicians do

    async def record(self, part: Part, id: str, session: NeedlingSession) -> None:
        doctor = self.doctor(part)
        await self.write(care.record_session, doctor, id, session, self.now)
        self.journal.visits[id] = Visit(part.who, [(self.now, session.ended_at)])
        await self.see_flags(doctor, part.who.id)

    async def correct(self, part: Part, id: str, ended_at: Instant) -> None:
        await self.write(_correct, self.doctor(part), id, ended_at, self.now)
        self.journal.visits[id].ends.append((self.now, ended_at))
        self.note(part, "visit corrected")

    async def cancel(self, part: Part, id: str) -> None:
        await self.write(_cancel, self.doctor(part), id, self.now)
        self.journal.visits[id].cancelled_at = self.now
        self.note(part, "visit cancelled")

    async def assign(self, part: Part, id: str, program: Program) -> None:
        template = templates.templates()[program.template]
        today = zone(self.journal.zone_at(part.who, self.now)).wall(self.now).day
        days = date.fromordinal(today), date.fromordinal(today + program.days - 1)
        terms = Terms(template.prescriptions, program.times, *days)
        it = Assignment(part.who.id, part.person.clinician, template.title, terms)
        await self.write(care.assign_plan, self.doctor(part), id, it, self.now)

    async def hold(self, part: Part, plan: str, hours: int | None, loaded_only: bool) -> None:
        """Pause the plan, or its loaded exercises, for so many hours or until further notice."""
        await self.write(_hold, self.doctor(part), part.who.id, plan, (hours, loaded_only), self.now)
        self.note(part, "program held")

    async def revise(self, part: Part, plan: str, times: tuple[str, ...]) -> None:
        await self.write(_revise, self.doctor(part), part.who.id, plan, times, self.now)
        self.note(part, "program revised")

    async def change(self, part: Part, what: str, **changed: object) -> None:
        """`what` is how the journal calls it: a new zone, consent withdrawn, discharge."""
        await self.write(_change, self.doctor(part), part.who.id, changed, self.now)
        if "zone" in changed:
            self.journal.zones[part.who].append((self.now, str(changed["zone"])))
        self.note(part, what)

    def doctor(self, part: Part) -> Who:
        return Who(part.who.clinic, "clinician", part.person.clinician)

    async def see_flags(self, doctor: Who, patient: str) -> None:
        """With the patient before them a clinician reads what waited for this visit."""
        for it in await self.stage.db.at(doctor.clinic).read(_open_flags, doctor.clinic):
            if it.patient_id == patient and it.tier == "next_visit":
                await self.write(care.acknowledge, doctor, it.id, self.now)

    async def acknowledge(self, doctor: Who) -> None:
        """An alert names nobody: they open the list and take what is theirs and urgent."""
        for it in await self.stage.db.at(doctor.clinic).read(_open_flags, doctor.clinic):
            if it.clinician_id == doctor.id and it.tier != "next_visit":
                await self.write(care.acknowledge, doctor, it.id, self.now)

    # what patients do

    def _told(self, who: Who, message: str) -> None:
        """A message arrived. Whether and when they look is up to them."""
        if who in self.clinicians:
            chance = self.clinicians[who]
            if chance.random() < self.attentive:
                self.stage.at(self.now + chance.randint(2 * MINUTE, 50 * MINUTE), lambda: self.acknowledge(who))
            return
        part = self.parts[who]
        self.stage.at(self.now, lambda: self.show(part, message))
        if part.gone or part.looking or part.chance.random() >= part.person.habits.looks:
            return
        part.looking = True
        wait = round(part.chance.expovariate(1 / part.person.habits.delay) * MINUTE)
        self.stage.at(self.now + MINUTE + min(wait, 14 * HOUR), lambda: self.look(part, message))

    async def show(self, part: Part, message: str) -> None:
        """A phone shows what a push brings, and its app says so, whether anybody looks or not."""
        if "web_push" in part.person.channels:
            await self.write(care.confirm, part.who, Receipt(message, "shown", self.now), self.now)

    async def look(self, part: Part, message: str) -> None:
        """Open a message, answer what is open, do what is due by now."""
        part.looking = False
        if part.gone:
            return
        today = await self.stage.db.at(part.who.clinic).read(reading.today, part.who, self.now)
        here = zone(today.patient.zone).minutes(self.now)
        like, roll = part.person.habits, part.chance.random
        said = [self.answer(part, asked) for asked in today.check_ins if roll() < like.answers]
        did = [
            self.exercise(part, task)
            for task in today.tasks
            if task.bout.wall <= here + EARLY and roll() < like.exercises
        ]
        opened = self.write(care.confirm, part.who, Receipt(message, "opened", self.now), self.now)
        # All at once: they share one commit.
        await asyncio.gather(opened, *said, *did)

    async def report(self, part: Part, tier: str) -> None:
        """Answer the check-in that is open, with a warning sign of this tier."""
        today = await self.stage.db.at(part.who.clinic).read(reading.today, part.who, self.now)
        await self.answer(part, today.check_ins[-1], tier)

    async def answer(self, part: Part, asked: Asked, alarm: str | None = None) -> None:
        """`alarm` is the tier of a warning sign that this patient is to report."""
        ended_at = self.journal.visits[asked.check_in.session_id].ends[-1][1]
        hours = (self.now - ended_at) / HOUR
        said = habits.answers(asked.questions, part.person.habits, hours, part.chance, alarm)
        reply = await self.write(care.answer, part.who, asked.check_in.id, said, self.now, self.now)
        self.journal.answered.append(Answered(self.now, part.who, asked.check_in.id, reply.tier))
        for finding in reply.answered.findings:
            flag = derived_id(asked.check_in.id, finding.rule)
            if finding.tier != "next_visit" and flag in reply.answered.flags:
                self.journal.flagged[flag] = Flagged(self.now, part.who, finding.tier)

    async def exercise(self, part: Part, task: Task) -> None:
        if part.chance.random() < LATE:
            self.stage.at(self.now + part.chance.randint(14 * HOUR, 20 * HOUR), lambda: self._log(part, task))
        else:
            await self._log(part, task)

    async def _log(self, part: Part, task: Task) -> None:
        """Done just now. A phone without a network keeps it, and sends it with others in a day or three."""
        bout = task.bout
        waiting = {
            it.exercise for it in part.pocket if (it.plan_id, wall_at(it.date, it.time)) == (bout.plan_id, bout.wall)
        }
        done = habits.completions(bout, {*task.logged, *waiting}, self.now, part.chance)
        if not part.person.habits.offline:
            await self.send(part, done)
            return
        if done and not part.pocket:
            self.stage.at(self.now + part.chance.randint(6 * HOUR, 3 * DAY), lambda: self.sync(part))
        part.pocket += done

    async def sync(self, part: Part) -> None:
        """The phone is online again. One in four sends the batch twice, as phones do that miss the reply."""
        items, part.pocket = part.pocket, []
        for _ in range(2 if part.chance.random() < 0.25 else 1):
            await self.send(part, items)

    async def send(self, part: Part, items: Sequence[Completion]) -> None:
        if not items:
            return
        judged = await self.write(care.complete, part.who, items, self.now)
        for it, verdict in zip(items, judged, strict=True):
            if verdict.verdict == "accepted":
                self.journal.logged.append(Logged(it.done_at, self.now, part.who, it.outcome))

    async def do_unprompted(self, part: Part) -> None:
        """Their home program, before any reminder of the day."""
        today = await self.stage.db.at(part.who.clinic).read(reading.today, part.who, self.now)
        for task in today.tasks[:1]:
            await self.exercise(part, task)

    # what happens to phones

    async def lose_phone(self, part: Part) -> None:
        for channel in self.stage.channels.values():
            channel.dead |= {value for value, who in channel.people.items() if who == part.who}
        self.note(part, "phone lost")

    async def replace_phone(self, part: Part) -> None:
        kind = part.person.channels[0]
        await self.put_address(part.who, kind, f"{part.who.clinic}.{part.who.id}.{kind}.new")
        self.note(part, "new phone")

    def note(self, part: Part, what: str) -> None:
        self.journal.events.append(Event(self.now, part.who, what))


# verbs of more than one step, so that each is one transaction


def _correct(db: Connection, who: Who, id: str, ended_at: Instant, now: Instant) -> None:
    it = needling.session_of(db, who.clinic, id)
    session = msgspec.structs.replace(it.session, started_at=None, ended_at=ended_at)
    care.correct_session(db, who, id, it.version, session, now)


def _cancel(db: Connection, who: Who, id: str, now: Instant) -> None:
    care.cancel_session(db, who, id, needling.session_of(db, who.clinic, id).version, now)


def _change(db: Connection, who: Who, patient: str, changed: Mapping[str, Any], now: Instant) -> None:
    it = people.patient_of(db, who.clinic, patient)
    care.change_patient(db, who, patient, it.version, changed, now)


def _hold(db: Connection, who: Who, patient: str, plan: str, how: tuple[int | None, bool], now: Instant) -> Course:
    hours, loaded_only = how
    here = zone(people.patient_of(db, who.clinic, patient).zone).minutes(now)
    planned = plans.course_of(db, who.clinic, patient, plan).revisions[-1].terms.prescriptions
    names = tuple(it.exercise for it in planned if exercises.find(it.exercise).loaded) if loaded_only else ()
    until = here + hours * 60 if hours is not None else None
    it = Hold(f"{plan}-hold-{here}", here, until, names, "after needling" if hours else "paused by the clinic")
    return care.hold_plan(db, who, patient, plan, None, it, now)


def _revise(db: Connection, who: Who, patient: str, plan: str, times: tuple[str, ...], now: Instant) -> Course:
    course = plans.course_of(db, who.clinic, patient, plan)
    terms = msgspec.structs.replace(course.revisions[-1].terms, times=times)
    return care.revise_plan(db, who, patient, plan, course.version, terms, now)


def _open_flags(db: Connection, clinic: str) -> list[checkins.Flag]:
    return checkins.flags_of(db, clinic, open_only=True, count=1000)
