"""Builds the application. Everything is wired here and nowhere else; nothing is decided here.

The worker is only looked at (for /healthz): whoever serves the application starts and stops it.
"""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import Message, Receive, Scope, Send

from service import access, console, errors
from service.api import docs, openapi
from service.api.call import Desk
from service.api.routes import ARRIVING, DOCS, OPEN, PREFIX, SIGNED_IN
from service.auth.guards import Gate
from service.auth.limits import Allowance
from service.auth.oidc import BACK, Oidc, Provider
from service.auth.passwords import Passwords, Stolen
from service.clock import Clock
from service.database import Database
from service.errors import Refused
from service.jobs import Worker
from service.settings import Settings
from service.witness import Watch

log = logging.getLogger("homestretch.api")

LARGEST_BODY = 1024 * 1024
BODY_TAKES = 30  # seconds; a mebibyte over the worst line there is
WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")

COMMON: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
# A page brings its own policy; where none was brought, nothing may be loaded. Health data is kept by no cache.
NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
POLICY = (b"content-security-policy", NOTHING)
CACHE = (b"cache-control", b"no-store")
STRICT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


# What cannot be noted is not shown.
WITHHELD = errors.body_of(errors.refused(RuntimeError()))
WITHHELD_HEADERS = [(b"content-type", errors.MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(WITHHELD))]


class Application(Litestar):
    """Litestar with what every reply needs, its own refusals included: a note of what it tells, safe headers, a line in
    the log."""

    watch: Watch

    def __init__(self, *, https: bool, **options: object) -> None:
        self.safe_headers = [*COMMON, STRICT] if https else [*COMMON]
        super().__init__(**options)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        start, safe, watch, withheld = perf_counter(), self.safe_headers, self.watch, False

        async def sent(message: Message) -> None:
            nonlocal withheld
            if message["type"] == "http.response.start":
                if not await watch.answered(scope, message["status"]):
                    withheld, message = True, {**message, "status": 500, "headers": WITHHELD_HEADERS}
                message["headers"] = _safely(message["headers"], safe)
                _log(scope, message["status"], start)
            elif withheld:
                message["body"] = b"" if message.get("more_body") else WITHHELD  # type: ignore[typeddict-unknown-key]
            await send(message)

        await super().__call__(scope, _in_time(receive) if scope["method"] in WITH_BODY else receive, sent)


def _in_time(receive: Receive) -> Receive:
    """A body that drips in would hold its connection, and what waits for it, for as long as its sender likes."""
    deadline = asyncio.get_running_loop().time() + BODY_TAKES

    async def received() -> Any:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            raise Refused(errors.TOO_SLOW, f"The body was not here within {BODY_TAKES} seconds.") from None

    return received


def _safely(headers: Iterable[tuple[bytes, bytes]], safe: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What a reply says of itself stands: a page's forms need another referrer policy than an API does."""
    found = list(headers)
    names = {name for name, _ in found}
    return found + [header for header in (*safe, POLICY, CACHE) if header[0] not in names]


def _log(scope: Scope, status: int, start: float) -> None:
    """Never the path: an id in it stands for a person."""
    if log.isEnabledFor(logging.INFO):
        template = scope.get("path_template") or "(no route)"
        log.info("%s %s %d %.1f ms", scope["method"], template, status, (perf_counter() - start) * 1000)  # type: ignore[typeddict-item]


def _oidc(settings: Settings, clock: Clock) -> Oidc | None:
    if not settings.oidc_issuer:
        return None
    back = settings.public_url.rstrip("/") + BACK
    names = (settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
    return Oidc(Provider(*names, back, settings.oidc_acr, settings.oidc_amr), clock)


def build(settings: Settings, db: Database, clock: Clock, worker: Worker | None) -> Litestar:
    return seat(assemble(https=settings.public_url.startswith("https://")), settings, db, clock, worker)


def assemble(*, https: bool) -> Application:
    """Every route with its guard; nobody at the desk yet."""
    documented = (*SIGNED_IN, *ARRIVING, *OPEN)
    app = Application(
        https=https,
        route_handlers=[
            Router(PREFIX, route_handlers=[*SIGNED_IN, *ARRIVING, *DOCS]),
            *OPEN,
            *console.ROUTES,
        ],
        state=State({"documentation": docs.document(openapi.document(PREFIX, documented))}),
        exception_handlers={Exception: errors.answer},
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,
        logging_config=None,
    )
    access.check(app.routes)
    return app


def seat(app: Application, settings: Settings, db: Database, clock: Clock, worker: Worker | None) -> Litestar:
    """Put somebody at the desk: from here on the application serves this database."""
    app.watch = Watch(db, clock, settings.proxies)
    desk = Desk(
        db,
        clock,
        settings,
        Gate(db, clock, Allowance(db, settings.api_requests_a_minute)),
        worker.pulse if worker else None,
        Passwords(Stolen(Path(settings.breached_passwords)) if settings.breached_passwords else None),
        _oidc(settings, clock),
        app.watch,
    )
    app.state.update({"desk": desk, "database": db, "clock": clock, "settings": settings})
    return app
