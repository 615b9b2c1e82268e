"""Where this server may connect to when it posts to an address a stranger chose: nowhere inside.

The host was compared with a list (addresses.py). But a name says where it leads only when it is looked up, and it may
say something else the next time; so each look-up is judged, and what was judged is what is connected to. Addresses are
listed one by one: Python's own `is_global` is true for ways round through IPv6, `is_private` false for 100.64.0.0/10.
"""

import socket
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

FORBIDDEN = tuple(
    ip_network(it)
    for it in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; there clouds keep their secrets
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays to 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # many
        "240.0.0.0/4",  # reserved, and everybody
        "::/96",  # unspecified, loopback, and IPv4 in the oldest way
        "::ffff:0:0/96",  # IPv4 in IPv6
        "::ffff:0:0:0/96",
        "64:ff9b::/96",  # IPv4 through a translator
        "64:ff9b:1::/48",
        "100::/64",  # discarded
        "2001::/23",  # Teredo and other special uses
        "2001:db8::/32",  # documentation
        "2002::/16",  # IPv4 through 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",  # local
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


class Inside(OSError):
    """The name leads to an address this server must not be sent to."""


def is_outside(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.scope_id:
        return False
    return not any(found in network for network in FORBIDDEN if network.version == found.version)


class Outside(AbstractResolver):
    """Looks names up, and refuses an answer in which any address lies inside."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_outside(it["host"]) for it in found):
            raise Inside("a push service leads inside")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def session(limit: int, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """For requests to where strangers say. No cookies, no proxy of the environment, no name that leads inside."""
    options: dict[str, Any] = {"limit": limit, "ttl_dns_cache": 300, "resolver": Outside(resolver)}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**options),
        cookie_jar=aiohttp.DummyCookieJar(),  # one patient's push must not carry what another's answer set
        headers={"User-Agent": "Homestretch"},
        trust_env=False,
    )
