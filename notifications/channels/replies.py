"""What providers say in the same words: for now, how long to wait. It asks nobody."""

from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0


def retry_after(text: str, now: float) -> float | None:
    """Seconds asked for, an hour at most: delta-seconds or an HTTP date, anything else is None (RFC 9110, 10.2.3)."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
