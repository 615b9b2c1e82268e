"""Whose address a request has: what a stranger writes into its headers changes nothing."""

import random
from typing import Any

import pytest

from service.auth.peer import address_of, network, networks
from service.settings import SettingsError, read

PROXY = networks(("10.0.0.0/8", "fd00::/8"))


def scope(peer: str | None, *forwarded: str, **others: str) -> Any:
    headers = [(b"x-forwarded-for", it.encode("latin-1")) for it in forwarded]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in others.items()]
    return {"client": (peer, 4711) if peer else None, "headers": headers}


def test_without_a_proxy_named_no_header_is_believed() -> None:
    """Litestar's CVE-2025-59152: a rate limit that could be turned by writing another X-Forwarded-For each time."""
    chance = random.Random(1)
    said = [".".join(str(chance.randrange(256)) for _ in range(4)) for _ in range(1000)]
    assert {address_of(scope("203.0.113.9", it), ()) for it in said} == {"203.0.113.9"}
    assert {address_of(scope("203.0.113.9", it), PROXY) for it in said} == {"203.0.113.9"}


def test_behind_a_proxy_what_the_stranger_wrote_himself_is_not_believed_either() -> None:
    """The proxy adds the address it was called from at the right end; all that is left of it is the stranger's."""
    for number in range(1000):
        said = f"198.51.100.{number % 256}, 10.0.0.{number % 256}, 192.0.2.{number % 7}, 203.0.113.9"
        assert address_of(scope("10.0.0.1", said), PROXY) == "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9, 10.0.0.2",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9", "10.0.0.2"), "203.0.113.9"),  # one header a proxy: the later stands right
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),  # from within
        ("10.0.0.1", ("203.0.113.9:55012",), "203.0.113.9"),
        ("fd00::1", ("[2001:db8::5]:443",), "2001:db8::5"),
        ("fd00::1", ("2001:db8::5",), "2001:db8::5"),
        ("::ffff:10.0.0.1", ("::ffff:203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", ("203.0.113.9, unknown",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9, ",), "10.0.0.1"),
        ("10.0.0.1", ("fe80::1%a-name-of-ones-own",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.9\xff",), "10.0.0.1"),
        ("10.0.0.1", ("127.0.0.1",), "127.0.0.1"),
        (None, ("203.0.113.9",), "unknown"),
        ("testclient", ("203.0.113.9",), "unknown"),
    ],
)
def test_the_nearest_that_is_not_ours(peer: str | None, forwarded: tuple[str, ...], expected: str) -> None:
    assert address_of(scope(peer, *forwarded), PROXY) == expected


def test_a_header_without_end_is_read_from_the_right_and_no_further_than_it_must_be() -> None:
    assert address_of(scope("10.0.0.1", "203.0.113.9, " + ", ".join(["10.0.0.2"] * 100_000)), PROXY) == "10.0.0.2"


def test_no_other_header_names_an_address() -> None:
    others = {"x_real_ip": "1.2.3.4", "forwarded": "for=1.2.3.4", "x_forwarded_host": "evil.test"}
    assert address_of(scope("10.0.0.1", **others), PROXY) == "10.0.0.1"


def test_the_addresses_of_one_household_are_one() -> None:
    """Each IPv6 host has 2^64 addresses to rotate through."""
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2:ffff::") == "2001:db8:1:2::/64"
    assert network("2001:db8:1:3::1") != network("2001:db8:1:2::1")
    assert (network("203.0.113.9"), network("::ffff:203.0.113.9"), network("unknown")) == (
        "203.0.113.9",
        "203.0.113.9",
        "unknown",
    )


@pytest.mark.parametrize("written", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example.org", "10.0.0"])
def test_a_setting_that_would_believe_everybody_or_means_nothing_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match="HOMESTRETCH_TRUSTED_PROXIES: "):
        read({"HOMESTRETCH_TRUSTED_PROXIES": f"192.0.2.7, {written}"})
