"""A patient's phones and browsers: the clinic and the patient see them, and can end each."""

from collections.abc import Sequence
from datetime import datetime

from litestar import delete, get
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from programs.instants import Instant
from service.api.call import ApiRequest, Call, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import Out, stamp
from service.auth import devices
from service.care import Who

THIS = "this"


class DeviceOut(Out, frozen=True, kw_only=True):
    """`label` is what its owner or its browser calls it; `seen_at` is exact to a day or so. `this` is who asks."""

    id: str
    label: str
    bound_at: datetime
    seen_at: datetime
    this: bool


class DevicesOut(Out, frozen=True, kw_only=True):
    items: Sequence[DeviceOut]


@get("/clinics/{clinic:str}/patients/{patient:str}/devices", doc=Doc(gives=DevicesOut))
async def list_devices(request: ApiRequest) -> ASGIResponse:
    """The phones and browsers that are let in for this patient, the one used last first."""
    call = await at_clinic(request)
    return await call.read(_devices, call.who.clinic, call.id("patient"), "", call.now)


@delete("/clinics/{clinic:str}/patients/{patient:str}/devices/{id:str}", status_code=200, doc=Doc(gives=DevicesOut))
async def end_device(request: ApiRequest) -> ASGIResponse:
    """A phone that is lost or passed on opens nothing any more. What is left is told."""
    call = await at_clinic(request)
    return await _end(call, call.id("patient"), call.id(), "")


@get("/me/devices", doc=Doc(gives=DevicesOut))
async def list_my_devices(request: ApiRequest) -> ASGIResponse:
    """The phones and browsers that are let in for you."""
    call = await at_me(request)
    return await call.read(_devices, call.who.clinic, call.who.id, call.held.id, call.now)


@delete("/me/devices/{id:str}", status_code=200, doc=Doc(gives=DevicesOut))
async def end_my_device(request: ApiRequest) -> ASGIResponse:
    """End one of yours; `this` signs out the one that asks. What is left is told."""
    call = await at_me(request)
    id = call.held.id if call.id() == THIS else call.id()
    return await _end(call, call.who.id, id, call.held.id)


async def _end(call: Call, patient: str, id: str, this: str) -> ASGIResponse:
    return await call.change(_ended, call.who, patient, id, this, call.now)


def _ended(db: Connection, who: Who, patient: str, id: str, this: str, now: Instant) -> DevicesOut:
    devices.end_device(db, who, patient, id, now)
    return _devices(db, who.clinic, patient, this, now)


def _devices(db: Connection, clinic: str, patient: str, this: str, now: Instant) -> DevicesOut:
    found = devices.devices_of(db, clinic, patient, now)
    return DevicesOut(
        items=[
            DeviceOut(
                id=it.id, label=it.label, bound_at=stamp(it.bound_at), seen_at=stamp(it.seen_at), this=it.id == this
            )
            for it in found
        ]
    )


ROUTES = (list_devices, end_device, list_my_devices, end_my_device)
