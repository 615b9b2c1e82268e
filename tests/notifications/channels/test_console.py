import pytest

from notifications.channels import Accepted, Parcel
from notifications.channels.addresses import ConsoleAddress
from notifications.channels.console import Console
from tests.notifications.channels.conftest import PUBLIC_URL

LINE = "to Ada: Homestretch - You have a new check-in. (https://care.example.org/open/5fJx0Q)"


async def test_it_writes_one_line_a_message(parcel: Parcel) -> None:
    lines: list[str] = []
    console = Console(PUBLIC_URL, lines.append)
    assert await console.send(ConsoleAddress("Ada"), parcel) == Accepted()
    await console.close()
    assert lines == [LINE]


async def test_it_prints_where_nothing_else_was_said(parcel: Parcel, capsys: pytest.CaptureFixture[str]) -> None:
    await Console(PUBLIC_URL).send(ConsoleAddress("Ada"), parcel)
    assert capsys.readouterr().out == LINE + "\n"
