"""A clinic to look at: six weeks of it, lived through on a fast clock by the machinery of the simulation.

Everybody in it is invented. Nothing is written by hand: what stands in the database at the end is what the engine made
of visits, answers and lost phones. Who does what is fixed, so that there is always something of each kind to see.
"""

import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from notifications.preferences import DEFAULT
from notifications.timing import zone
from programs import people, plans
from programs.errors import Conflict
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.needling import NeedlingSession
from programs.people import Clinic
from programs.phases import Phases
from programs.tables import clinic
from programs.templates import Template
from service import care
from service.auth.tokens import DEVICE, KEY, make_token
from service.care import Who
from service.database import Database
from service.simulation import script
from service.simulation.cast import Cast, Part, dice
from service.simulation.invented import Habits, Person, Program
from service.simulation.stage import Progress, Stage, silent

WEEKS = 6
HOME = Clinic("demo", "Riverside Physical Therapy", "America/New_York", "US", "+1 555 0100")
WEST = "America/Los_Angeles"
CLINICIANS = {"ben": "Ben Okafor", "cleo": "Cleo Marchetti", "noor": "Noor Haddad"}

# What a demo's sign-in page offers and its API takes; the last one is a clinician who looks after the numbers.
TOKENS = {
    "demo-ada": Who(HOME.id, "patient", "ada"),
    "demo-ben": Who(HOME.id, "clinician", "ben"),
    "demo-clinic": Who(HOME.id, "admin", "cleo"),
}

KEEN = Habits(looks=0.95, answers=1, exercises=0.95, unprompted=0.4, delay=25)
FAIR = Habits(looks=0.85, answers=0.9, exercises=0.9, unprompted=0, delay=60, alarms={"same_day": 0.03})
RARELY = Habits(looks=0.6, answers=0.8, exercises=0.3, unprompted=0, delay=120, sore=6, rises=True)
OFFLINE = Habits(looks=0.9, answers=0.9, exercises=0.85, offline=True)
NEVER = Habits(looks=0, answers=0, exercises=0, unprompted=0)

HIP = Program("general_hip", ("08:30",), 70)
GLUTE = Program("piriformis_b", ("09:00", "18:00"), 70)
THIGH = Program("hamstrings_b", ("18:00", "12:00"), 70)


class Role(NamedTuple):
    """A patient of the demo; `visits` are days before now, `program` is assigned at the first of them."""

    id: str
    name: str
    clinician: str
    habits: Habits
    visits: tuple[float, ...]
    program: Program | None
    muscles: tuple[str, ...] = ("gluteus medius", "piriformis")
    zone: str = HOME.zone


ROLES = (
    Role("ada", "Ada Lindqvist", "ben", KEEN, (38, 24, 11), HIP, ("gluteus medius", "iliopsoas")),
    Role("marco", "Marco Bellini", "ben", FAIR, (40, 9), HIP, ("upper trapezius", "infraspinatus")),
    Role("lena", "Lena Süßmann", "ben", FAIR, (33, 12), THIGH, ("hamstrings",)),
    Role("sakura", "森田 さくら", "ben", KEEN, (36, 20, 4), GLUTE),
    Role("tomas", "Tomás Quiroga", "ben", RARELY, (30, 16, 3), HIP, ("iliopsoas",)),
    Role("priya", "प्रिया शर्मा", "cleo", KEEN, (41, 27, 6), THIGH, ("hamstrings", "gluteus maximus")),
    Role("yonatan", "יונתן דרור", "cleo", OFFLINE, (35, 14), HIP),
    Role("hollis", "Hollis Carrow", "cleo", FAIR, (34, 8), HIP, ("quadratus lumborum",)),
    Role("ines", "Inês Valadão", "cleo", FAIR, (29, 15), GLUTE),
    Role("minjun", "김 민준", "cleo", NEVER, (31, 17), HIP, ("rectus femoris",)),
    Role("olena", "Олена Гончар", "noor", FAIR, (37, 23, 5), HIP, zone=WEST),
    Role("desmond", "Desmond Stroud", "noor", RARELY, (28, 13), THIGH, ("adductor longus",)),
    Role("nomsa", "Nomsa Dlamini", "noor", FAIR, (39, 22), GLUTE),
    Role("kalliope", "Καλλιόπη Ρήγα", "noor", KEEN, (1.2,), None),
)


async def fill_demo(db: Database, now: Instant, progress: Progress = silent) -> None:
    """Live through the last six weeks. Raises Conflict on a database that has a clinic already; tokens are TOKENS."""
    await db.read(_check_empty)
    stage = Stage(db, now - WEEKS * 7 * DAY, random.Random(1))
    cast = Cast(stage)
    cast.attentive = 1
    await cast.open_clinic(HOME, CLINICIANS, ("console",))
    demo = _Demo(cast, now)
    for role in ROLES:
        demo.arrange(role)
    demo.arrange_events()
    await stage.run(now, progress)
    await db.at(HOME.id).write(_settle, now)
    await db.at(HOME.id).write(_make_tokens, now)


def _check_empty(db: Connection) -> None:
    if db.execute(select(func.count()).select_from(clinic)).scalar_one():
        raise Conflict("the database has a clinic", "The demo needs an empty database; this one has a clinic in it.")


def _settle(db: Connection, now: Instant) -> None:
    """What the clinic has decided for itself: its protocol, a program of its own, and a plan that follows phases."""
    ben = Who(HOME.id, "clinician", "ben")
    care.approve_protocol(db, ben, 0, now)
    course = plans.courses_of(db, HOME.id, ["sakura"])["sakura"][0]
    terms = msgspec.structs.replace(course.revisions[-1].terms, phases=Phases())
    care.revise_plan(db, ben, "sakura", course.plan_id, course.version, terms, now)
    own = Template("demo-hips", "Hips after needling", terms.prescriptions)
    care.save_program(db, ben, own, now)


def _make_tokens(db: Connection, now: Instant) -> None:
    for given, who in TOKENS.items():
        if who.kind == "admin":
            people.change_clinician(db, who.clinic, who.id, {"role": "admin"})
        make_token(db, who, now, given, DEVICE if who.kind == "patient" else KEY)


class _Demo:
    def __init__(self, cast: Cast, now: Instant) -> None:
        self.cast = cast
        self.now = now
        self.parts: dict[str, Part] = {}
        self.last_visit: dict[str, Instant] = {}

    def arrange(self, role: Role) -> None:
        """Put this patient's visits on the stage; the first one enrols them and assigns their program."""
        chance = dice(self.cast.stage.chance)
        for days in role.visits:
            self._visit(role, _in_working_hours(self.now - round(days * DAY), chance), chance)

    def _visit(self, role: Role, ended_at: Instant, chance: random.Random) -> None:
        self.last_visit[role.id] = ended_at
        session = NeedlingSession(role.id, role.clinician, ended_at, role.muscles, "left", insertions=6)

        async def record() -> None:
            if role.id not in self.parts:
                await self._begin(role, chance)
            await self.cast.record(self.parts[role.id], f"{role.id}-{ended_at}", session)

        self.cast.stage.at(ended_at + 5 * MINUTE, record)

    async def _begin(self, role: Role, chance: random.Random) -> None:
        person = Person(HOME, role.id, role.name, role.clinician, role.zone, DEFAULT, role.habits, ("console",))
        part = self.parts[role.id] = await self.cast.enrol(person, chance)
        if role.program is not None:
            await self.cast.assign(part, _plan(role.id), role.program)
            script.mornings(self.cast, part)

    # what there is to be seen

    def arrange_events(self) -> None:
        cast, now = self.cast, self.now
        self._to_answer_now("ada")
        self._emergency("marco")
        self._same_day("lena", now - 2 * HOUR)
        self._at(now - 3 * HOUR, "kalliope", lambda part: cast.assign(part, _plan("kalliope"), GLUTE))
        self._at(now - 12 * DAY, "hollis", cast.lose_phone)
        self._at(now - 9 * DAY, "olena", lambda part: cast.change(part, "moved zone", zone=HOME.zone))
        self._at(now - 7 * DAY, "desmond", lambda part: script.leave(cast, part, "consent withdrawn", consented=False))
        self._at(now - 5 * DAY, "nomsa", lambda part: script.discharge(cast, part))
        self._at(now - 3 * DAY, "ines", lambda part: cast.hold(part, _plan("ines"), None, loaded_only=False))

    def _at(self, when: Instant, id: str, deed: Callable[[Part], Awaitable[None]]) -> None:
        async def do() -> None:
            await deed(self.parts[id])

        self.cast.stage.at(when, do)

    def _rests(self, when: Instant, id: str) -> None:
        """From then on they leave everything as it is."""

        async def rest(part: Part) -> None:
            part.gone = True

        self._at(when, id, rest)

    def _to_answer_now(self, id: str) -> None:
        """A last visit with a check-in that is open now, and nothing done of today."""
        ended_at = _shortly_before(self.now)
        self._visit(_role(id), ended_at, random.Random(0))
        home = zone(HOME.zone)
        opened = ended_at + (24 * HOUR if self.now - ended_at < 40 * HOUR else 42 * HOUR)
        self._rests(min(opened, home.instant(home.wall(self.now).day, 0)), id)

    def _emergency(self, id: str) -> None:
        """Reported the evening after the last visit, and acknowledged some minutes later."""
        at = self.last_visit[id] + 2 * HOUR + 5 * MINUTE
        self._at(at, id, lambda part: self.cast.report(part, "emergency"))
        self._at(at + 6 * MINUTE, id, lambda part: self.cast.acknowledge(self.cast.doctor(part)))

    def _same_day(self, id: str, at: Instant) -> None:
        """Reported just now; the clinicians are with their patients and have not seen it yet."""
        ended_at = _shortly_before(at)
        self._visit(_role(id), ended_at, random.Random(0))
        self._rests(ended_at + 20 * HOUR, id)
        self._at(at, id, lambda part: self.cast.report(part, "same_day"))

        async def busy(part: Part) -> None:
            self.cast.attentive = 0

        self._at(at - MINUTE, id, busy)


def _role(id: str) -> Role:
    return next(role for role in ROLES if role.id == id)


def _plan(id: str) -> str:
    return f"{id}-plan"


def _in_working_hours(about: Instant, chance: random.Random) -> Instant:
    """On that date at the clinic or on the last working day before it, between nine and five."""
    home = zone(HOME.zone)
    day = home.wall(about).day
    day -= {6: 1, 0: 2}.get(day % 7, 0)
    return home.instant(day, 9 * 60 + 15 * chance.randrange(32))


def _shortly_before(at: Instant) -> Instant:
    """The end of a visit in working hours such that its 24 h or its 48 h check-in has been open for a while by then."""
    home = zone(HOME.zone)
    quarters = [at - at % (15 * MINUTE) - 15 * MINUTE * number for number in range(4 * 25, 4 * 60)]
    open_then = [it for it in quarters if at - it < 38 * HOUR or at - it > 43.5 * HOUR]
    return next(it for it in open_then if 9 * 60 <= home.wall(it).minute <= 18 * 60)
