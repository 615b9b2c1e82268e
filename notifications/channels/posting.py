"""One POST to a provider of the operator's own choice: what it answered, or Later. It neither retries nor follows.

Not for addresses that strangers choose: those go through egress.py, which looks where a name leads.
"""

from typing import Any

import aiohttp
import msgspec

from notifications.channels import Later
from notifications.channels.replies import retry_after

LONGEST_REPLY = 64 * 1024


class Reply(msgspec.Struct, frozen=True):
    status: int
    said: Any
    """The JSON of the body; None where it is none."""
    after: float | None
    """How many seconds it asked us to wait."""


def session(limit: int) -> aiohttp.ClientSession:
    """No cookies, no proxy of the environment; connections are kept."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "Homestretch"},
        trust_env=False,
    )


class Post:
    """`name` is who is asked, as logs may show it; `timeout` is for all of it, from connecting to the last byte."""

    def __init__(self, name: str, limit: int, timeout: float) -> None:
        self._name = name
        self._session = session(limit)
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def __call__(self, url: str, body: Any, authorization: str, now: float) -> Reply | Later:
        head = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        data = msgspec.json.encode(body)
        try:
            async with self._session.post(
                url, data=data, headers=head, timeout=self._timeout, allow_redirects=False
            ) as reply:
                text = await reply.content.read(LONGEST_REPLY)
                return Reply(reply.status, _json(text), retry_after(reply.headers.get("Retry-After", ""), now))
        except TimeoutError:
            return Later(f"{self._name} did not answer within {self._timeout.total:g} s")
        except (aiohttp.ClientError, OSError) as trouble:  # its text may hold the address
            return Later(f"{self._name}: {type(trouble).__name__}")

    async def close(self) -> None:
        await self._session.close()


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
