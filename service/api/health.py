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

    `flags_nobody_acknowledged` is a count over all clinics of a minute ago; null where the worker runs elsewhere.
    """

    problems: Sequence[str]
    turned_at: datetime | None
    oldest_due_at: datetime | None
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
        return HealthOut(
            problems=["the database does not answer"], turned_at=None, oldest_due_at=None, flags_nobody_acknowledged=0
        )
    turned_at = maybe_stamp(found.turned_at) if desk.pulse else None
    return HealthOut(
        problems=found.problems,
        turned_at=turned_at,
        oldest_due_at=maybe_stamp(found.oldest_due),
        flags_nobody_acknowledged=desk.pulse.nobody if desk.pulse else None,
    )


ROUTES = (get_health,)
