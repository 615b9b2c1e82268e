"""Web Push to browsers, installed web apps and UnifiedPush (RFC 8030, 8291, 8292). It neither retries nor stores."""

from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
from pywebpush import WebPusher
from yarl import URL

from notifications.channels import USUAL, Accepted, Allowed, Gone, Later, Outcome, Parcel, Refused, egress, topic
from notifications.channels.addresses import WebPushAddress, check_endpoint
from notifications.channels.replies import retry_after
from notifications.channels.vapid import Signatures, VapidKeys

LONGEST = 3993
"""Bytes of plaintext: a push service need not take a body above 4096, and encryption adds 103 (RFC 8291, section 4)."""
PADDED = 512
# RFC 9110: 408 and 425 say try again, 429 too many. 406 is how the Windows service says that it throttles.
LATER = frozenset({406, 408, 425, 429})


class PushSettings(msgspec.Struct, frozen=True):
    keys: VapidKeys
    public_url: str
    allowed: Allowed = USUAL
    timeout: float = 10.0
    """Seconds for one message, from connecting to the answer."""


class WebPush:
    """Make it inside a running loop: it opens a session, unless given one, which should be one of egress.py."""

    kind: ClassVar[str] = "web_push"
    Address: ClassVar[type[msgspec.Struct]] = WebPushAddress
    limit: ClassVar[int] = 50

    def __init__(
        self, settings: PushSettings, now: Callable[[], float], session: aiohttp.ClientSession | None = None
    ) -> None:
        """`now`: seconds since 1970."""
        self._settings = settings
        self._now = now
        self._signatures = Signatures(settings.keys, now)
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)
        self._borrowed = session is not None
        self._session = session or egress.session(self.limit)

    async def send(self, address: WebPushAddress, parcel: Parcel) -> Outcome:
        try:
            origin = check_endpoint(address.endpoint, self._settings.allowed)
        except ValueError:
            return Refused("push endpoint is not allowed here")
        plain = payload(parcel, self._settings.public_url)
        if len(plain) > LONGEST:
            return Refused(f"message of {len(plain)} bytes is longer than {LONGEST}")
        try:
            body = seal(address, plain)
        except ValueError:
            return Gone("keys of the push subscription are unusable")
        return await self._post(address.endpoint, origin, headers(parcel), body)

    async def close(self) -> None:
        if not self._borrowed:
            await self._session.close()

    async def _post(self, endpoint: str, origin: str, head: dict[str, str], body: bytes) -> Outcome:
        host = origin.partition("//")[2]
        head["Authorization"] = self._signatures.header(origin)
        url = URL(endpoint, encoded=True)  # as the browser gave it: a push service need not know another spelling
        try:
            async with self._session.post(
                url, data=body, headers=head, timeout=self._timeout, allow_redirects=False
            ) as reply:
                if reply.status in {401, 403}:
                    self._signatures.forget(origin)
                return outcome(host, reply.status, reply.headers, self._now())
        except TimeoutError:
            return Later(f"{host} did not answer within {self._settings.timeout:g} s")
        except (aiohttp.ClientError, OSError) as trouble:
            return Later(f"{host}: {type(trouble).__name__}")  # its text may hold the whole endpoint


def payload(parcel: Parcel, public_url: str) -> bytes:
    """Declarative Web Push: Safari shows it by itself, for the others our service worker reads the same fields.

    `mutable` runs the service worker where there is one, so that it can send a receipt; should that fail, this is
    shown. The tag replaces an earlier try on the screen, as the Topic does on the way. Spaces, which JSON ignores, make
    most messages equally long, so that their length does not tell a check-in from a reminder.
    """
    notification = {
        "title": parcel.title,
        "body": parcel.body,
        "navigate": parcel.link(public_url),
        "tag": parcel.delivery_id,
        "lang": parcel.language,
    }
    return msgspec.json.encode({"web_push": 8030, "mutable": True, "notification": notification}).ljust(PADDED)


def seal(address: WebPushAddress, plain: bytes) -> bytes:
    """Encrypted for one browser; ValueError where its keys cannot be used.

    About 0.3 ms of CPU that blocks the loop, on purpose: a thread would cost a hop of 0.1 ms and compete for the same
    interpreter lock. What bounds the API's wait is how many sends start at once. The ephemeral key is new each time:
    reusing one would save half, and breaks RFC 8291.
    """
    address.raw_keys()  # the library checks neither length nor alphabet
    keys = {"p256dh": address.p256dh.rstrip("="), "auth": address.auth.rstrip("=")}
    pusher = WebPusher({"endpoint": address.endpoint, "keys": keys})
    return bytes(pusher.encode(plain, content_encoding="aes128gcm")["body"])


def headers(parcel: Parcel) -> dict[str, str]:
    return {
        "TTL": str(parcel.expires_in),
        "Urgency": parcel.urgency,
        "Topic": topic(parcel.delivery_id),  # the service keeps one undelivered message a topic
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
    }


def outcome(host: str, status: int, head: Mapping[str, str], now: float) -> Outcome:
    detail = f"{host} answered {status}"
    if 200 <= status < 300:
        return Accepted(_path_of(head.get("Location", "")))
    if status in {404, 410}:
        return Gone(detail)
    if status in LATER or status >= 500:
        return Later(detail, retry_after(head.get("Retry-After", ""), now))
    return Refused(detail)


def _path_of(location: str) -> str:
    try:
        return urlsplit(location).path[:200]
    except ValueError:
        return ""
