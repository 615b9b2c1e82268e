"""What a patient chose: channels, allowed hours, how many messages a day, language."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select

from notifications.tables import preference
from notifications.timing import SHORTEST_ALLOWED, AllowedHours
from notifications.wording import LANGUAGES
from programs.dosage import check_time
from programs.errors import Invalid
from programs.schedule import minute_of
from programs.tables import among

CHANNEL_ORDER = ("web_push", "apns", "fcm", "ntfy", "email", "sms", "console")
MOST_A_DAY = 6


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`most_a_day` binds reminders and nudges; a check-in takes its place first, and safety passes every limit.

    Three is room for a check-in, its nudge if it is not answered, and one reminder: with fewer, the home program would
    go unmentioned on the days after needling. clinical.md 5.7 proposes one a day.
    """

    language: str = "en"
    allowed_from: str = "08:00"
    allowed_until: str = "21:00"
    most_a_day: int = 3
    bout_reminders: bool = True
    nudges: bool = True  # about a check-in that is not answered
    check_ins: bool = True  # to be asked by message; the app still shows them, and they can still be answered
    channels: tuple[str, ...] = CHANNEL_ORDER  # in this order; the first with a living address is used

    @property
    def hours(self) -> AllowedHours:
        return _hours(self.allowed_from, self.allowed_until)


@lru_cache(maxsize=1024)
def _hours(opens: str, closes: str) -> AllowedHours:
    return AllowedHours(minute_of(opens), minute_of(closes))


DEFAULT = Preferences()


class _Saved(Preferences, frozen=True):
    """As it is stored. `off` are the channels there were then that the patient left out; a channel that came later was
    never refused."""

    off: tuple[str, ...] | None = None


# All channels there were, at one time or another before `off` was stored: whoever had them all had refused none.
_ONCE_ALL = (
    {"web_push", "email", "console"},
    {"web_push", "apns", "email", "console"},
    {"web_push", "apns", "fcm", "ntfy", "email", "console"},
)

_OF_PATIENTS = select(preference.c.patient_id, preference.c.value).where(
    preference.c.clinic_id == bindparam("clinic"),
    among(preference.c.patient_id, "patients"),
)
_decode = msgspec.json.Decoder(_Saved).decode


def checked(it: Preferences) -> Preferences:
    check_time(it.allowed_from, "allowed_from")
    check_time(it.allowed_until, "allowed_until")
    if it.hours.length < SHORTEST_ALLOWED:
        raise Invalid(
            "allowed_until", "leaves less than 12 allowed hours", "Some check-ins would find no allowed hour."
        )
    if it.language not in LANGUAGES:
        raise Invalid("language", f"must be one of {', '.join(LANGUAGES)}")
    if not 1 <= it.most_a_day <= MOST_A_DAY:
        raise Invalid("most_a_day", f"must be from 1 to {MOST_A_DAY}")
    if not set(it.channels) <= set(CHANNEL_ORDER):
        raise Invalid("channels", f"must be among {', '.join(CHANNEL_ORDER)}")
    return it


def prefer(db: Connection, clinic: str, patient: str, it: Preferences) -> None:
    key = {"clinic_id": clinic, "patient_id": patient}
    db.execute(delete(preference).where(preference.c.clinic_id == clinic, preference.c.patient_id == patient))
    chosen = msgspec.structs.asdict(checked(it))
    off = tuple(channel for channel in CHANNEL_ORDER if channel not in it.channels)
    db.execute(insert(preference), {**key, "value": {**chosen, "off": off}})


def preferences_of(db: Connection, clinic: str, patients: Sequence[str]) -> dict[str, Preferences]:
    """Those who chose anything; for all others DEFAULT holds."""
    rows = db.execute(_OF_PATIENTS, {"clinic": clinic, "patients": list(patients)}).all()
    return {patient: _read(value, CHANNEL_ORDER) for patient, value in rows}


@lru_cache(maxsize=1024)  # most chose the same
def _read(value: str, order: tuple[str, ...]) -> Preferences:
    """The order they chose stands; what came later follows in its own order; what they left out stays out."""
    saved = msgspec.structs.asdict(_decode(value))
    channels, off = saved["channels"], saved.pop("off")
    if off is None:
        off = () if set(channels) in _ONCE_ALL else order
    later = (it for it in order if it not in channels and it not in off)
    return Preferences(**{**saved, "channels": (*channels, *later)})
