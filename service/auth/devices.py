"""A patient's phones and browsers: which there are, and ending one, for the clinic and for the patient alike.

A device's token is not exchanged for a new one at each use. That would tell of a stolen one, but a phone that loses the
reply on a bad line would lock its owner out at seven in the morning; instead a token is asked for in the database, is
seen by its owner and the clinic, ends when either says so, and after 90 days without use.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from notifications import addresses
from programs import people
from programs.errors import NoSuchRecord
from programs.instants import DAY, Instant
from service import audit
from service.auth.tokens import Held, end_token, tokens_of
from service.care import Who

LONGEST_LABEL = 60
NEW_FOR = 7 * DAY
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"))
# In this order: each of them also says that it is one of those below it.
BROWSERS = (
    *(("Edg", "Edge"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"), ("FxiOS", "Firefox")),
    *(("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari")),
)


class Device(NamedTuple):
    """One that is let in now. `seen_at` is as coarse as a few days, see tokens.py."""

    id: str
    label: str
    bound_at: Instant
    seen_at: Instant


def devices_of(db: Connection, clinic: str, patient: str, now: Instant) -> list[Device]:
    """The one used last first. Raises NoSuchRecord for no patient of this clinic."""
    people.patient_of(db, clinic, patient)
    return [_device(it) for it in tokens_of(db, Who(clinic, "patient", patient), now) if it.use == "device"]


def _device(it: Held) -> Device:
    return Device(it.id, it.label, it.made_at, it.seen_at)


def newcomer(db: Connection, clinic: str, patient: str, this: str, now: Instant) -> Device | None:
    """Another that was let in since this one, within the last week: its owner should know of it."""
    found = devices_of(db, clinic, patient, now)
    since = max((it.bound_at for it in found if it.id == this), default=now)
    others = [it for it in found if it.id != this and it.bound_at > max(since, now - NEW_FOR)]
    return max(others, key=lambda it: it.bound_at, default=None)


def end_device(db: Connection, who: Who, patient: str, id: str, now: Instant) -> None:
    """From its next request on it is nobody's. Raises NoSuchRecord for one that is not theirs, or has ended."""
    if all(it.id != id for it in devices_of(db, who.clinic, patient, now)) or not end_token(db, who.clinic, id, now):
        raise NoSuchRecord("device", id)
    addresses.end_with_device(db, who.clinic, id, now)
    audit.note(db, who.clinic, str(who), "end device", patient, id, now)


def name_of(user_agent: str) -> str:
    """ "Chrome on Android": enough to tell one's phones apart, and too little to follow anybody."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "Linux" if "Linux" in user_agent else "")
    return f"{browser} on {system}" if system else browser
