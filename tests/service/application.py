"""The application for tests: assembled once a process, as that takes longer than most tests; a new desk for each."""

from functools import cache

from litestar import Litestar

from service.app import Application, assemble, seat
from service.clock import Clock
from service.database import Database
from service.jobs import Worker
from service.settings import Settings


def built(settings: Settings, db: Database, clock: Clock, worker: Worker | None = None) -> Litestar:
    """As service.app.build."""
    return seat(_assembled(settings.public_url.startswith("https://")), settings, db, clock, worker)


@cache
def _assembled(https: bool) -> Application:
    return assemble(https=https)
