"""Whoever runs the server decides who signs in: the first admin, invitations, and putting somebody out."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from programs import people
from service.auth import staff
from service.auth.tickets import find_ticket
from service.auth.tokens import make_token, tokens_of
from service.cli import main
from service.clock import SystemClock
from service.database import connect
from service.settings import Settings
from service.staff_command import first_words
from tests.world import BEN, CLINIC, populate

EMAIL = "ben@riverside.example"
CREATE = ("clinic", "create", "Hill Physio", "--zone", "Europe/Dublin", "--country", "ie", "--phone", "+353 1 555 0100")
INVITE = ("staff", "invite", "Riverside", EMAIL, "--name", "Ben")
INVITE_ADMIN = ("staff", "invite", "Riverside", "cleo@riverside.example", "--name", "Cleo", "--role", "admin")
LINK = re.compile(r"https://aftercare\.example\.org/join#([A-Za-z0-9_-]{43})\n")

Command = Callable[..., Result]


@pytest.fixture
def homestretch(database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A command on this database, in this process."""
    monkeypatch.chdir(tmp_path)
    settings = {"HOMESTRETCH_DATABASE_URL": database_url, "HOMESTRETCH_PUBLIC_URL": "https://aftercare.example.org"}

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, words, env=settings)

    return run


def ask(url: str, verb: Callable[..., Any], *args: Any) -> Any:
    async def once() -> Any:
        async with await connect(url, {}) as db:
            return await db.write(verb, *args)

    return asyncio.run(once())


def test_a_clinic_is_made_once_and_with_what_it_needs(homestretch: Command, database_url: str) -> None:
    said = homestretch(*CREATE)
    assert said.exit_code == 0, said.output
    it = ask(database_url, people.clinic_of, said.stdout.strip())
    assert (it.name, it.zone, it.country, it.phone) == ("Hill Physio", "Europe/Dublin", "IE", "+353 1 555 0100")
    assert "There is a clinic named Hill Physio already" in homestretch(*CREATE).stderr
    for wrong, right in (("Europe/Dublin", "Europe/Dubin"), ("ie", "Ireland"), ("+353 1 555 0100", " ")):
        refused = homestretch(*(right if word == wrong else word for word in CREATE), "--")
        assert refused.exit_code == 1
        assert refused.stderr.startswith("Error: ")


def test_somebody_is_invited_listed_put_out_and_let_in_again(homestretch: Command, database_url: str) -> None:
    ask(database_url, populate)
    said = homestretch(*INVITE)
    assert said.exit_code == 0, said.output
    link = LINK.fullmatch(said.stdout)
    assert link
    now = SystemClock().now()
    ticket = ask(database_url, find_ticket, link[1], now, ["invitation"])
    assert (ticket.who.clinic, ticket.who.id) == (CLINIC, BEN.id), "the clinician of that name who was there"
    assert homestretch("staff", "list").stdout == f"Riverside\t{EMAIL}\tBen\tclinician\tinvited\n"
    assert "already" in homestretch(*INVITE).stderr

    ask(database_url, make_token, BEN, now)
    assert homestretch("staff", "disable", EMAIL.upper()).stdout == f"{EMAIL.upper()} is out.\n"
    assert ask(database_url, tokens_of, BEN, now) == []
    assert ask(database_url, find_ticket, link[1], now, ["invitation"]) is None
    assert "\tdisabled " in homestretch("staff", "list").stdout
    assert ask(database_url, staff.by_email, EMAIL).ended_at is not None

    again = LINK.fullmatch(homestretch("staff", "reset", EMAIL).stdout)
    assert again
    assert ask(database_url, find_ticket, again[1], now, ["invitation"])
    assert ask(database_url, staff.by_email, EMAIL).ended_at is None
    assert LINK.fullmatch(homestretch(*INVITE_ADMIN).stdout)
    assert "cleo@riverside.example\tCleo\tadmin\tinvited" in homestretch("staff", "list").stdout
    last = homestretch("staff", "disable", "cleo@riverside.example")
    assert (last.exit_code, "Nobody else runs this clinic" in last.stderr) == (1, True)
    wrong = homestretch("staff", "disable", "bin@riverside.example")
    assert (wrong.exit_code, wrong.stderr) == (1, f"Error: nobody has this e-mail. Did you mean “{EMAIL}”?\n")


def test_the_first_start_prints_one_link_and_a_later_one_none(homestretch: Command, database_url: str) -> None:
    settings = Settings(database_url=database_url, public_url="https://aftercare.example.org")
    codes = []
    for _ in range(2):
        found = LINK.search("\n".join(asyncio.run(first_words(settings))) + "\n")
        assert found
        codes.append(found[1])
    now = SystemClock().now()
    assert ask(database_url, find_ticket, codes[0], now, ["first"]) is None, "the newer one voids it"
    assert ask(database_url, find_ticket, codes[1], now, ["first"])
    ask(database_url, populate)
    words = "\n".join(asyncio.run(first_words(settings)))
    assert "homestretch staff invite CLINIC EMAIL --role admin" in words
    assert "#" not in words
    homestretch(*INVITE)
    assert asyncio.run(first_words(settings)) == []
