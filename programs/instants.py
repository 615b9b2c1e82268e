"""The one unit of time: whole milliseconds since 1970 in UTC, and how it is written for people and machines."""

from datetime import UTC, datetime

Instant = int
"""Milliseconds since 1970 in UTC, from the database to the edge of the API, where it becomes RFC 3339."""

SECOND: Instant = 1_000
MINUTE: Instant = 60 * SECOND
HOUR: Instant = 60 * MINUTE
DAY: Instant = 24 * HOUR


def of(moment: datetime) -> Instant:
    """A datetime must say its offset: a naive one is an error here, not a guess."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset from UTC")
    return round(moment.timestamp() * 1000)


def moment(at: Instant) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def say(at: Instant) -> str:
    """RFC 3339 in UTC, seconds: 2026-11-01T14:30:00Z"""
    return moment(at).strftime("%Y-%m-%dT%H:%M:%SZ")
