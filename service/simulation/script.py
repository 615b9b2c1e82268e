"""When what happens to whom: visits on clinic days, programs, and what life brings. Rolled for each patient alone."""

import random
from datetime import date

import msgspec

from notifications.timing import zone
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.needling import NeedlingSession
from programs.people import Clinic
from service.simulation import invented
from service.simulation.cast import Cast, Part, dice
from service.simulation.invented import CLINICS, Person
from service.simulation.stage import Deed

# A provider is out of order about once a fortnight.
OUTAGE_EVERY = 14


class Span(msgspec.Struct, frozen=True):
    """The local dates that are played: ordinals, the last one not included; and the zones of the clinics."""

    first: int
    last: int
    zones: tuple[str, ...]

    @property
    def start(self) -> Instant:
        """Midnight of the first date where it comes first."""
        return min(zone(name).instant(self.first, 0) for name in self.zones)

    @property
    def end(self) -> Instant:
        return max(zone(name).instant(self.last, 0) for name in self.zones)


def season(start: date, days: int) -> Span:
    return Span(start.toordinal(), start.toordinal() + days, tuple(clinic.zone for clinic in CLINICS))


async def arrange(cast: Cast, span: Span, patients: int) -> None:
    """Open the clinics and put everything that will happen to so many patients on the stage."""
    for clinic in CLINICS[:patients]:
        await cast.open_clinic(clinic, invented.clinicians(clinic), ("web_push", "email"))
    for number in range(patients):
        chance = dice(cast.stage.chance)
        _visits(cast, invented.person(number, chance), chance, span)
    outages(cast, span)


def outages(cast: Cast, span: Span) -> None:
    chance = dice(cast.stage.chance)
    for kind in ("web_push", "email"):
        for first in range(span.first, span.last, OUTAGE_EVERY):
            day = min(first + chance.randrange(OUTAGE_EVERY), span.last - 1)
            start = zone(span.zones[0]).instant(day, chance.randrange(8 * 60, 18 * 60))
            cast.stage.channels[kind].outages.append((start, start + chance.randint(20, 70) * MINUTE))


def _visits(cast: Cast, person: Person, chance: random.Random, span: Span) -> None:
    day = span.first + chance.randrange(min(7, span.last - span.first))
    parts: list[Part] = []
    number = 0
    while (day := _clinic_day(day)) < span.last:
        number += 1
        _visit(cast, person, parts, (_ends_at(person.clinic, day, chance), f"{person.id}-visit{number}"), chance)
        # One in ten comes again the next day: two aftercares run side by side.
        day += 1 if chance.random() < 0.1 else chance.choice((3, 4, 5, 7, 7))


def _clinic_day(day: int) -> int:
    """This date, or the Monday after it. `date.toordinal() % 7` is 0 on a Sunday."""
    return day + {6: 2, 0: 1}.get(day % 7, 0)


def _ends_at(clinic: Clinic, day: int, chance: random.Random) -> Instant:
    return zone(clinic.zone).instant(day, 9 * 60 + 15 * chance.randrange(40))


def _visit(cast: Cast, person: Person, parts: list[Part], visit: tuple[Instant, str], chance: random.Random) -> None:
    """`parts` is empty until the first visit, at which the patient is enrolled."""
    ended_at, id = visit
    session = NeedlingSession(
        person.id,
        person.clinician,
        ended_at,
        invented.muscles(chance),
        chance.choice(("left", "right", "both")),
        insertions=chance.choice((2, 4, 6, 8, "few", "many")),
        twitch_responses=chance.choice(("none", "some", "many")),
        electrical_stimulation=chance.random() < 0.3,
    )
    # Mostly written down at once, at times only the next morning.
    late = chance.random() < 0.08
    written = ended_at + (chance.randint(12 * HOUR, 16 * HOUR) if late else chance.randint(2, 20) * MINUTE)

    async def record() -> None:
        if not parts:
            parts.append(await cast.enrol(person, chance))
            await begin(cast, parts[0])
        if not parts[0].gone:
            await cast.record(parts[0], id, session)
            _second_thoughts(cast, parts[0], id, ended_at)

    cast.stage.at(written, record)


def _second_thoughts(cast: Cast, part: Part, id: str, ended_at: Instant) -> None:
    """Some visits are set right afterwards, some were never meant to be there."""
    roll = part.chance.random()
    if roll < 0.04:
        earlier = ended_at - 15 * part.chance.randint(1, 6) * MINUTE
        cast.stage.at(cast.now + part.chance.randint(10, 180) * MINUTE, lambda: cast.correct(part, id, earlier))
    elif roll < 0.055:
        cast.stage.at(cast.now + part.chance.randint(5, 60) * MINUTE, lambda: cast.cancel(part, id))


async def begin(cast: Cast, part: Part) -> None:
    """A program for most, mornings on which they need no reminder, and what life brings them."""
    chance = part.chance
    if chance.random() < 0.8:
        plan = f"{part.who.id}-plan"
        await cast.assign(part, plan, invented.program(chance))
        mornings(cast, part)
        if chance.random() < 0.1:
            cast.stage.at(cast.now + 30 * MINUTE, lambda: cast.hold(part, plan, 48, loaded_only=True))
        if chance.random() < 0.06:
            times = chance.choice(invented.TIMES)
            _later(cast, part, (2, 6), lambda: cast.revise(part, plan, times))
    _fate(cast, part)


def mornings(cast: Cast, part: Part) -> None:
    """Tomorrow morning, and every one after it: some do their exercises before anybody reminds them."""
    zone_ = zone(cast.journal.zone_at(part.who, cast.now))
    at = zone_.instant(zone_.wall(cast.now).day + 1, 7 * 60 + part.chance.randrange(90))

    async def wake() -> None:
        if part.gone:
            return
        mornings(cast, part)
        if part.chance.random() < part.person.habits.unprompted:
            await cast.do_unprompted(part)

    cast.stage.at(at, wake)


def _fate(cast: Cast, part: Part) -> None:
    """What happens to one patient in seven, once."""
    roll = part.chance.random()
    if roll < 0.04:
        away = part.chance.choice(invented.ELSEWHERE)
        _later(cast, part, (2, 5), lambda: cast.change(part, "moved zone", zone=away))
        _later(cast, part, (6, 9), lambda: cast.change(part, "moved back", zone=part.person.zone))
    elif roll < 0.06:
        _later(cast, part, (1, 8), lambda: leave(cast, part, "consent withdrawn", consented=False))
    elif roll < 0.09:
        _later(cast, part, (4, 10), lambda: discharge(cast, part))
    elif roll < 0.13:
        _later(cast, part, (1, 6), lambda: cast.lose_phone(part))
        if part.chance.random() < 0.6:
            _later(cast, part, (7, 9), lambda: cast.replace_phone(part))


def _later(cast: Cast, part: Part, days: tuple[int, int], deed: Deed) -> None:
    """Between so many days from now, if the patient is still with us then."""

    async def unless_gone() -> None:
        if not part.gone:
            await deed()

    cast.stage.at(cast.now + part.chance.randint(days[0] * DAY, days[1] * DAY), unless_gone)


async def discharge(cast: Cast, part: Part) -> None:
    await leave(cast, part, "discharged", discharged_at=cast.now)


async def leave(cast: Cast, part: Part, what: str, **changed: object) -> None:
    part.gone = True
    await cast.change(part, what, **changed)
