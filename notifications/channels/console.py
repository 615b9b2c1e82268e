"""Prints each message on a line, so that `make run` needs no credentials. It is not for patients."""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from notifications.channels import Accepted, Outcome, Parcel
from notifications.channels.addresses import ConsoleAddress


class Console:
    kind: ClassVar[str] = "console"
    Address: ClassVar[type[msgspec.Struct]] = ConsoleAddress
    limit: ClassVar[int] = 1

    def __init__(self, public_url: str, write: Callable[[str], object] = print) -> None:
        self._public_url = public_url
        self._write = write

    async def send(self, address: ConsoleAddress, parcel: Parcel) -> Outcome:
        self._write(f"to {address.label}: {parcel.title} - {parcel.body} ({parcel.link(self._public_url)})")
        return Accepted()

    async def close(self) -> None:
        """Nothing is open."""
