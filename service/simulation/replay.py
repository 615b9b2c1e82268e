"""Visits of a practice-management export, each imported when it has ended, to invented behaviour of its patients.

The visits, the people and their zones are the file's; what patients choose, answer and do is invented. Mailboxes of the
file are replaced, so that nothing in a simulation is anybody's address.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from notifications.preferences import DEFAULT
from notifications.timing import zone
from programs.errors import Invalid
from programs.instants import MINUTE
from programs.people import Clinic
from service import imports
from service.care import Who
from service.imports import Order, Outcome
from service.simulation import invented, script
from service.simulation.cast import Cast, Part, dice
from service.simulation.invented import Person
from service.simulation.journal import Visit as Known
from service.simulation.journal import address_of
from service.simulation.script import Span
from service.visits import Details, Visit, details_of

# The infection check of day 7 may be asked until 8.5 days after a visit.
AFTERCARE = 9
CONSENTED = Order(consented=True)


def span_of(found: Sequence[Visit], days: int | None) -> Span:
    """From the date of the first visit until the aftercare of the last one is over, or for so many days."""
    ended = [(it.session.ended_at, it.clinic_zone) for it in found if it.session is not None]
    if not ended:
        raise Invalid("file", "has no visit that was attended")
    dates = [zone(name).wall(at).day for at, name in ended]
    last = min(dates) + days if days is not None else max(dates) + AFTERCARE + 1
    return Span(min(dates), last, tuple(sorted({name for _, name in ended})))


class Replay:
    """Counts what became of each row in `verdicts`."""

    def __init__(self, cast: Cast, found: Sequence[Visit]) -> None:
        self.cast = cast
        self.visits = found
        self.details = {id: _harmless(id, it) for id, it in details_of(found).items()}
        self.verdicts: Counter[str] = Counter()

    def arrange(self, span: Span) -> None:
        """Put every visit on the stage. Those not attended come with the first: there is nothing to ask about them."""
        for it in self.visits:
            chance = dice(self.cast.stage.chance)
            at = span.start if it.session is None else it.session.ended_at + chance.randint(2, 20) * MINUTE
            self.cast.stage.at(at, partial(self._bring_in, [it]))
        script.outages(self.cast, span)

    async def _bring_in(self, found: Sequence[Visit]) -> None:
        now = self.cast.now
        outcome: Outcome = await self.cast.stage.db.write(imports.take, found, self.details, CONSENTED, now)
        self.verdicts.update(it.what for it in outcome.verdicts)
        for visit, verdict in zip(found, outcome.verdicts, strict=True):
            if verdict.what == "recorded" and visit.session is not None:
                part = await self._meet(visit)
                await self.cast.see_flags(self.cast.doctor(part), part.who.id)
                self.cast.journal.visits[verdict.session_id] = Known(part.who, [(now, visit.session.ended_at)])

    async def _meet(self, visit: Visit) -> Part:
        """The patient of this visit, and their clinician, on the stage from the first visit on."""
        doctor = Who(visit.clinic_id, "clinician", visit.clinician_id)
        if doctor not in self.cast.clinicians:
            await self.cast.receive(doctor, visit.practitioner, ("web_push", "email"))
        who = Who(visit.clinic_id, "patient", visit.patient_id)
        if who in self.cast.parts:
            return self.cast.parts[who]
        chance = dice(self.cast.stage.chance)
        part = await self.cast.follow(_person(visit, self.details[who.id], chance), who, chance)
        mailbox = self.details[who.id].email
        if mailbox:
            self.cast.stage.channels["email"].people[mailbox] = who
        await script.begin(self.cast, part)
        return part

    async def again(self) -> Mapping[str, int]:
        """Import the whole file once more: nothing may change by it."""
        again: Outcome = await imports.run(
            self.cast.stage.db, self.visits, CONSENTED, self.cast.stage.clock, lambda _: None
        )
        return Counter(it.what for it in again.verdicts)


def _harmless(id: str, details: Details) -> Details:
    mailbox = address_of("email", id)["mailbox"] if details.email else ""
    return msgspec.structs.replace(details, email=mailbox)


def _person(visit: Visit, details: Details, chance: random.Random) -> Person:
    clinic = Clinic(visit.clinic_id, visit.clinic, visit.clinic_zone, "", "")
    channels = chance.choice((("web_push",), ()))  # beside the e-mail of the file
    habits = invented.habits(chance)
    return Person(clinic, visit.patient_id, details.name, visit.clinician_id, details.zone, DEFAULT, habits, channels)
