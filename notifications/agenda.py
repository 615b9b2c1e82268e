"""agenda: facts about one patient + horizon -> the messages they should get, each with its reasons. Pure.

The one idea of Homestretch. Scheduling, preview, explain, the check before sending and the simulator all call
`agenda`; nothing else decides who is told what when. In order: candidates (back-off included), place, merge, cap.
Whether a message that was sent is sent once more is reach.py's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from notifications.preferences import Preferences
from notifications.timing import DAY_MINUTES, AllowedHours, Zone, place, zone
from programs.aftercare import CheckIn
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.schedule import Bout, Course, bouts

# One nudge, this long after the check-in was (or will be) asked.
NUDGE_AFTER = 4 * HOUR
# A reminder of a bout is worth sending for this long; then the next bout is nearer.
BOUT_WINDOW = 3 * HOUR
TOGETHER = HOUR
# Check-ins of two needling sessions share one prompt when this near: 30 h apart, "48 h" and "24 h" are 6 h apart.
CHECK_INS_TOGETHER = 6 * HOUR

# (days without a sign of life, remind every so many days): the table of clinical.md 5.7 [S Bidargaddi 2018]. Its first
# line, a wait of three days for whoever was just there, is of an app without a plan: here the plan says how often [P].
BACK_OFF = ((30, 14), (10, 7), (2, 2), (0, 1))

# The clock may go back by an hour; that of Casey station once went back by three.
LONGEST_DAY = 28 * HOUR

RANK = {"check_in": 1, "nudge": 2, "bout": 3}


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why a message stands where it stands, or why there is none; `say` in explain.py makes the sentence."""

    code: str
    at: Instant = 0
    subject: str = ""


class Planned(msgspec.Struct, gc=False):
    """One message to be. `key` is its most important subject: a plan made again finds the same row by it.

    A subject is "check_in:<id>", "nudge:<check-in id>" or "bout:<plan id>:<wall>". `due` is when it would go out if
    nothing were late; it decides what is merged, so that a plan made again later finds the same messages.
    """

    kind: str
    key: str
    due: Instant
    at: Instant
    closes: Instant
    subjects: tuple[str, ...]
    reasons: tuple[Reason, ...]


class Omitted(msgspec.Struct, frozen=True, gc=False):
    """Something a patient might expect and will not get; `at` is when it would have been."""

    subject: str
    at: Instant
    reason: Reason


class Told(NamedTuple):
    """A message that went out or is going out right now ("already_sent"), or one that could not ("failed", ...)."""

    at: Instant
    subjects: tuple[str, ...]
    how: str = "already_sent"


class Snoozed(NamedTuple):
    """The patient asked, at `at`, to be reminded again not before `until`."""

    at: Instant
    until: Instant


class Facts(msgspec.Struct):
    """All that decides what one patient is told. `silent` says why nothing may be sent at all, or is empty.

    `check_ins` are those near or in the horizon; `logged` holds (plan id, wall, exercise) from yesterday on; `told`
    holds every message whose window was open in the last two days, `snoozed` which of their subjects come again: a
    bout, or the nudge of a check-in.
    """

    patient_id: str
    zone: str
    preferences: Preferences
    silent: str
    reacted_at: Instant
    check_ins: Sequence[CheckIn] = ()
    courses: Sequence[Course] = ()
    logged: frozenset[tuple[str, int, str]] = frozenset()
    told: Sequence[Told] = ()
    snoozed: Mapping[str, Snoozed] = {}


def bout_subject(plan: str, wall: int) -> str:
    return f"bout:{plan}:{wall}"


class Agenda(NamedTuple):
    messages: list[Planned]
    omitted: list[Omitted]


class _Desk(NamedTuple):
    """What every step of one agenda needs to know."""

    facts: Facts
    now: Instant
    until: Instant
    zone: Zone
    hours: AllowedHours
    told: dict[str, str]
    omitted: list[Omitted]


def agenda(facts: Facts, now: Instant, until: Instant) -> Agenda:
    """The messages of [now, until) in order of time. The same facts always give the same agenda."""
    told = {subject: message.how for message in facts.told for subject in message.subjects}
    if facts.snoozed:
        told = _told_since(facts)
    desk = _Desk(facts, now, until, zone(facts.zone), facts.preferences.hours, told, [])
    check_ins = _merge(_check_ins(desk), CHECK_INS_TOGETHER)
    prompts = _merge([*check_ins, *_reminders(desk)], TOGETHER)
    nudges = _nudges(desk, prompts)
    candidates = _merge([*prompts, *nudges], TOGETHER) if nudges else prompts
    if facts.silent:
        silenced = Reason(facts.silent)
        unsent = [Omitted(subject, it.at, silenced) for it in candidates for subject in it.subjects]
        return Agenda([], [*unsent, *desk.omitted])
    messages = _cap(desk, _at_once(candidates))
    return Agenda([message for message in messages if message.at < until], desk.omitted)


def _told_since(facts: Facts) -> dict[str, str]:
    """What the patient asked to hear again is told only by a message after that."""
    return {
        subject: message.how
        for message in facts.told
        for subject in message.subjects
        if subject not in facts.snoozed or message.at > facts.snoozed[subject].at
    }


# candidates and place


def _check_ins(desk: _Desk) -> list[Planned]:
    found = []
    for it in desk.facts.check_ins:
        if it.opens >= desk.until:
            continue
        subject = f"check_in:{it.id}"
        why_not = _not_asked(it, subject, desk)
        if why_not:
            desk.omitted.append(Omitted(subject, it.target, Reason(why_not)))
            continue
        message = _placed(desk, subject, (it.opens, it.target, it.closes), Reason(f"step_{it.step}"))
        if message and message.at - message.due > TOGETHER:
            message = _late(desk, it, message)
        if message and it.shifted_from is not None:
            message.reasons += (Reason("shifted", it.shifted_from),)
        if message:
            found.append(message)
    return found


def _late(desk: _Desk, it: CheckIn, message: Planned) -> Planned | None:
    """It should have gone out over an hour ago: an outage, or a needling session recorded late. Its step says what
    becomes of it."""
    if it.late == "skip":
        desk.omitted.append(Omitted(message.key, it.target, Reason("skipped_late", message.due)))
        return None
    message.reasons = (message.reasons[0], Reason("caught_up", message.due))
    return message


def _not_asked(it: CheckIn, subject: str, desk: _Desk) -> str:
    if it.state != "open":
        return it.state
    if it.asked_at is not None:
        return "already_sent"
    if subject in desk.told:
        return desk.told[subject]
    if it.closes <= desk.now:
        return "window_over"
    return "" if desk.facts.preferences.check_ins else "check_ins_off"


def _nudges(desk: _Desk, prompts: Iterable[Planned]) -> list[Planned]:
    """One for each open check-in, planned from the moment the check-in is, so that a preview shows it.

    Whoever asked to be reminded later is, at that time, also where they want no nudges otherwise.
    """
    planned = {subject: it.at for it in prompts if it.kind == "check_in" for subject in it.subjects}
    found = []
    for it in desk.facts.check_ins:
        subject = f"nudge:{it.id}"
        if it.state != "open" or it.closes <= desk.now or it.opens >= desk.until or subject in desk.told:
            continue
        asked = it.asked_at or planned.get(f"check_in:{it.id}")
        if asked is None and desk.told.get(f"check_in:{it.id}") == "already_sent":
            asked = desk.now  # in a provider's hands this moment
        if asked is None:
            continue
        window, why = (asked + NUDGE_AFTER // 2, asked + NUDGE_AFTER, it.closes), Reason("unanswered", asked)
        later = desk.facts.snoozed.get(subject)
        if later is not None:
            window, why = (later.until, later.until, it.closes), Reason("snoozed", later.at)
        elif why_not := _not_nudged(desk.facts.preferences):
            desk.omitted.append(Omitted(subject, asked + NUDGE_AFTER, Reason(why_not)))
            continue
        message = _placed(desk, subject, window, why)
        if message:
            found.append(message)
    return found


def _not_nudged(chosen: Preferences) -> str:
    if not chosen.check_ins:
        return "check_ins_off"
    return "" if chosen.nudges else "nudges_off"


def _placed(desk: _Desk, subject: str, window: tuple[Instant, Instant, Instant], why: Reason) -> Planned | None:
    """`window` is opens, target, closes. Nothing allowed in what is left of it is an omission, with its reason."""
    opens, target, closes = window
    # What is planned for the very close is claimed a moment after it, when it is over.
    last, start = closes - MINUTE, max(opens, desk.now)
    placed = place(target, start, last, desk.zone, desk.hours) if start <= last else None
    if placed is None:
        # Nothing allowed is left, or nothing ever was.
        code = "window_over" if target <= desk.now else "no_allowed_hour"
        desk.omitted.append(Omitted(subject, target, Reason(code)))
        return None
    kind, due = subject.partition(":")[0], placed.at
    if opens < start and placed.moved:
        own = place(target, opens, last, desk.zone, desk.hours)
        due = own.at if own else due
    if kind != "check_in" and placed.at - due > TOGETHER and desk.zone.wall(due).day < desk.zone.wall(placed.at).day:
        # What was of yesterday, and what yesterday's limit left out, is not made up for today.
        desk.omitted.append(Omitted(subject, target, Reason("window_over")))
        return None
    reasons = (why, Reason(f"moved_{placed.moved}", target)) if placed.moved else (why,)
    return Planned(kind, subject, due, placed.at, closes, (subject,), reasons)


def _reminders(desk: _Desk) -> list[Planned]:
    found: list[Planned] = []
    now, clock = desk.now, desk.zone
    include = desk.hours.include
    first, last = clock.wall(now - BOUT_WINDOW).day, clock.wall(desk.until).day
    since, every = clock.wall(desk.facts.reacted_at).day, reminded_every(desk.facts.reacted_at, desk.now)
    unasked = desk.facts.preferences.bout_reminders and not desk.told and not desk.facts.logged
    today, midnight, snoozed, until = -1, None, desk.facts.snoozed, desk.until
    for course in desk.facts.courses:
        for bout in bouts(course, first, last):
            day, minute = divmod(bout.wall, DAY_MINUTES)
            if day != today:
                today, midnight = day, clock.midnight(day)
            at = clock.instant(day, minute) if midnight is None else midnight + minute * MINUTE
            subject = bout_subject(bout.plan_id, bout.wall)
            if snoozed and subject in snoozed:
                found += _again(desk, bout, subject)
                continue
            if at + BOUT_WINDOW <= now or at >= until:
                continue
            why_not = "" if unasked and not bout.held else _not_reminded(desk, bout, subject)
            if not why_not and every > 1 and (day - since) % every:
                why_not = "thinned_out"
            if why_not:
                desk.omitted.append(Omitted(subject, at, Reason(why_not)))
            elif at >= now and midnight is not None and include(minute):
                found.append(Planned("bout", subject, at, at, at + BOUT_WINDOW, (subject,), _AT_ITS_TIME))
            elif message := _placed(desk, subject, (at, at, at + BOUT_WINDOW), _AT_ITS_TIME[0]):
                found.append(message)
    return found


def _again(desk: _Desk, bout: Bout, subject: str) -> list[Planned]:
    """The reminder that the patient asked for, however thin reminders have become."""
    later = desk.facts.snoozed[subject]
    if later.until + BOUT_WINDOW <= desk.now or later.until >= desk.until:
        return []
    why_not = _not_reminded(desk, bout, subject)
    if why_not:
        desk.omitted.append(Omitted(subject, later.until, Reason(why_not)))
        return []
    window = (later.until, later.until, later.until + BOUT_WINDOW)
    message = _placed(desk, subject, window, Reason("snoozed", later.at))
    return [message] if message else []


_AT_ITS_TIME = (Reason("time_of_day"),)


def _not_reminded(desk: _Desk, bout: Bout, subject: str) -> str:
    if subject in desk.told:
        return desk.told[subject]
    if not desk.facts.preferences.bout_reminders:
        return "reminders_off"
    if bout.held and not bout.wanted:
        return "held"
    logged = desk.facts.logged
    if logged and all((bout.plan_id, bout.wall, due.exercise) in logged for due in bout.wanted):
        return "logged"
    return ""


def reminded_every(reacted_at: Instant, now: Instant) -> int:
    """Days from one reminder of the home program to the next, by how long the patient has shown no sign of life."""
    silence = now - reacted_at
    for days, every in BACK_OFF:
        if silence >= days * DAY:
            return every
    return 1  # a sign of life from a phone whose clock is ahead


# merge and cap


def _merge(messages: Iterable[Planned], within: Instant) -> list[Planned]:
    """Neighbours within this long become one, at the latest of their instants, if all windows are still open then.

    Each is measured from the one before it, so that no two of the results are nearer than that.
    """
    found: list[Planned] = []
    group: Sequence[Planned] = ()  # what found[-1] was made of, where it is several
    last: Instant = 0
    for it in sorted(messages, key=_DUE):
        due = it.due
        if due - last <= within and found and _fit(together := [*(group or found[-1:]), it]):
            group = together
            found[-1] = _joined(group)
        else:
            group = ()
            found.append(it)
        last = due
    return found


def _fit(group: Sequence[Planned]) -> bool:
    return max([it.at for it in group]) < min([it.closes for it in group])


def _at_once(messages: list[Planned]) -> list[Planned]:
    """In order of time; what is late goes out together."""
    messages.sort(key=attrgetter("at"))
    if len({it.at for it in messages}) == len(messages):
        return messages
    messages.sort(key=_AT)
    together = (list(group) for _, group in groupby(messages, key=attrgetter("at")))
    return [_joined(group) if len(group) > 1 else group[0] for group in together]


_DUE, _AT = attrgetter("due", "key"), attrgetter("at", "key")


def _joined(group: Sequence[Planned]) -> Planned:
    """One message in the name of its most important subject, with the reasons of all.

    Their instants do not decide which that is: once due they are all now, and the row would be found no more.
    """
    main = min(group, key=_rank_and_key)
    others = [it for it in group if it is not main]
    subjects = [*main.subjects, *[subject for it in others for subject in it.subjects]]
    asked = {f"nudge:{it[len('check_in:') :]}" for it in subjects if it.startswith("check_in:")}
    return Planned(
        kind=main.kind,
        key=main.key,
        due=max([it.due for it in group]),
        at=max([it.at for it in group]),
        closes=min([it.closes for it in group]),
        # What is asked only now is not nudged about in the same breath; its nudge follows.
        subjects=tuple([it for it in subjects if it not in asked]),
        reasons=(*main.reasons, *[Reason("merged", it.due, it.key) for it in others]),
    )


def _rank_and_key(it: Planned) -> tuple[int, str]:
    return RANK[it.kind], it.key


def _importance(it: Planned) -> tuple[int, Instant, str]:
    return RANK[it.kind], it.due, it.key


def _cap(desk: _Desk, messages: list[Planned]) -> list[Planned]:
    """No more than the patient's limit a local day, what was sent today included; the least important go first.

    Check-ins never go: above the limit they share one prompt while their windows allow it. Nor does what the patient
    asked to be reminded of again.
    """
    sent = Counter([desk.zone.wall(it.at).day for it in desk.facts.told if it.how == "already_sent"])
    most = desk.facts.preferences.most_a_day
    first, last = _crowded(messages, max(0, most - max(sent.values(), default=0)))
    kept = messages[:first]
    for day, planned in desk.zone.by_day(messages[first:last]):
        room = most - sent.get(day, 0)
        kept += planned if len(planned) <= room else _thin(desk, planned, room)
    return kept + messages[last:]


def _crowded(messages: Sequence[Planned], room: int) -> tuple[int, int]:
    """Outside of this part no local day, however long, has more than `room` messages."""
    pairs = enumerate(zip(messages, messages[room:], strict=False))
    near = [index for index, (it, other) in pairs if other.at - it.at < LONGEST_DAY]
    return (near[0], near[-1] + room + 1) if near else (0, 0)


def _thin(desk: _Desk, planned: Sequence[Planned], room: int) -> list[Planned]:
    check_ins = [it for it in planned if it.kind == "check_in"]
    if len(check_ins) > max(room, 1):
        check_ins = _merge(check_ins, DAY)
    asked_for = [it for it in planned if it.kind != "check_in" and any(one.code == "snoozed" for one in it.reasons)]
    others = sorted((it for it in planned if it.kind != "check_in" and it not in asked_for), key=_importance)
    room = max(room - len(check_ins) - len(asked_for), 0)
    for it in others[room:]:
        desk.omitted.extend(Omitted(subject, it.at, Reason("daily_limit")) for subject in it.subjects)
    return sorted(check_ins + asked_for + others[:room], key=_AT)
