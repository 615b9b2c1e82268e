"""The clinic itself: who works there, and what it decides for itself."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get, patch
from litestar.response.base import ASGIResponse
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from programs import people
from programs.instants import Instant
from programs.people import LEAST_MINUTES, MOST_MINUTES, LinkFactor
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Out
from service.care import Who


class ClinicianOut(Out, frozen=True, kw_only=True):
    id: str
    name: str


class ClinicOut(Out, frozen=True, kw_only=True):
    """`country` is an ISO 3166 code and decides which emergency number patients are told."""

    id: str
    name: str
    zone: str
    country: str
    phone: str
    clinicians: Sequence[ClinicianOut]


class SettingsIn(Body, frozen=True, kw_only=True):
    """What is left out stays as it is. `clinicians_see_all`: clinicians stand in for each other and see every patient;
    if false, they see those they treat. `minutes_a_day`: a plan above it is warned of. `link_factor`: what a link that
    lets a phone in asks for besides, six digits somebody says or the year of birth."""

    clinicians_see_all: bool | UnsetType = UNSET
    minutes_a_day: Annotated[int, Meta(ge=LEAST_MINUTES, le=MOST_MINUTES)] | UnsetType = UNSET
    link_factor: LinkFactor | UnsetType = UNSET


class SettingsOut(Out, frozen=True, kw_only=True):
    clinicians_see_all: bool
    minutes_a_day: int
    link_factor: LinkFactor


@get("/clinics/{clinic:str}", doc=Doc(gives=ClinicOut))
async def get_clinic(request: ApiRequest) -> ASGIResponse:
    """The clinic: its name, zone and clinicians."""
    call = await at_clinic(request)
    return await call.read(_clinic, call.who)


@patch("/clinics/{clinic:str}/settings", doc=Doc(takes=SettingsIn, gives=SettingsOut))
async def change_settings(request: ApiRequest) -> ASGIResponse:
    """Change what is named. It holds for everybody's next request."""
    call = await at_clinic(request)
    return await call.change(_change, call.who, await call.body(SettingsIn), call.now)


def _change(db: Connection, who: Who, it: SettingsIn, now: Instant) -> SettingsOut:
    named = {name: value for name, value in msgspec.structs.asdict(it).items() if value is not UNSET}
    after = care.change_settings(db, who, named, now)
    return SettingsOut(
        clinicians_see_all=after.clinicians_see_all,
        minutes_a_day=after.minutes_a_day,
        link_factor=after.link_factor,
    )


def _clinic(db: Connection, who: Who) -> ClinicOut:
    it = people.clinic_of(db, who.clinic)
    staff = sorted(people.clinicians_of(db, who.clinic).items(), key=lambda one: (one[1], one[0]))
    clinicians = [ClinicianOut(id=id, name=name) for id, name in staff]
    return ClinicOut(id=it.id, name=it.name, zone=it.zone, country=it.country, phone=it.phone, clinicians=clinicians)


ROUTES = (get_clinic, change_settings)
