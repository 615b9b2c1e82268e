"""A patient's messages, sent or not, each with its whole story, and where messages reach them. It decides nothing."""

from typing import NamedTuple

from litestar import Response, get
from litestar.params import FromPath
from sqlalchemy import Connection

from notifications import addresses, history
from notifications.history import Story
from notifications.reach import Known
from programs import people
from programs.instants import DAY, Instant
from programs.people import Patient
from service.console.doors import clinician_here
from service.console.forms import PageRequest
from service.console.pages import page

BACK, AHEAD = 14 * DAY, 3 * DAY


class Told(NamedTuple):
    patient: Patient
    standings: list[Known]
    stories: list[Story]


def told(db: Connection, clinic: str, id: str, now: Instant) -> Told:
    known = addresses.standings(db, clinic, [id]).get(id, [])
    return Told(people.patient_of(db, clinic, id), known, history.stories_of(db, clinic, id, now - BACK, now + AHEAD))


@get("/clinic/patients/{id:str}/messages")
async def show(request: PageRequest, id: FromPath[str]) -> Response[str]:
    """The last two weeks and what is planned next."""
    here = await clinician_here(request)
    found: Told = await here.db.read(told, here.who.clinic, id, here.now)
    return page("messages", here=here, it=found)


ROUTES = [show]
