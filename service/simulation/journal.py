"""What really happened in a simulation, written down by the far side: the channels, and the people themselves.

It is the oracle. Nothing in it was read from the database, so that what the engine says can be held against it.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import msgspec

from notifications.channels import Accepted, Gone, Later, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress, EmailAddress, WebPushAddress
from notifications.timing import AllowedHours
from programs.instants import Instant
from service.care import Who
from service.clock import Clock

OUTAGE = Later("the provider is down", after=120)


Taken = Callable[[Who, str], None]
"""Told who got which message."""


class Sent(NamedTuple):
    """One parcel handed over at one address, and whether it was taken."""

    at: Instant
    who: Who
    address: str
    delivery_id: str
    taken: bool


class Visit(msgspec.Struct):
    """A needling session as people know it: (from when they knew, when it ended), the latest last."""

    who: Who
    ends: list[tuple[Instant, Instant]]
    cancelled_at: Instant | None = None


class Answered(NamedTuple):
    at: Instant
    who: Who
    check_in: str
    tier: str


class Flagged(NamedTuple):
    """An answer that a clinician has to hear of at once."""

    at: Instant
    who: Who
    tier: str


class Logged(NamedTuple):
    """A completion: `at` when it was done, `received` when the phone could say so."""

    at: Instant
    received: Instant
    who: Who
    outcome: str


class Event(NamedTuple):
    """Anything else worth telling: "moved zone", "discharged", "phone lost"."""

    at: Instant
    who: Who
    what: str


class Journal:
    def __init__(self) -> None:
        self.names: dict[Who, str] = {}
        self.sent: list[Sent] = []
        self.visits: dict[str, Visit] = {}
        self.answered: list[Answered] = []
        self.logged: list[Logged] = []
        self.events: list[Event] = []
        self.flagged: dict[str, Flagged] = {}
        self.zones: dict[Who, list[tuple[Instant, str]]] = defaultdict(list)
        self.outages: dict[str, list[tuple[Instant, Instant]]] = defaultdict(list)
        self.hours: dict[Who, AllowedHours] = {}
        self.most_a_day: dict[Who, int] = {}

    def zone_at(self, who: Who, at: Instant) -> str:
        """Before they were enrolled, a patient was where they were then."""
        zones = self.zones[who]
        return next((name for since, name in reversed(zones) if since <= at), zones[0][1])

    def patients(self) -> list[Who]:
        return sorted(self.zones, key=order)


def order(who: Who) -> tuple[str, str]:
    return who.clinic, who.id


def address_of(kind: str, id: str) -> dict[str, str]:
    """An address of this kind for an invented person: well formed, and nobody's."""
    match kind:
        case "web_push":
            keys = {"p256dh": "BA" + "A" * 85, "auth": "A" * 22}
            return {"endpoint": f"https://updates.push.services.mozilla.com/{id}", **keys}
        case "email":
            return {"mailbox": f"{id}@patients.example"}
        case _:
            return {"label": id}


class Recorder:
    """A channel that takes everything and writes it down, but for dead addresses and while its provider is down."""

    kind: ClassVar[str]
    Address: ClassVar[type[msgspec.Struct]]
    limit: ClassVar[int] = 1  # one after the other, so that each run is the same

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.clock = clock
        self.journal = journal
        self.people: dict[str, Who] = {}
        self.dead: set[str] = set()
        self.outages = journal.outages[self.kind]
        self.taken: Taken = _nothing

    async def send(self, address: Any, parcel: Parcel) -> Outcome:
        id = _value(address)
        now = self.clock.now()
        outcome: Outcome = Accepted()
        if id in self.dead:
            outcome = Gone("no such subscription")
        elif any(start <= now < end for start, end in self.outages):
            outcome = OUTAGE
        who, taken = self.people[id], isinstance(outcome, Accepted)
        self.journal.sent.append(Sent(now, who, id, parcel.delivery_id, taken))
        if taken:
            self.taken(who, parcel.delivery_id)
        return outcome

    async def close(self) -> None:
        """Nothing is open."""


def _value(address: Any) -> str:
    """What is unique in an address: an endpoint, a mailbox, a label."""
    return str(msgspec.structs.astuple(address)[0])


def _nothing(who: Who, message: str) -> None:
    return None


class PushRecorder(Recorder):
    kind = "web_push"
    Address = WebPushAddress


class MailRecorder(Recorder):
    kind = "email"
    Address = EmailAddress


class ConsoleRecorder(Recorder):
    kind = "console"
    Address = ConsoleAddress


RECORDERS = (PushRecorder, MailRecorder, ConsoleRecorder)


def recorders(clock: Clock, journal: Journal) -> dict[str, Recorder]:
    return {each.kind: each(clock, journal) for each in RECORDERS}
