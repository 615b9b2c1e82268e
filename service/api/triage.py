"""The clinic's hold on triage: which rules there are and who approved them, the switch, and who is told of a flag."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications import addresses, escalation
from notifications.channels.addresses import new_address, read_address
from programs import people, rules
from programs.instants import Instant
from programs.people import TriageOff, Watch
from programs.rules import Decided
from programs.triage import Tier
from service import rulebook
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Out, maybe_stamp, stamp
from service.care import Who
from service.errors import Wrong, invalid

Reason = Annotated[str, Meta(max_length=500, description="Why, in at most 500 characters; needed to switch off.")]


class RuleOut(Out, frozen=True, kw_only=True):
    """`approved_by` is of this very version: a rule that changes has a new one, which nobody has approved yet."""

    id: str
    tier: Tier
    rule_version: str
    says: str
    source: str
    approved_by: str
    approved_version: str | None
    off: bool
    off_reason: str | None
    decided_by: str | None
    decided_at: datetime | None


class RulesOut(Out, frozen=True, kw_only=True):
    items: Sequence[RuleOut]


class ApproveIn(Body, frozen=True, kw_only=True):
    rule_version: Annotated[str, Meta(max_length=16, description="The version of the rule that you have read.")]


class SwitchIn(Body, frozen=True, kw_only=True):
    on: bool
    reason: Reason = ""


class TriageOffOut(Out, frozen=True, kw_only=True):
    """Answers are kept and shown, and nothing is read into them: no flag, no alert, no safety text by answer."""

    reason: str
    by: str
    since: datetime


class TriageOut(Out, frozen=True, kw_only=True):
    """`warnings` say what is missing before a clinic relies on it."""

    off: TriageOffOut | None
    watch: Watch
    on_call: str | None
    warnings: Sequence[str]


class OnCallIn(Body, frozen=True, kw_only=True):
    mailbox: Annotated[str, Meta(max_length=320, description="An e-mail address that somebody reads at any hour.")]


@get("/clinics/{clinic:str}/rules", doc=Doc(gives=RulesOut))
async def list_rules(request: ApiRequest) -> ASGIResponse:
    """Every rule in words, with its threshold and source, and what your clinic decided about it."""
    call = await at_clinic(request)
    return await call.read(_rules, call.who)


@post(
    "/clinics/{clinic:str}/rules/{id:str}/approve",
    status_code=200,
    doc=Doc(takes=ApproveIn, gives=RuleOut, also=(409,)),
)
async def approve_rule(request: ApiRequest) -> ASGIResponse:
    """Approve the version you have read, in your name. A later version needs to be approved anew."""
    call = await at_clinic(request)
    it = await call.body(ApproveIn)
    return await call.once(200, _approve, call.who, call.id(), it.rule_version, call.now)


@post(
    "/clinics/{clinic:str}/rules/{id:str}/switch",
    status_code=200,
    doc=Doc(takes=SwitchIn, gives=RuleOut, also=(409,)),
)
async def switch_rule(request: ApiRequest) -> ASGIResponse:
    """Switch one rule off, for a reason, or on again. An emergency rule cannot be switched off alone."""
    call = await at_clinic(request)
    it = await call.body(SwitchIn)
    return await call.once(200, _switch_rule, call.who, call.id(), it, call.now)


@get("/clinics/{clinic:str}/triage", doc=Doc(gives=TriageOut))
async def get_triage(request: ApiRequest) -> ASGIResponse:
    """Whether answers are read by rules, and who is told of a flag after how long."""
    call = await at_clinic(request)
    return await call.read(_triage, call.who)


@post("/clinics/{clinic:str}/triage/switch", status_code=200, doc=Doc(takes=SwitchIn, gives=TriageOut))
async def switch_triage(request: ApiRequest) -> ASGIResponse:
    """Switch all of triage off, for a reason, or on again. Every place that shows flags says so while it is off."""
    call = await at_clinic(request)
    it = await call.body(SwitchIn)
    return await call.once(200, _switch, call.who, it, call.now)


@post("/clinics/{clinic:str}/triage/watch", status_code=200, doc=Doc(takes=Watch, gives=TriageOut))
async def set_watch(request: ApiRequest) -> ASGIResponse:
    """How long a flag may wait and who is told next; holds for flags raised from now on."""
    call = await at_clinic(request)
    it = await call.body(Watch)
    return await call.once(200, _watch, call.who, it, call.now)


@post("/clinics/{clinic:str}/triage/on-call", status_code=200, doc=Doc(takes=OnCallIn, gives=TriageOut))
async def set_on_call(request: ApiRequest) -> ASGIResponse:
    """The address that "on-call" in the chain stands for. What it gets holds nothing about the patient."""
    call = await at_clinic(request)
    mailbox = (await call.body(OnCallIn)).mailbox
    try:
        new_address("email", {"mailbox": mailbox})
    except ValueError as error:
        raise invalid(Wrong(str(error).partition(": ")[2] or str(error), "/mailbox")) from None
    return await call.once(200, _on_call, call.who, mailbox, call.now)


def _rules(db: Connection, who: Who) -> RulesOut:
    return RulesOut(items=[_out(it) for it in rules.decided(db, who.clinic)])


def _rule(db: Connection, who: Who, id: str) -> RuleOut:
    return _out(next(it for it in rules.decided(db, who.clinic) if it.rule.id == id))


def _approve(db: Connection, who: Who, id: str, version: str, now: Instant) -> RuleOut:
    rulebook.approve_rules(db, who, {id: version}, now)
    return _rule(db, who, id)


def _switch_rule(db: Connection, who: Who, id: str, it: SwitchIn, now: Instant) -> RuleOut:
    rulebook.switch_rule(db, who, id, it.on, it.reason, now)
    return _rule(db, who, id)


def _switch(db: Connection, who: Who, it: SwitchIn, now: Instant) -> TriageOut:
    rulebook.switch_triage(db, who, it.on, it.reason, now)
    return _triage(db, who)


def _watch(db: Connection, who: Who, it: Watch, now: Instant) -> TriageOut:
    rulebook.set_watch(db, who, it, now)
    return _triage(db, who)


def _on_call(db: Connection, who: Who, mailbox: str, now: Instant) -> TriageOut:
    rulebook.set_on_call(db, who, mailbox, now)
    return _triage(db, who)


def _triage(db: Connection, who: Who) -> TriageOut:
    it = people.clinic_of(db, who.clinic).settings
    found = addresses.living(db, who.clinic, [escalation.ON_CALL]).get(escalation.ON_CALL, [])
    on_call = read_address(found[0].channel, found[0].value) if found else None
    return TriageOut(
        off=off_out(it.triage_off),
        watch=it.watch,
        on_call=getattr(on_call, "mailbox", None),
        warnings=rulebook.warnings(db, who.clinic),
    )


def off_out(it: TriageOff | None) -> TriageOffOut | None:
    return None if it is None else TriageOffOut(reason=it.reason, by=it.by, since=stamp(it.at))


def _out(it: Decided) -> RuleOut:
    return RuleOut(
        id=it.rule.id,
        tier=it.rule.tier,
        rule_version=it.rule.version,
        says=it.rule.says,
        source=it.rule.source,
        approved_by=it.approved_by,
        approved_version=it.approved_version or None,
        off=it.off,
        off_reason=it.off_reason or None,
        decided_by=it.name or None,
        decided_at=maybe_stamp(it.decided_at),
    )


ROUTES = (list_rules, approve_rule, switch_rule, get_triage, switch_triage, set_watch, set_on_call)
