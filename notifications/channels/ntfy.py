"""Push through the operator's own ntfy server, for phones without Google's or Apple's services. It neither retries nor
stores.

Whoever knows a topic can read it, so a topic is a secret of its patient; what is sent holds fixed words and a link.
"""

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from notifications.channels import Accepted, Later, Outcome, Parcel, Refused, topic
from notifications.channels.addresses import NtfyAddress
from notifications.channels.posting import Post, Reply

HIGH, USUAL = 4, 3
# 401: our token; 404: no ntfy at this place. Both heal when the operator mends them. A topic that our token may not
# write to is 403, and about that topic only.
LATER = frozenset({401, 404, 408, 425, 429})


class NtfySettings(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    """https://ntfy.example.org"""
    token: str = ""
    public_url: str
    timeout: float = 10.0

    def __repr__(self) -> str:
        return f"NtfySettings({self.host})"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


class Ntfy:
    """Make it inside a running loop: it opens a session."""

    kind: ClassVar[str] = "ntfy"
    Address: ClassVar[type[msgspec.Struct]] = NtfyAddress
    limit: ClassVar[int] = 10

    def __init__(self, settings: NtfySettings, now: Callable[[], float]) -> None:
        """`now`: seconds since 1970."""
        self._settings = settings
        self._now = now
        self._authorization = f"Bearer {settings.token}" if settings.token else ""
        self._post = Post("ntfy", self.limit, settings.timeout)

    async def send(self, address: NtfyAddress, parcel: Parcel) -> Outcome:
        body = payload(address, parcel, self._settings.public_url)
        reply = await self._post(self._settings.url, body, self._authorization, self._now())
        return reply if isinstance(reply, Later) else outcome(reply)

    async def close(self) -> None:
        await self._post.close()


def payload(address: NtfyAddress, parcel: Parcel, public_url: str) -> dict[str, Any]:
    """The sequence id replaces an earlier try on the screen, from ntfy 2.16 on; an older server shows both."""
    return {
        "topic": address.topic,
        "title": parcel.title,
        "message": parcel.body,
        "click": parcel.link(public_url),
        "priority": HIGH if parcel.urgency == "high" else USUAL,
        "sequence_id": topic(parcel.delivery_id),
    }


def outcome(reply: Reply) -> Outcome:
    detail = f"ntfy answered {reply.status}"
    if reply.status == 200 and isinstance(reply.said, dict) and isinstance(reply.said.get("id"), str):
        return Accepted(reply.said["id"][:64])
    if 200 <= reply.status < 300:
        return Later(f"{detail}, but not as ntfy does")
    if reply.status in LATER or reply.status >= 500:
        return Later(detail, reply.after)
    return Refused(detail)
