"""A phone or browser: where messages reach it, and what it says became of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Union

import msgspec
from litestar import get, post, put
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications import addresses
from notifications.channels import ADDRESSES, new_address, read_address
from notifications.channels.addresses import ConsoleAddress
from notifications.channels.vapid import VapidKeys
from notifications.reach import CONFIRMING, Known
from notifications.receipts import Kind, Receipt
from notifications.snoozes import MINUTES
from programs.instants import MINUTE, Instant
from service import care
from service.api.call import ApiRequest, Call, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import Body, Id, Moment, Out, instant, stamp
from service.care import Who
from service.errors import Wrong, invalid


def _body_of(form: type[msgspec.Struct], kind: str) -> type[msgspec.Struct]:
    """An address as it is sent: its own fields, and `channel`, which says of which channel it is."""
    fields: list[Any] = [
        (it.name, it.type) if it.default is msgspec.NODEFAULT else (it.name, it.type, it.default)
        for it in msgspec.structs.fields(form)
    ]
    return msgspec.defstruct(
        form.__name__, fields, tag_field="channel", tag=kind, forbid_unknown_fields=True, module=__name__
    )


# A channel that is added to the list is taken here too.
AddressIn: Any = Union[tuple(_body_of(form, form.kind) for form in ADDRESSES)]  # noqa: UP007


class AddressOut(Out, frozen=True, kw_only=True):
    """`shown` is what of it others may see, or a log: enough to tell two apart, too little to use."""

    id: str
    channel: str
    shown: str


class KnownAddress(Out, frozen=True, kw_only=True):
    """`state` is ok, silent (no message there was confirmed of late) or gone (it is not used; see `reason`)."""

    id: str
    channel: str
    state: Literal["ok", "silent", "gone"]
    since: datetime
    reason: str


class AddressesOut(Out, frozen=True, kw_only=True):
    """`push_ok` is false while no push address works here: the app asks for permission and registers again."""

    push_ok: bool
    items: Sequence[KnownAddress]


class SnoozeIn(Body, frozen=True, kw_only=True):
    minutes: Annotated[int, Meta(description=f"How much later, in minutes: {', '.join(map(str, MINUTES))}.")]


class SnoozeOut(Out, frozen=True, kw_only=True):
    """`until` is when it comes again: inside its window and the allowed hours."""

    message_id: str
    until: datetime


class PushKeyOut(Out, frozen=True, kw_only=True):
    """`key` is null where this server sends no push messages."""

    key: str | None


class ReceiptIn(Body, frozen=True, kw_only=True):
    """What became of a message, by the id it came with; `at` is the phone's own time."""

    message_id: Id
    kind: Kind
    at: Moment


class ReceiptOut(Out, frozen=True, kw_only=True):
    """`known` was said before."""

    message_id: str
    result: Literal["noted", "known"]


@put("/me/addresses/{id:str}", doc=Doc(takes=AddressIn, gives=AddressOut))
async def put_address(request: ApiRequest) -> ASGIResponse:
    """Add an address under an id of your own making, or renew it. Doing it again changes nothing."""
    call = await at_me(request)
    it = await call.body(AddressIn)
    kind, value = _checked(it, call)
    return await call.change(_put, call, call.id(), kind, value)


@put("/clinics/{clinic:str}/addresses/{id:str}", doc=Doc(takes=AddressIn, gives=AddressOut))
async def put_own_address(request: ApiRequest) -> ASGIResponse:
    """Where the clinician who asks is alerted when a patient's answer cannot wait."""
    call = await at_clinic(request)
    it = await call.body(AddressIn)
    kind, value = _checked(it, call)
    return await call.change(_put, call, call.id(), kind, value)


@get("/me/addresses", doc=Doc(gives=AddressesOut))
async def list_addresses(request: ApiRequest) -> ASGIResponse:
    """Where messages go, and whether they arrive. An app asks this as it starts, and renews what does not work."""
    call = await at_me(request)
    return await call.read(_addresses, call.who, call.now)


@get("/me/push-key", doc=Doc(gives=PushKeyOut))
async def get_push_key(request: ApiRequest) -> ASGIResponse:
    """What a browser needs to subscribe to push messages of this server: its `applicationServerKey`."""
    call = await at_me(request)
    settings = call.desk.settings
    if not settings.vapid_key:
        return call.show(PushKeyOut(key=None))
    return call.show(PushKeyOut(key=VapidKeys.from_pem(settings.vapid_key, settings.vapid_subject).public()))


@post("/me/receipts", status_code=200, doc=Doc(takes=ReceiptIn, gives=ReceiptOut))
async def confirm_message(request: ApiRequest) -> ASGIResponse:
    """Say that a message was shown, opened or answered."""
    call = await at_me(request)
    device = call.held.id if call.held.use == "device" else ""
    return await call.once(200, _confirm, call.who, await call.body(ReceiptIn), device, call.now)


@post("/me/messages/{id:str}/snooze", status_code=200, doc=Doc(takes=SnoozeIn, gives=SnoozeOut, also=(409,)))
async def snooze_message(request: ApiRequest) -> ASGIResponse:
    """Remind me of it later. Once a message: it comes again as another one, which may be snoozed in its turn."""
    call = await at_me(request)
    it = await call.body(SnoozeIn)
    if it.minutes not in MINUTES:
        raise invalid(Wrong(f"must be one of {', '.join(map(str, MINUTES))}", "/minutes"))
    device = call.held.id if call.held.use == "device" else ""
    return await call.once(200, _snooze, call.who, call.id(), it.minutes, device, call.now)


def _checked(it: Any, call: Any) -> tuple[str, dict[str, Any]]:
    settings = call.desk.settings
    kind, value = str(it.__struct_config__.tag), msgspec.structs.asdict(it)
    if kind == ConsoleAddress.kind and not settings.demo:
        raise invalid(Wrong("is for demonstrations only", "/channel", hint="Use web_push or email."))
    try:
        new_address(kind, value, settings.allowed)
    except ValueError as error:
        field, _, problem = str(error).partition(": ")
        known = field if field in value else "endpoint" if field == "push endpoint" else ""
        raise invalid(Wrong(problem if known else str(error), f"/{known}" if known else "")) from None
    return kind, value


def _put(db: Connection, call: Call, id: str, kind: str, value: dict[str, Any]) -> AddressOut:
    care.put_address(db, call.who, call.who.id, id, kind, value, call.now)
    if call.held.use == "device":
        addresses.tie(db, call.who.clinic, id, call.held.id)
    return AddressOut(id=id, channel=kind, shown=read_address(kind, value).shown)


def _confirm(db: Connection, who: Who, it: ReceiptIn, device: str, now: Instant) -> ReceiptOut:
    fresh = care.confirm(db, who, Receipt(it.message_id, it.kind, instant(it.at, "/at"), device), now)
    return ReceiptOut(message_id=it.message_id, result="noted" if fresh else "known")


def _snooze(db: Connection, who: Who, message: str, minutes: int, device: str, now: Instant) -> SnoozeOut:
    at = care.snooze(db, who, message, now + minutes * MINUTE, device, now)
    return SnoozeOut(message_id=message, until=stamp(at))


def _addresses(db: Connection, who: Who, now: Instant) -> AddressesOut:
    known = [_known(it, now) for it in addresses.standings(db, who.clinic, [who.id]).get(who.id, ())]
    works = any(it.state == "ok" and it.channel in CONFIRMING for it in known)
    return AddressesOut(push_ok=works, items=known)


def _known(it: Known, now: Instant) -> KnownAddress:
    silent, own = it.silent(now), it.address
    if it.gone_at is not None:
        return KnownAddress(id=own.id, channel=own.channel, state="gone", since=stamp(it.gone_at), reason=it.why)
    if silent is not None:
        return KnownAddress(id=own.id, channel=own.channel, state="silent", since=stamp(silent), reason=UNCONFIRMED)
    return KnownAddress(id=own.id, channel=own.channel, state="ok", since=stamp(own.added_at), reason="")


UNCONFIRMED = "no message there was confirmed"
ROUTES = (put_address, list_addresses, put_own_address, get_push_key, confirm_message, snooze_message)
