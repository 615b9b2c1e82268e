"""What crosses the wire, by kind: times, dates, ids, names, notes, and the pages of a list. No resource knows another.

Below the edge an instant is whole milliseconds in UTC; here it is RFC 3339 with its offset. A description is both the
documentation of a field and the hint given with what does not fit it.
"""

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from programs.instants import Instant, moment, of
from programs.schedule import day_of, time_of
from service.errors import Wrong, invalid

T = TypeVar("T")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to us."""


class Out(msgspec.Struct, frozen=True, kw_only=True):
    """What we send."""


ID = r"^[A-Za-z0-9_.:~-]+$(?!\n)"
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=ID, description="An id: letters, digits and _ . : ~ -")]
Moment = Annotated[datetime, Meta(tz=True, description="A time with its offset, such as 2026-06-01T12:00:00-04:00.")]
Day = Annotated[date, Meta(description="A local date, such as 2026-06-01.")]
# Letters of any script, but nothing that breaks a line.
Line = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)",
        description="One line of at most 200 characters of any script, without control characters.",
    ),
]
Note = Annotated[
    str,
    Meta(
        max_length=4000,
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        description="Text of at most 4000 characters; line breaks are allowed.",
    ),
]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", description="A time of day as HH:MM.")]
Etag = Annotated[int, Meta(ge=1, description="Counts the changes; the reply's ETag. Send it back as If-Match.")]

FIRST_YEAR, LAST_YEAR = 2000, 2100  # what lies outside is a mistake, and beyond what calendars of zones can do


def instant(at: datetime, pointer: str) -> Instant:
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        raise invalid(Wrong(f"must be from {FIRST_YEAR} to {LAST_YEAR - 1}", pointer))
    return of(at)


def day(it: date, pointer: str) -> date:
    if not FIRST_YEAR <= it.year < LAST_YEAR:
        raise invalid(Wrong(f"must be from {FIRST_YEAR} to {LAST_YEAR - 1}", pointer))
    return it


def line(text: str, pointer: str) -> str:
    """Without the blanks around it; something must be left to see."""
    text = text.strip()
    if not any(unicodedata.category(letter)[0] in "LMNPS" for letter in text):
        raise invalid(Wrong("must not be empty", pointer))
    return text


def stamp(at: Instant) -> datetime:
    return moment(at)


def maybe_stamp(at: Instant | None) -> datetime | None:
    return None if at is None else moment(at)


def local(wall: int) -> str:
    """A wall as "2026-06-01T09:00": local clock time, of which only the patient's zone knows the instant."""
    return f"{day_of(wall).isoformat()}T{time_of(wall)}"


# pages of a list


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=200, description="How many at most, from 1 to 200.")] = 50
    cursor: Annotated[str, Meta(max_length=400, description="`next` of the page before.")] = ""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """`next` is the cursor of the page that follows, or null."""

    items: Sequence[T]
    next: str | None


def paged(found: Sequence[Any], limit: int, key: Callable[[Any], Any], show: Callable[[Any], T]) -> Page[T]:
    """`found` holds one more than the page if there is more; `key` makes of the last shown the place to go on from."""
    shown = found[:limit]
    following = cursor(key(shown[-1])) if len(found) > limit else None
    return Page(items=[show(it) for it in shown], next=following)


def cursor(key: Any) -> str:
    return _base64(msgspec.json.encode(key))


def place(given: str, form: type[T]) -> T | None:
    """The key inside a cursor; None for the first page. What we did not make is refused."""
    if not given:
        return None
    try:
        return msgspec.json.decode(_unbase64(given), type=form)
    except ValueError:
        raise invalid(
            Wrong("is not a cursor of this list", parameter="cursor", hint="Use `next` as you got it.")
        ) from None


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
