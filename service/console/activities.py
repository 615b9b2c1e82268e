"""A patient's "my activities": what they find hard in their own words, and how well it goes, every two weeks."""

from typing import NamedTuple

from litestar import Response, get, post
from litestar.params import FromPath
from sqlalchemy import Connection

from notifications.preferences import DEFAULT, preferences_of
from programs import activities, outcomes
from programs.activities import Activity, Rated, Rating
from programs.errors import Conflict, Invalid
from programs.ids import derived_id, new_id
from programs.instants import Instant
from programs.wording import OutcomeWords, words
from service import care
from service.care import Who
from service.console.doors import Here, patient_here
from service.console.forms import PageRequest, Typed, typed
from service.console.pages import go, page

PATH = "/activities"


class Mine(NamedTuple):
    """`rated` holds the last score by activity; `again` is whether there is something to compare with."""

    current: list[Activity]
    rated: dict[str, int]
    again: bool
    due: bool
    said: OutcomeWords


def mine(db: Connection, who: Who, now: Instant) -> Mine:
    current = [it for it in activities.activities_of(db, who.clinic, who.id) if it.ended_at is None]
    ratings = activities.ratings_of(db, who.clinic, who.id)
    last = {id: score for it in ratings for id, score in it.value.scores.items()}
    language = preferences_of(db, who.clinic, [who.id]).get(who.id, DEFAULT).language
    due = outcomes.due([it.rated_at for it in ratings], bool(current), now)
    return Mine(current, last, bool(ratings), due, words(language).outcomes)


@get(PATH)
async def show(request: PageRequest) -> Response[str]:
    return await _show(await patient_here(request))


async def _show(here: Here, error: Invalid | Conflict | None = None) -> Response[str]:
    found: Mine = await here.db.read(mine, here.who, here.now)
    status = 200 if error is None else 422
    return page("activities", status, here=here, mine=found, error=error, id=new_id(here.now), most=outcomes.MOST)


@post(PATH)
async def add(request: PageRequest) -> Response[str]:
    here = await patient_here(request)
    it = await typed(request)
    id = derived_id(here.who.clinic, here.who.id, it["id"])
    try:
        await here.db.write(care.add_activity, here.who, here.who.id, id, it["words"], here.now)
    except (Invalid, Conflict) as error:
        return await _show(here, error)
    return go(PATH)


@post(f"{PATH}/{{id:str}}/end")
async def end(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await patient_here(request)
    await here.db.write(care.end_activity, here.who, here.who.id, id, here.now)
    return go(PATH)


@post(f"{PATH}/rate")
async def rate(request: PageRequest) -> Response[str]:
    here = await patient_here(request)
    it = await typed(request)
    found: Mine = await here.db.read(mine, here.who, here.now)
    try:
        value = Rated({one.id: _score(it[one.id], 0) for one in found.current if it[one.id]}, _change(it, found.again))
        rating = Rating(derived_id(here.who.clinic, here.who.id, it["id"]), here.now, value)
        await here.db.write(care.rate, here.who, rating, here.now)
    except Invalid as error:
        return await _show(here, error)
    return go(PATH)


def _change(it: Typed, again: bool) -> int | None:
    return _score(it["change"], outcomes.WORST_CHANGE) if again and it["change"] else None


def _score(text: str, least: int) -> int:
    if text not in {str(score) for score in range(least, 11)}:
        raise Invalid("scores", f"must be from {least} to 10")
    return int(text)


ROUTES = [show, add, end, rate]
