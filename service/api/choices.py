"""What a patient chose to be told, when and how; they change it themselves."""

from litestar import get, patch
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from notifications import preferences
from notifications.preferences import Preferences
from programs.instants import Instant
from service import care
from service.api.call import ApiRequest, at_me
from service.api.doc import Doc
from service.api.patients import PreferencesIn
from service.care import Who


@get("/me/preferences", doc=Doc(gives=Preferences))
async def get_preferences(request: ApiRequest) -> ASGIResponse:
    """Language, allowed hours, how many messages a day, which kinds, by which channels."""
    call = await at_me(request)
    return await call.read(_chosen, call.who)


@patch("/me/preferences", doc=Doc(takes=PreferencesIn, gives=Preferences))
async def change_preferences(request: ApiRequest) -> ASGIResponse:
    """Change what is named; messages follow at once. To be sent none at all, withdraw consent: the record stays."""
    call = await at_me(request)
    return await call.change(_change, call.who, await call.body(PreferencesIn), call.now)


def _chosen(db: Connection, who: Who) -> Preferences:
    return preferences.preferences_of(db, who.clinic, [who.id]).get(who.id, preferences.DEFAULT)


def _change(db: Connection, who: Who, it: PreferencesIn, now: Instant) -> Preferences:
    chosen = it.over(_chosen(db, who))
    care.choose(db, who, chosen, now)
    return chosen


ROUTES = (get_preferences, change_preferences)
