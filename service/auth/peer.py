"""From which network address a request comes. It believes a header only from a proxy the operator named.

X-Forwarded-For is written by whoever sends it, and each proxy on the way adds at its right end the address it was
called from. So it is read from the right, as long as the one that wrote is one of ours; what is left of that may be
anything. X-Forwarded-Host, X-Real-IP and Forwarded are never read.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from litestar.types import Scope

Network = IPv4Network | IPv6Network
MOST_HOPS = 20
UNKNOWN = "unknown"  # a socket of the file system has no address


@cache
def networks(written: tuple[str, ...]) -> tuple[Network, ...]:
    """ValueError for what is no network; a single address is one."""
    found = tuple(ip_network(it) for it in written)
    if any(it.prefixlen == 0 for it in found):
        raise ValueError("everybody would be a trusted proxy, and could say to come from anywhere")
    return found


def address_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """The nearest address that is not one of our proxies; with none named, whoever opened the connection."""
    client = scope.get("client")
    nearest = _read(client[0]) if client else None
    if nearest is None:
        return UNKNOWN
    if trusted:
        for hop in _hops(scope):
            if not any(nearest in it for it in trusted):
                break
            said = _read(hop)
            if said is None:  # our own proxy wrote something else than an address: then it is the nearest we know
                break
            nearest = said
    return str(nearest)


def network(address: str) -> str:
    """What one household or attacker has to itself: an IPv4 address, or the 64 bits an IPv6 host can change at will."""
    found = _read(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found or address)


def _hops(scope: Scope) -> list[str]:
    """Those of all the headers of that name, last first."""
    written = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return ",".join(written).split(",")[: -MOST_HOPS - 1 : -1] if written else []


@lru_cache(4096)  # the same few thousand ask again and again
def _read(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write a port behind it. A zone (`%eth0`) would be a name that the caller may choose: no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    return found.ipv4_mapped or (None if found.scope_id else found)
