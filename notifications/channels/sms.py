"""Text messages to a phone number (SMS, and what else Apprise knows that goes by a number: Signal, WhatsApp, ...).

Apprise blocks, tells no more than whether it worked, and its services know no name by which a repeat could replace the
first. So each message has a thread of its own, of which there are few; and one without an answer is not sent again, as
a second copy would be read as a second message.
"""

import asyncio
import logging
import warnings
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread
from typing import ClassVar
from urllib.parse import quote

import msgspec
from apprise import Apprise

from notifications.channels import Accepted, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import TO, SmsAddress

EXAMPLE = "+15550100000"
# Longer than our own patience, so that "not sent" from Apprise never means "not heard whether it was".
PATIENCE = "rto=60&cto=5"

# Their warnings hold the number, and their debug lines the message.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
logging.getLogger("urllib3").setLevel(logging.INFO)


class SmsSettings(msgspec.Struct, frozen=True, kw_only=True):
    services: Mapping[str, str]
    """Name -> Apprise URL with {to} where the number goes, as in twilio://SID:TOKEN@+15550100/{to}"""
    public_url: str
    timeout: float = 10.0

    def __post_init__(self) -> None:
        for name, template in self.services.items():
            if not is_known(url_of(template, EXAMPLE)):  # the URL is not quoted: it holds a secret
                raise ValueError(f"text message service {name!r}: Apprise does not know such a URL")

    def __repr__(self) -> str:
        return f"SmsSettings({', '.join(self.services)})"


class Sms:
    """Make it inside a running loop."""

    kind: ClassVar[str] = "sms"
    Address: ClassVar[type[msgspec.Struct]] = SmsAddress
    limit: ClassVar[int] = 4

    def __init__(self, settings: SmsSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self.busy = 0
        """Threads that have not come back."""
        self.stuck = 0
        """Those of them that nobody waits for any more."""

    async def send(self, address: SmsAddress, parcel: Parcel) -> Outcome:
        template = self._settings.services.get(address.service)
        if template is None:
            return Refused("no such text message service is set up")
        if self.busy >= self.limit:
            return Later(f"{self.busy} text messages still have no answer, {self.stuck} of them given up")
        done = self._loop.create_future()
        work = (url_of(template, address.number), text_of(parcel, self._settings.public_url), done)
        Thread(target=self._work, args=work, daemon=True, name="sms").start()  # daemon: may not hold up our own end
        self.busy += 1
        try:
            async with asyncio.timeout(self._settings.timeout):
                said = await done
        except TimeoutError:
            wait = f"{self._settings.timeout:g} s"
            return Refused(f"{address.service} did not answer within {wait}; it may have been sent, so not again")
        finally:
            self.stuck += done.cancelled()
        return Accepted() if said == "" else Later(f"{address.service}: {said}")

    async def close(self) -> None:
        """Nothing is kept open between messages; who is still stuck ends with the process."""

    def _work(self, url: str, text: str, done: asyncio.Future[str]) -> None:
        try:
            service = Apprise()
            service.add(url)
            said = "" if service.notify(body=text) else "was not sent"
        except Exception as trouble:  # a plugin's own, whose text may hold the number
            said = type(trouble).__name__
        with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
            self._loop.call_soon_threadsafe(self._ended, done, said)

    def _ended(self, done: asyncio.Future[str], said: str) -> None:
        self.busy -= 1
        if done.cancelled():
            self.stuck -= 1
        else:
            done.set_result(said)


def is_known(url: str) -> bool:
    with warnings.catch_warnings():  # the first question has Apprise load all it has, which is not ours to mend
        warnings.simplefilter("ignore")
        return Apprise.instantiate(url) is not None


def url_of(template: str, number: str) -> str:
    url = template.replace(TO, quote(number, safe=""))
    return url if "rto=" in url else f"{url}{'&' if '?' in url else '?'}{PATIENCE}"


def text_of(parcel: Parcel, public_url: str) -> str:
    return f"{parcel.title}: {parcel.body} {parcel.link(public_url)}"
