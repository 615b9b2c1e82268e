"""What holds for every channel because it is on the list."""

import subprocess
import sys

import msgspec
import pytest

from notifications.channels import ADDRESSES, Accepted, Channel, Gone, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import EmailAddress
from notifications.channels.sending import CHANNELS

HEAVY = ("aiohttp", "pywebpush", "requests", "aiosmtplib")


def test_every_channel_has_an_address_and_every_address_a_channel() -> None:
    assert [channel.Address for channel in CHANNELS] == list(ADDRESSES)
    assert [channel.kind for channel in CHANNELS] == [form.kind for form in ADDRESSES]


def test_every_address_declares_what_its_channel_can_promise() -> None:
    for form in ADDRESSES:
        promises = (form.idempotent, form.collapses, form.receipts)
        assert all(type(it) is bool for it in promises), form.kind
        assert form.rate is None or 0 < form.rate <= 10_000, form.kind
        assert form.held == "" or form.held in form.__struct_fields__, form.kind


def test_what_is_shown_of_an_address_cannot_be_used_to_reach_it() -> None:
    for form in ADDRESSES:
        address = form(**{field: f"https://host.example/{field}/CANARY" for field in form.__struct_fields__})
        assert "CANARY" not in address.shown
        assert repr(address) == f"{form.__name__}({address.shown})"
    assert EmailAddress("ada.CANARY@example.org").shown == "...@example.org"


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_bounds_what_is_in_flight(channel: type[Channel]) -> None:
    assert 1 <= channel.limit <= 100


def test_reading_addresses_does_not_import_what_sends() -> None:
    found = f"import notifications.channels, sys; print([name for name in {HEAVY} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", found], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("outcome", [Accepted("x"), Gone("x"), Later("x", 1.5), Later("x"), Refused("x")])
def test_every_outcome_is_read_back_as_it_was_written(outcome: Outcome) -> None:
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) == outcome


@pytest.mark.parametrize("public_url", ["https://care.example.org", "https://care.example.org/"])
def test_a_link_has_one_slash(public_url: str, parcel: Parcel) -> None:
    assert parcel.link(public_url) == "https://care.example.org/open/5fJx0Q"
