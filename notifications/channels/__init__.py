"""What every channel shares: the parcel it is handed, the outcome it hands back. It sends nothing, imports no network.

The API only checks and stores addresses, so those are apart from what sends: `addresses` is light, `sending` lists the
channels, brings aiohttp and pywebpush with it (a quarter of a second or more) and is imported by the worker. A channel
is one module, its address, and a line in each of the two lists; a test holds them equal.
"""

import base64
import hashlib
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from notifications.channels.addresses import ADDRESSES as ADDRESSES
from notifications.channels.addresses import FORMS as FORMS
from notifications.channels.addresses import USUAL as USUAL
from notifications.channels.addresses import Address as Address
from notifications.channels.addresses import Allowed as Allowed
from notifications.channels.addresses import Form as Form
from notifications.channels.addresses import new_address as new_address
from notifications.channels.addresses import read_address as read_address
from programs.instants import Instant


class Parcel(msgspec.Struct, frozen=True):
    """One message, worded and ready to hand over. Fixed wording and an opaque path: nothing clinical."""

    delivery_id: str
    """The same at every try, so that a repeat replaces. Opaque; of 0-9 a-z . -"""
    title: str
    body: str
    path: str
    """What the app opens, relative to where it is served: /open/<opaque id>"""
    urgency: Literal["high", "normal"]
    expires_in: int
    """Seconds the provider may keep it for a phone that is off, 0 or more."""
    language: str

    def link(self, public_url: str) -> str:
        return public_url.rstrip("/") + self.path


class Accepted(msgspec.Struct, frozen=True, tag=True):
    """The provider took it over. That is not yet shown, nor read: see receipts."""

    reference: str = ""


class Gone(msgspec.Struct, frozen=True, tag=True):
    """The address is dead. Remove that address only, and only if it is still the one the message went to."""

    detail: str
    since: Instant | None = None
    """Since when, where the provider says so: what was registered after that is another life of the same token."""


class Later(msgspec.Struct, frozen=True, tag=True):
    """It may work in a while; `after` is how many seconds the provider asked for. It may also have arrived already."""

    detail: str
    after: float | None = None
    ours: bool = False
    """Something of our own failed on the way, so that it says nothing of the provider."""


class Untried(Later, frozen=True, tag=True):
    """Nobody was asked: the provider does not answer anyway, or there was no turn for it. It costs the message nothing
    but the time."""

    ours: bool = True


class Refused(msgspec.Struct, frozen=True, tag=True):
    """This message will never be taken at this address; another message may be."""

    detail: str


Outcome = Accepted | Gone | Later | Untried | Refused
"""`detail` goes to logs and screens: never a payload, a key, an address or more of an endpoint than its host."""


class Channel(Protocol):
    """One way to reach a person. `send` gives an outcome whatever the other side does; it raises when cancelled."""

    kind: ClassVar[str]
    Address: ClassVar[type[msgspec.Struct]]
    limit: ClassVar[int]
    """How many sends may be in flight at once."""

    async def send(self, address: Any, parcel: Parcel) -> Outcome: ...

    async def close(self) -> None: ...


def topic(delivery_id: str) -> str:
    """32 characters of base64url, for providers that take no longer name of what a repeat replaces (RFC 8030, 5.4)."""
    return base64.urlsafe_b64encode(hashlib.sha256(delivery_id.encode()).digest()[:24]).decode()
