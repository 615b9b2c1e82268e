"""breaker: is this provider worth asking now? And bucket: whose turn is it? Pure, told the time; they ask nobody."""

from programs.instants import SECOND, Instant

OPENS_AFTER = 5  # failures in a row
FIRST_PAUSE = 15 * SECOND
LONGEST_PAUSE = 2 * 60 * SECOND


class Breaker:
    """One provider's. It opens when one try after the other fails; then one message asks for all, pause after pause,
    until one is taken. So a provider that is down is asked once a pause, however many messages wait for it."""

    def __init__(self) -> None:
        self.failures = 0
        self._pause = FIRST_PAUSE
        self._until: Instant = 0
        self._probing = False

    @property
    def open(self) -> bool:
        return self.failures >= OPENS_AFTER

    def wait(self, now: Instant) -> Instant:
        """0 for whoever may ask now, and then says what came of it; else how long until somebody may."""
        if not self.open:
            return 0
        left = self._until - now
        if 0 < left <= LONGEST_PAUSE:  # where the clock was set back it is more, and holds nothing up
            return left
        self._probing, self._until = True, now + self._pause
        return 0

    def failed(self, now: Instant) -> None:
        """It said nothing, or to come back later. What was under way when it opened does not count again."""
        if self.open and not self._probing:
            return
        self.failures += 1
        if self._probing:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._probing = False
        self._until = now + self._pause


class Bucket:
    """So many sends a second, evenly; None for as many as one likes."""

    def __init__(self, rate: float | None) -> None:
        self._each = 1 / rate if rate else 0.0
        self._next = 0.0

    def wait(self, now: float, most: float) -> float | None:
        """Seconds until this one's turn, which it has then taken; None where that is more than `most`: ask again."""
        turn = max(self._next, now)
        if turn - now > most:
            return None
        self._next = turn + self._each
        return turn - now
