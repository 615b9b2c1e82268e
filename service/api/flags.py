"""Flags: what a clinician must look at, and that they did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import checkins
from programs.checkins import Flag
from programs.instants import Instant
from programs.triage import Tier
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Out, Page, PageQuery, maybe_stamp, paged, place, stamp
from service.care import Who


class FlagsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    open: Annotated[bool, Meta(description="Only those that nobody has acknowledged.")] = False


class FlagOut(Out, frozen=True, kw_only=True):
    """Which rule fired on which answers (`inputs`), by which version of it and from which source."""

    id: str
    tier: Tier
    patient_id: str
    patient_name: str
    clinician_id: str
    check_in_id: str
    rule: str
    rule_version: str
    source: str
    inputs: Mapping[str, Any]
    raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


@get("/clinics/{clinic:str}/flags", doc=Doc(gives=Page[FlagOut], query=FlagsQuery))
async def list_flags(request: ApiRequest) -> ASGIResponse:
    """The clinic's flags, latest first."""
    call = await at_clinic(request)
    query = call.query(FlagsQuery)
    return await call.read(_page, call.who, query, place(query.cursor, tuple[int, str]))


@post(
    "/clinics/{clinic:str}/flags/{id:str}/acknowledge",
    status_code=200,
    doc=Doc(takes=Body, gives=FlagOut, optional_body=True),
)
async def acknowledge_flag(request: ApiRequest) -> ASGIResponse:
    """Say that you have seen it. The first to say so stands; saying it again changes nothing."""
    call = await at_clinic(request)
    await call.body(Body)
    return await call.once(200, _acknowledge, call.who, call.id(), call.now)


def _page(db: Connection, who: Who, query: FlagsQuery, before: tuple[Instant, str] | None) -> Page[FlagOut]:
    found = checkins.flags_of(db, who.clinic, open_only=query.open, before=before, count=query.limit + 1)
    return paged(found, query.limit, lambda it: (it.raised_at, it.id), _out)


def _acknowledge(db: Connection, who: Who, id: str, now: Instant) -> FlagOut:
    return _out(care.acknowledge(db, who, id, now))


def _out(it: Flag) -> FlagOut:
    return FlagOut(
        id=it.id,
        tier=it.finding.tier,
        patient_id=it.patient_id,
        patient_name=it.patient_name,
        clinician_id=it.clinician_id,
        check_in_id=it.check_in_id,
        rule=it.finding.rule,
        rule_version=it.finding.rule_version,
        source=it.finding.source,
        inputs=it.finding.inputs,
        raised_at=stamp(it.raised_at),
        acknowledged_at=maybe_stamp(it.acknowledged_at),
        acknowledged_by=it.acknowledged_by,
    )


ROUTES = (list_flags, acknowledge_flag)
