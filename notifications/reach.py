"""reach: what becomes of a message that a provider took and nobody has confirmed. Pure.

A provider's word is not the patient's: the app confirms what it shows (receipts.py). What is worth a second try waits
for that, is sent once more under the same delivery id, which replaces it in front of the patient, and then goes down
the patient's ladder, one channel after the other. It is one message all the while: it counts once, and it never goes
out in quiet hours, after its window or after consent ended. Numbers are proposals [P].
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from notifications.agenda import NUDGE_AFTER, Facts
from notifications.channels.addresses import ADDRESSES
from notifications.timing import place, zone
from programs.instants import DAY, MINUTE, Instant

CONFIRMING = frozenset(form.kind for form in ADDRESSES if form.receipts)

# A phone that is on and online confirms in seconds. One in a pocket underground gets half an hour; were it longer, a
# message of the evening would meet the quiet hours before its second try.
RECEIPT_TAKES = 30 * MINUTE
# All tries of one message are over before its nudge may come: two ladders at once would be nagging.
WAITED_FOR = NUDGE_AFTER // 2

# Tries at one address before the next channel. A check-in is what finds a warning sign: it is sent once more where it
# was, then on. Its nudge, which is a second word already, only goes on. A reminder of a bout alone is sent once: it is
# of use for an hour or two, the next one comes by itself, and a phone that buzzes twice for it is a phone turned off.
TRIES: Mapping[str, int] = {"check_in": 2, "nudge": 1, "bout": 0}

# So many messages without a receipt, the first and the last of them so far apart, and an address is silent.
SILENT_AFTER, SILENT_SPAN = 3, DAY


class Address(NamedTuple):
    """Where somebody can be reached. `unconfirmed` messages were taken there since the app last confirmed one, the
    first of them at `unconfirmed_since`, the last at `unconfirmed_last`."""

    id: str
    person_id: str
    channel: str
    value: bytes  # JSON of the channel's own Address Struct
    added_at: Instant
    unconfirmed: int = 0
    unconfirmed_since: Instant | None = None
    unconfirmed_last: Instant | None = None


class Known(NamedTuple):
    """An address as it is shown: never what it is, only whether it works. `gone_at` and `why` of one given up."""

    address: Address
    gone_at: Instant | None
    why: str

    def silent(self, now: Instant) -> Instant | None:
        return silent_since(self.address, now) if self.gone_at is None else None


def tries_of(subjects: Collection[str]) -> int:
    """How often one message is handed to one address, at most; 0 where nobody waits for its receipt."""
    return max((TRIES.get(subject.partition(":")[0], 0) for subject in subjects), default=0)


def silent_since(it: Address, now: Instant) -> Instant | None:
    """When the first message went there that the app did not confirm, if by now that is more than chance."""
    first, last = it.unconfirmed_since, it.unconfirmed_last
    if it.unconfirmed < SILENT_AFTER or first is None or last is None:
        return None
    return first if last - first >= SILENT_SPAN and now - last >= RECEIPT_TAKES else None


def unreachable_since(known: Sequence[Known], otherwise: Instant, now: Instant) -> Instant | None:
    """Since when every address of somebody is gone or silent; `otherwise` where there never was one."""
    ended = [it.gone_at if it.gone_at is not None else it.silent(now) for it in known]
    return None if None in ended else max((at for at in ended if at is not None), default=otherwise)


def ladder(reachable: Sequence[Address], channels: Sequence[str], now: Instant) -> tuple[tuple[Address, ...], ...]:
    """Addresses by channel, the patient's first choice first. What has fallen silent is still tried, behind the rest.

    A step in which one address speaks is a step that speaks: the others of it are one person's other phones.
    """
    steps: dict[str, list[Address]] = {channel: [] for channel in channels}
    for it in reachable:
        if it.channel in steps:
            steps[it.channel].append(it)
    found = [tuple(step) for step in steps.values() if step]
    return tuple(sorted(found, key=lambda step: all(silent_since(it, now) is not None for it in step)))


def rest_of(
    steps: Sequence[tuple[Address, ...]], tried: Mapping[str, int], subjects: Collection[str]
) -> tuple[tuple[Address, ...], ...]:
    """The steps that a message may still go to: address id -> how often a provider took it there.

    A step is done with when each address of it that ever took the message has had it often enough; what lies before the
    step that took it last had its turn.
    """
    most = tries_of(subjects)
    taken = [number for number, step in enumerate(steps) if any(it.id in tried for it in step)]
    first = max(taken, default=0)
    left = []
    for number, step in enumerate(steps[first:]):
        again = tuple(it for it in step if tried.get(it.id, 0) < most) if number == 0 else step
        if again:
            left.append(again)
    return tuple(left)


def why_over(subjects: Collection[str], facts: Facts, now: Instant) -> str:
    """Why nobody waits any longer for this message's receipt; "" while it would still be worth sending."""
    if facts.silent:
        return facts.silent
    if off := _turned_off(subjects, facts):
        return off
    asked = {subject.partition(":")[2] for subject in subjects if not subject.startswith("bout:")}
    its = [it for it in facts.check_ins if it.id in asked]
    if any(it.state == "open" and it.closes > now for it in its):
        return ""
    if any(it.state == "answered" for it in its):
        return "answered"
    return next((it.state for it in its if it.state != "open"), "window_over")


def _turned_off(subjects: Collection[str], facts: Facts) -> str:
    """Why, where the patient wants none of it any more; what they asked to be reminded of again they do want."""
    chosen = facts.preferences
    off = {"check_in": "" if chosen.check_ins else "check_ins_off", "nudge": "" if chosen.nudges else "nudges_off"}
    asked = [it for it in subjects if not it.startswith("bout:")]
    why = ["" if it in facts.snoozed else off.get(it.partition(":")[0], "") for it in asked]
    return why[0] if why and all(why) else ""


def ends_at(sent_at: Instant, closes: Instant) -> Instant:
    return min(closes, sent_at + WAITED_FOR)


def again_at(facts: Facts, sent_at: Instant, closes: Instant, now: Instant) -> Instant | None:
    """The next instant from now on at which it may be sent again; None where no allowed one is left."""
    last = ends_at(sent_at, closes) - MINUTE
    placed = place(now, now, last, zone(facts.zone), facts.preferences.hours) if now <= last else None
    return None if placed is None else placed.at
