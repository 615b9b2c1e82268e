"""The clinic itself: who works there, and the programs it can assign."""

from collections.abc import Sequence

from litestar import get
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from programs import people
from programs.templates import templates
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Out
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


class ProgramOut(Out, frozen=True, kw_only=True):
    """A template: give its id as `template` when a plan is assigned."""

    id: str
    title: str
    exercises: Sequence[str]


class ProgramsOut(Out, frozen=True, kw_only=True):
    items: Sequence[ProgramOut]


@get("/clinics/{clinic:str}", doc=Doc(gives=ClinicOut))
async def get_clinic(request: ApiRequest) -> ASGIResponse:
    """The clinic: its name, zone and clinicians."""
    call = await at_clinic(request)
    return await call.read(_clinic, call.who)


@get("/clinics/{clinic:str}/programs", doc=Doc(gives=ProgramsOut))
async def list_programs(request: ApiRequest) -> ASGIResponse:
    """The programs a plan can be made from by their id; none is chosen by the software."""
    call = await at_clinic(request)
    items = [
        ProgramOut(id=it.id, title=it.title, exercises=[one.exercise for one in it.prescriptions])
        for it in templates().values()
    ]
    return call.show(ProgramsOut(items=items))


def _clinic(db: Connection, who: Who) -> ClinicOut:
    it = people.clinic_of(db, who.clinic)
    staff = sorted(people.clinicians_of(db, who.clinic).items(), key=lambda one: (one[1], one[0]))
    clinicians = [ClinicianOut(id=id, name=name) for id, name in staff]
    return ClinicOut(id=it.id, name=it.name, zone=it.zone, country=it.country, phone=it.phone, clinicians=clinicians)


ROUTES = (get_clinic, list_programs)
