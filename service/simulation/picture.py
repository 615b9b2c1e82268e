"""Chooses what of a simulation to draw: the fortnight with the most to see, and patients who show what can happen."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise

import msgspec

from notifications.timing import zone
from programs.ids import derived_id
from programs.instants import DAY, HOUR, MINUTE, Instant
from service.care import Who
from service.simulation.journal import Visit
from service.simulation.proof import HOURS, Delivered, Proof
from service.simulation.script import Span
from service.simulation.timeline import Chart, Line, Mark, Window

ROWS, DAYS = 24, 14
MINUTES = 24 * 60
TARGETS = {"evening": 6, "day1": 24, "day2": 48, "day3": 72, "day7": 168}
WORDS = {"evening": "same evening", "day1": "24 h", "day2": "48 h", "day3": "72 h", "day7": "day 7"}
SAYS = {
    "check_in": "check-in sent",
    "nudge": "nudge sent",
    "reminder": "reminder sent",
    "merged": "one message for check-in and exercises",
}


class Seen(msgspec.Struct):
    """Everything of one patient that falls into the chart, with the trait it stands for."""

    who: Who
    sent: list[Delivered] = []
    alerts: list[tuple[Instant, str]] = []
    events: list[tuple[Instant, str]] = []
    visits: list[tuple[str, Visit]] = []
    answered: list[Instant] = []
    done: list[tuple[Instant, Instant, str]] = []
    unsent: list[str] = []  # why messages were not


def chart(proof: Proof, span: Span, title: str, rows: int = ROWS, days: int = DAYS) -> Chart:
    first = _busiest(proof, span, days)
    days = min(days, span.last - first)
    picture = _Picture(proof, first, days)
    lines = [picture.line(seen, story) for seen, story in picture.chosen(rows)]
    subtitle = (
        f"{len(lines)} of {len(proof.journal.zones)} patients, chosen to show what can happen. "
        "What they do is invented. Each row is on its patient’s own clock."
    )
    return Chart(title, subtitle, date.fromordinal(first), days, lines)


def _busiest(proof: Proof, span: Span, days: int) -> int:
    """The first date of the stretch of so many days in which most was sent."""
    sent = Counter(proof.local(it.sent.who, it.sent.at).toordinal() for it in proof.to_patients)
    starts = range(span.first, max(span.first, span.last - days) + 1)
    return max(starts, key=lambda start: (sum(sent[start + day] for day in range(days)), -start))


class _Picture:
    def __init__(self, proof: Proof, first: int, days: int) -> None:
        self.proof = proof
        self.journal = proof.journal
        self.first = first
        self.days = days
        self.seen = {who: Seen(who) for who in self.journal.patients()}
        self._gather()

    def wall(self, who: Who, at: Instant) -> int:
        clock = self.proof.local(who, at)
        return (clock.toordinal() - self.first) * MINUTES + clock.hour * 60 + clock.minute

    def inside(self, who: Who, at: Instant) -> bool:
        return 0 <= self.wall(who, at) < self.days * MINUTES

    def _gather(self) -> None:
        journal, first = self.journal, {it.message.id: it.sent for it in reversed(self.proof.delivered)}
        for it in self.proof.to_patients:
            if first[it.message.id] is it.sent:
                self._put(it.sent.who, it.sent.at, "sent", it)
        for event in journal.events:
            self._put(event.who, event.at, "events", (event.at, event.what))
        for flag in journal.flagged.values():
            self._put(flag.who, flag.at, "alerts", (flag.at, flag.tier))
        for answered in journal.answered:
            self._put(answered.who, answered.at, "answered", answered.at)
        for logged in journal.logged:
            self._put(logged.who, logged.at, "done", (logged.at, logged.received, logged.outcome))
        for message in self.proof.messages:
            if message.who in self.seen:
                self._put(message.who, message.planned_for, "unsent", message.reason)
        for id, visit in journal.visits.items():
            self.seen[visit.who].visits.append((id, visit))

    def _put(self, who: Who, at: Instant, where: str, it: object) -> None:
        if self.inside(who, at):
            getattr(self.seen[who], where).append(it)

    # which patients

    def chosen(self, rows: int) -> list[tuple[Seen, str]]:
        """Round after round, one patient with each trait; those of whom there is little to see come last."""
        found: list[tuple[Seen, str]] = []
        left = sorted(
            (it for it in self.seen.values() if it.sent), key=lambda it: (-min(len(it.sent), 8), derived_id(it.who))
        )
        while left and len(found) < rows:
            before = len(found)
            for trait in TRAITS:
                match = next(((it, story) for it in left if (story := trait(self, it))), None)
                if match is not None and len(found) < rows:
                    found.append(match)
                    left.remove(match[0])
            if len(found) == before:
                break
        return found

    def changes(self, who: Who) -> list[tuple[Instant, int]]:
        """Clock changes inside the chart: (when, by how many minutes), while nobody travels."""
        if len(self.journal.zones[who]) > 1:
            return []
        here = zone(self.journal.zones[who][0][1])
        found = []
        for day in range(self.first, self.first + self.days):
            start, end = here.instant(day, 0), here.instant(day + 1, 0)
            if end - start != DAY:
                found.append((start + 3 * HOUR, (DAY - (end - start)) // MINUTE))
        return found

    # one row

    def line(self, seen: Seen, story: str) -> Line:
        who = seen.who
        name = self.journal.zone_at(who, seen.sent[0].sent.at)
        hours = self.journal.hours[who]
        asked = {subject for it in seen.sent for subject in it.message.subjects if subject.startswith("check_in:")}
        answered = sum(f"check_in:{it.check_in}" in asked for it in self.journal.answered if it.who == who)
        counts = f"{len(seen.sent)} messages; {len(asked)} check-ins asked, {answered} answered"
        place = f"{name.rpartition('/')[2].replace('_', ' ')}, {_clock(hours.opens)}–{_clock(hours.closes)}"
        return Line(self.journal.names[who], place, (story, counts), hours, self._windows(seen), [*self._marks(seen)])

    def _windows(self, seen: Seen) -> list[Window]:
        sessions = {subject for it in seen.sent for subject in it.message.subjects}
        standing = [(id, it) for id, it in seen.visits if it.cancelled_at is None]
        standing.sort(key=lambda it: it[1].ends[-1][1])
        found = []
        for number, (id, visit) in enumerate(standing):
            for step, (first, last) in HOURS.items():
                if step == "day3" and f"check_in:{id}-day3" not in sessions:
                    continue
                ended_at = visit.ends[-1][1]
                opens, target, closes = (
                    self.wall(seen.who, ended_at + hours * HOUR) for hours in (first, TARGETS[step], last)
                )
                found.append(Window(opens, target, closes, number % 2, f"{WORDS[step]} check-in"))
        return found

    def _marks(self, seen: Seen) -> Iterator[Mark]:
        who = seen.who
        for it in seen.sent:
            kind = _kind(it)
            yield self._mark(who, it.sent.at, kind, SAYS[kind])
        for at, tier in seen.alerts:
            yield self._mark(who, at, "alert", f"{tier.replace('_', ' ')} answer: clinician alerted")
        for at in seen.answered:
            yield self._mark(who, at, "answer", "check-in answered")
        for at, what in seen.events:
            yield self._mark(who, at, "event", what)
        for at, _, outcome in seen.done:
            kind = "skipped" if outcome == "skipped" else "done"
            yield self._mark(who, at, kind, f"exercise {outcome}")
        for _, visit in seen.visits:
            if visit.cancelled_at is None:
                yield self._mark(who, visit.ends[-1][1], "needle", "needling session ended")
        for at, minutes in self.changes(who):
            yield self._mark(who, at, "event", f"clocks change by {minutes} min")

    def _mark(self, who: Who, at: Instant, kind: str, title: str) -> Mark:
        return Mark(self.wall(who, at), kind, f"{self.proof.local(who, at):%a %d %b %H:%M}: {title}")


def _kind(it: Delivered) -> str:
    kinds = {subject.partition(":")[0] for subject in it.message.subjects}
    if "bout" in kinds and len(kinds) > 1:
        return "merged"
    return "reminder" if kinds == {"bout"} else it.message.kind


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


# traits: what a row may stand for. Each gives its sentence, or "" where the patient does not show it.


def _emergency(picture: _Picture, it: Seen) -> str:
    at = next((at for at, tier in it.alerts if tier == "emergency"), None)
    return (
        f"Emergency answer at {picture.proof.local(it.who, at):%H:%M}: clinician told at once" if at is not None else ""
    )


def _clock_change(picture: _Picture, it: Seen) -> str:
    for at, minutes in picture.changes(it.who):
        day = picture.proof.local(it.who, at)
        return (
            f"Clocks go {'forward' if minutes > 0 else 'back'} on {day.day} {day:%b}: times of day stay"
            if it.done
            else ""
        )
    return ""


def _overlap(picture: _Picture, it: Seen) -> str:
    ends = sorted(visit.ends[-1][1] for _, visit in it.visits if picture.inside(it.who, visit.ends[-1][1]))
    near = any(later - one < 2 * DAY for one, later in pairwise(ends))
    shared = any(sum(subject.startswith("check_in") for subject in sent.message.subjects) > 1 for sent in it.sent)
    return "Two visits close together share their prompts" if near and shared else ""


def _travels(picture: _Picture, it: Seen) -> str:
    if not any(what == "moved zone" for _, what in it.events):
        return ""
    there = picture.journal.zones[it.who][1][1].rpartition("/")[2].replace("_", " ")
    return f"Travels to {there}: messages follow their clock"


def _lost_phone(picture: _Picture, it: Seen) -> str:
    known, lost = {what for _, what in it.events}, it.unsent.count("no_address")
    if "phone lost" not in known or not lost:
        return ""
    return "Phone lost, then a new one" if "new phone" in known else f"Phone lost: {lost} messages reached nobody"


def _withdrawn(picture: _Picture, it: Seen) -> str:
    return "Consent withdrawn: nothing more is sent" if _has(it, "consent withdrawn") else ""


def _discharged(picture: _Picture, it: Seen) -> str:
    return "Discharged: nothing more is sent" if _has(it, "discharged") else ""


def _silent(picture: _Picture, it: Seen) -> str:
    silent = not it.answered and not it.done and it.unsent.count("thinned_out") > 1
    return "Never reacts: reminders thin out, check-ins do not" if silent else ""


def _same_day(picture: _Picture, it: Seen) -> str:
    return "A warning sign: clinician told at once" if any(tier == "same_day" for _, tier in it.alerts) else ""


def _offline(picture: _Picture, it: Seen) -> str:
    late = sum(received - at > 6 * HOUR for at, received, _ in it.done)
    return "Phone often offline: nothing of it is lost" if late > 6 else ""


def _corrected(picture: _Picture, it: Seen) -> str:
    return "Visit corrected: its check-ins move along" if _has(it, "visit corrected") else ""


def _held(picture: _Picture, it: Seen) -> str:
    return "Loaded exercises held for 48 h after needling" if _has(it, "program held") else ""


def _late(picture: _Picture, it: Seen) -> str:
    by = max((sent.sent.at - sent.message.planned_for for sent in it.sent), default=0)
    return f"Provider was down: one message {by // MINUTE} min late" if by >= 10 * MINUTE else ""


def _nudged(picture: _Picture, it: Seen) -> str:
    nudges = sum(_kind(sent) == "nudge" for sent in it.sent)
    return "Answers, at times only after a nudge" if nudges > 1 and it.answered else ""


def _diligent(picture: _Picture, it: Seen) -> str:
    return "Answers and exercises as asked" if len(it.answered) > 2 and len(it.done) > 10 else ""


def _any(picture: _Picture, it: Seen) -> str:
    return "Exercises now and then" if it.done else "Answers now and then" if it.answered else "Does not react"


def _has(it: Seen, what: str) -> bool:
    return any(said == what for _, said in it.events)


TRAITS: tuple[Callable[[_Picture, Seen], str], ...] = (
    _diligent,
    _emergency,
    _clock_change,
    _overlap,
    _nudged,
    _silent,
    _travels,
    _lost_phone,
    _same_day,
    _offline,
    _withdrawn,
    _corrected,
    _held,
    _late,
    _discharged,
    _any,
)
