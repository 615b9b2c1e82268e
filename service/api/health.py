"""Whether the service does its work, for whoever watches it. No sign-in, and nothing of any clinic."""

import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec
from litestar import get
from litestar.response.base import ASGIResponse

from programs.instants import Instant
from service.api.call import ApiRequest, Desk
from service.api.doc import Doc
from service.api.wire import Out, maybe_stamp
from service.jobs import Pulse, health

log = logging.getLogger("homestretch.api")


class HealthOut(Out, frozen=True, kw_only=True):
    """`problems` is empty when all is well; `oldest_due_at` is the instant of the earliest message still to go.

    The counts are over all clinics, a minute old at most, and null where the worker runs elsewhere. What is quarantined
    or was brought back by a back-up waits for the operator: starting the server anew changes nothing. `unplanned` and
    `uncounted` are patients whose messages cannot be planned, and whose adherence cannot be counted, by a fault.
    """

    problems: Sequence[str]
    turned_at: datetime | None
    oldest_due_at: datetime | None
    failed_turns: int | None
    unaccounted: int | None
    quarantined: int | None
    waiting_after_restore: int | None
    unplanned: int | None
    uncounted: int | None
    flags_nobody_acknowledged: int | None


@get("/healthz", doc=Doc(gives=HealthOut, also=(503,), signed_in=False))
async def get_health(request: ApiRequest) -> ASGIResponse:
    """200 while the worker turns and nothing is overdue, 503 otherwise."""
    desk: Desk = request.app.state.desk
    it = await _health(desk, desk.clock.now())
    return ASGIResponse(
        body=msgspec.json.encode(it), status_code=503 if it.problems else 200, media_type="application/json"
    )


async def _health(desk: Desk, now: Instant) -> HealthOut:
    # Where the worker is another process, its pulse cannot be felt here; what it leaves undone can.
    pulse = desk.pulse or Pulse(turned_at=now)
    try:
        found = await desk.db.read(health, pulse, now)
    except Exception as error:
        log.error("the database does not answer: %s", type(error).__qualname__)
        return _out(["the database does not answer"], desk.pulse, None)
    return _out(found.problems, desk.pulse, found.oldest_due)


def _out(problems: Sequence[str], pulse: Pulse | None, oldest_due: Instant | None) -> HealthOut:
    return HealthOut(
        problems=problems,
        turned_at=maybe_stamp(pulse.turned_at) if pulse else None,
        oldest_due_at=maybe_stamp(oldest_due),
        failed_turns=pulse.failed_turns if pulse else None,
        unaccounted=pulse.unaccounted if pulse else None,
        quarantined=pulse.quarantined if pulse else None,
        waiting_after_restore=pulse.restored if pulse else None,
        unplanned=len(pulse.unplanned) if pulse else None,
        uncounted=len(pulse.uncounted) if pulse else None,
        flags_nobody_acknowledged=pulse.nobody if pulse else None,
    )


ROUTES = (get_health,)
