"""Holds what the channels took against what must be true of it. It shares no rule with the engine, only time zone data.

The journal says what was sent to whom and when; the database is asked only which message a delivery id was. Windows,
local clocks and limits are reckoned here once more, in another way, so that one mistake is not made twice.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from notifications import conservation
from notifications.book import PENDING
from notifications.tables import due, message, outcome
from notifications.timing import zone
from programs import people, walls
from programs.instants import DAY, HOUR, MINUTE, Instant, moment, say
from service.care import Who
from service.database import Database
from service.simulation.journal import Journal, Sent

# Hours after needling between which each step may be asked (clinical.md 1.2), written down again on purpose.
HOURS = {"evening": (2, 18), "day1": (24, 40), "day2": (42, 62), "day3": (66, 86), "day7": (156, 204)}
NUDGED_AFTER = 2 * HOUR
BOUT_LASTS = 3 * HOUR
AT_ONCE = MINUTE
SILENCED = ("consent withdrawn", "discharged")


class Message(NamedTuple):
    """A message as the database has it; `state` is "pending" for one that has not ended, `taken` whether a provider is
    said to have taken it."""

    who: Who
    id: str
    kind: str
    planned_for: Instant
    subjects: tuple[str, ...]
    state: str
    reason: str
    ended_at: Instant
    taken: bool


class Check(NamedTuple):
    """One thing that must hold: how many cases were looked at, and a line for each that broke it."""

    name: str
    cases: int
    broken: list[str]


_MESSAGES = (
    select(
        message.c.clinic_id,
        message.c.kind,
        message.c.person_id,
        message.c.id,
        message.c.planned_for,
        message.c.subjects,
        outcome.c.state,
        outcome.c.reason,
        outcome.c.ended_at,
        func.coalesce(outcome.c.sent_at, due.c.sent_at),
    )
    .outerjoin(outcome, (outcome.c.clinic_id == message.c.clinic_id) & (outcome.c.message_id == message.c.id))
    .outerjoin(due, PENDING)
    .where(message.c.clinic_id == bindparam("clinic"))
    .order_by(message.c.planned_for, message.c.person_id, message.c.key)
)
_subjects = msgspec.json.Decoder(tuple[str, ...]).decode


def messages(db: Connection) -> list[Message]:
    """Every message of every clinic."""
    found = []
    for clinic in people.clinics_of(db):
        walls.enter(db, clinic)
        found += [_message(row) for row in db.execute(_MESSAGES, {"clinic": clinic})]
    return found


def _message(row: Any) -> Message:
    clinic, kind, person, id, planned_for, subjects, state, reason, ended_at, sent_at = row
    who = Who(clinic, "clinician" if kind == "alert" else "patient", person)
    state, reason = state or "pending", reason or ""
    return Message(who, id, kind, planned_for, _subjects(subjects), state, reason, ended_at or 0, sent_at is not None)


class Delivered(NamedTuple):
    """Something a channel took, with the message it was."""

    sent: Sent
    message: Message


class Proof:
    def __init__(self, journal: Journal, found: list[Message], unaccounted: int) -> None:
        self.journal = journal
        self.messages = found
        self.unaccounted = unaccounted
        known = {it.id: it for it in found}
        taken = [it for it in journal.sent if it.taken]
        self.unknown = [it for it in taken if it.delivery_id not in known]
        self.delivered = [Delivered(it, known[it.delivery_id]) for it in taken if it.delivery_id in known]
        self.to_patients = [it for it in self.delivered if it.sent.who.kind == "patient"]

    def checks(self) -> list[Check]:
        return [
            self._each("inside its window", self._outside_window),
            self._each("inside the patient's allowed hours", self._outside_hours),
            self._each("nothing after consent was withdrawn or care ended", self._after_the_end),
            self._within_limit(),
            self._none_doubled(),
            self._alerted(),
            self._conserved(),
        ]

    def _each(self, name: str, fault: Callable[[Delivered], str]) -> Check:
        broken = [f"{say(it.sent.at)} {it.message.kind}: {why}" for it in self.to_patients if (why := fault(it))]
        return Check(name, len(self.to_patients), broken)

    def _outside_window(self, it: Delivered) -> str:
        for subject in it.message.subjects:
            if not any(start <= it.sent.at <= end for start, end in self.windows(subject, it.sent)):
                return f"{subject.partition(':')[0]} outside its window"
        return ""

    def subjects(self, kind: str) -> dict[str, Instant]:
        """What was said of this kind, such as the check-ins asked, and when."""
        return {
            subject.partition(":")[2]: it.sent.at
            for it in reversed(self.to_patients)
            for subject in it.message.subjects
            if subject.partition(":")[0] == kind
        }

    def windows(self, subject: str, sent: Sent) -> Iterator[tuple[Instant, Instant]]:
        """When this could be said, as people knew it at that time. More than one where a visit was set right since."""
        kind, _, rest = subject.partition(":")
        if kind == "bout":
            start, end = self._clock_time(int(rest.rpartition(":")[2]), self.journal.zone_at(sent.who, sent.at))
            yield start, end + BOUT_LASTS
            return
        session, _, step = rest.rpartition("-")
        opens, closes = HOURS[step]
        known = [ended_at for since, ended_at in self.journal.visits[session].ends if since <= sent.at]
        for ended_at in known if kind == "nudge" else known[-1:]:
            first = opens * HOUR + (NUDGED_AFTER if kind == "nudge" else 0)
            yield ended_at + first, ended_at + closes * HOUR

    def _clock_time(self, wall: int, zone_name: str) -> tuple[Instant, Instant]:
        """When the clock there shows this; two instants where it shows it twice, or jumps over it."""
        day, minute = divmod(wall, 24 * 60)
        clock = datetime.fromordinal(day).replace(hour=minute // 60, minute=minute % 60)
        rules = zone(zone_name).rules
        both = [round(clock.replace(tzinfo=rules, fold=fold).timestamp() * 1000) for fold in (0, 1)]
        return min(both), max(both)

    def local(self, who: Who, at: Instant) -> datetime:
        return moment(at).astimezone(zone(self.journal.zone_at(who, at)).rules)

    def _outside_hours(self, it: Delivered) -> str:
        clock = self.local(it.sent.who, it.sent.at)
        minute = clock.hour * 60 + clock.minute
        hours = self.journal.hours[it.sent.who]
        inside = hours.opens <= minute < hours.closes
        if hours.opens >= hours.closes:
            inside = minute >= hours.opens or minute < hours.closes
        return "" if inside else f"at {clock:%H:%M}"

    def _after_the_end(self, it: Delivered) -> str:
        ended = [event for event in self.journal.events if event.who == it.sent.who and event.what in SILENCED]
        return ended[0].what if ended and ended[0].at < it.sent.at else ""

    def _within_limit(self) -> Check:
        """Above the day's limit only check-ins go out. A day on which somebody crossed zones has no plain limit."""
        sent = {(it.sent.who, it.sent.delivery_id): it for it in self.to_patients}
        broken = []
        days: Counter[tuple[Who, int]] = Counter()
        for it in sent.values():
            who, at = it.sent.who, it.sent.at
            day = (who, self.local(who, at).toordinal())
            moved = any(abs(since - at) < 2 * DAY for since, _ in self.journal.zones[who][1:])
            if days[day] >= self.journal.most_a_day[who] and it.message.kind != "check_in" and not moved:
                broken.append(f"{say(at)} {it.message.kind}: number {days[day] + 1} of the day")
            days[day] += 1
        return Check("no reminder or nudge above the day's limit", len(sent), broken)

    def _none_doubled(self) -> Check:
        """No parcel twice at one address, and nothing said twice in two messages."""
        parcels = Counter((it.sent.address, it.sent.delivery_id) for it in self.delivered)
        told: dict[tuple[Who, str], set[str]] = defaultdict(set)
        for it in self.delivered:
            for subject in it.message.subjects:
                told[it.sent.who, subject].add(it.sent.delivery_id)
        broken = [f"parcel taken {count} times" for count in parcels.values() if count > 1]
        broken += [f"{subject.partition(':')[0]} said twice" for (_, subject), ids in told.items() if len(ids) > 1]
        return Check("nothing said twice", len(parcels), broken)

    def _alerted(self) -> Check:
        """Every emergency and same-day answer is on its way to a clinician in a minute."""
        told: dict[str, Instant] = {}
        for sent in self.journal.sent:
            told.setdefault(sent.delivery_id, sent.at)
        first = {
            subject.removeprefix("alert:"): told[it.id]
            for it in self.messages
            if it.kind == "alert" and it.id in told
            for subject in it.subjects
        }
        broken = [
            f"{say(flag.at)} {flag.tier}: not alerted at once"
            for id, flag in self.journal.flagged.items()
            if first.get(id, flag.at + DAY) > flag.at + AT_ONCE
        ]
        return Check("clinicians are told at once of what cannot wait", len(self.journal.flagged), broken)

    def _conserved(self) -> Check:
        """Every message is pending or ended, and noted as taken exactly where a channel took it."""
        taken = {it.message.id for it in self.delivered}
        noted = {it.id for it in self.messages if it.taken}
        broken = [f"{self.unaccounted} messages are unaccounted for"] if self.unaccounted else []
        broken += ["a channel took what is no message" for _ in self.unknown]
        broken += ["taken, and not written down so" for _ in taken - noted]
        broken += ["written down as taken, and never taken" for _ in noted - taken]
        return Check("every message is pending or ended, once (conservation)", len(self.messages), broken)


async def prove(db: Database, journal: Journal) -> Proof:
    return Proof(journal, await db.read(messages), await db.read(conservation.unaccounted))
