"""SECURITY.md says nothing that no test shows, leaves no requirement out; and what holds of the server as a whole."""

import logging
import re
import sys
from collections import Counter
from math import log2
from pathlib import Path

import pytest

from programs.instants import HOUR, MINUTE
from service.app import BODY_TAKES, LARGEST_BODY
from service.auth import limits, passwords, second_factor
from service.auth.enrolment import MOST_TRIES
from service.auth.tokens import DEVICE, SESSION
from service.clock import SetClock
from service.database import Database
from service.logs import Wordless
from service.serving import LARGEST_HEAD
from service.settings import Settings
from service.spreadsheet import LARGEST
from tests.service.application import built
from tests.service.matrix.door import ask
from tests.world import NOON

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
DOCUMENT = re.compile(r"`(service/docs/[\w-]+\.md)`")
WITHOUT = ("not applicable", "the operator's", "**not met**")
# Of OWASP ASVS 5.0: how many requirements each section has, and which of them are of level 3 alone.
SECTIONS = """
    1.1 2, 1.2 10 10, 1.3 12 12, 1.4 3, 1.5 3 3, 2.1 3, 2.2 3, 2.3 5 5, 2.4 2 2, 3.1 1 1, 3.2 3 3, 3.3 5 5, 3.4 8 7
    8, 3.5 8 6 7 8, 3.6 1 1, 3.7 5 3 4 5, 4.1 5 4 5, 4.2 5 2 3 4 5, 4.3 2, 4.4 4, 5.1 1, 5.2 6 4 5 6, 5.3 3 3, 5.4
    3, 6.1 3, 6.2 12, 6.3 8 5 6 7 8, 6.4 6 5 6, 6.5 8 6 7 8, 6.6 4 4, 6.7 2 1 2, 6.8 4, 7.1 3, 7.2 4, 7.3 2, 7.4 5,
    7.5 3 3, 7.6 2, 8.1 4 3 4, 8.2 4 4, 8.3 3 2 3, 8.4 2 2, 9.1 3, 9.2 4, 10.1 2, 10.2 3 3, 10.3 5 5, 10.4 16 12 13
    14 15 16, 10.5 5, 10.6 2, 10.7 3, 11.1 4 3 4, 11.2 5 4 5, 11.3 5 4 5, 11.4 4, 11.5 2 2, 11.6 2 2, 11.7 2 1 2,
    12.1 5 4 5, 12.2 2, 12.3 5 5, 13.1 4 2 3 4, 13.2 6 6, 13.3 4 3 4, 13.4 7 6 7, 14.1 2, 14.2 8 5 6 7 8, 14.3 3,
    15.1 5 4 5, 15.2 5 4 5, 15.3 7, 15.4 4 1 2 3 4, 16.1 1, 16.2 5, 16.3 4, 16.4 3, 16.5 4 4, 17.1 2 2, 17.2 8 5 6 7
    8, 17.3 2"""
BESIDE = {"6.3.8"}  # of level 3, and shown all the same


def required() -> set[str]:
    found = set()
    for line in SECTIONS.split(","):
        section, count, *third = line.split()
        found |= {f"{section}.{number}" for number in range(1, int(count) + 1) if str(number) not in third}
    return found


def rows() -> list[tuple[list[str], str, str]]:
    lines = (ROOT / "SECURITY.md").read_text("utf-8").splitlines()
    parts = [line.strip("| ").split(" | ") for line in lines if re.match(r"\| \d+\.\d+\.\d+", line)]
    return [(numbers.split(", "), control, shown) for numbers, control, shown in parts]


def test_every_requirement_of_levels_1_and_2_has_one_line() -> None:
    named = [number for numbers, _, _ in rows() for number in numbers]
    assert len(required()) == 253
    assert sorted(named) == sorted(required() | BESIDE)


def test_every_line_names_what_shows_it_and_that_exists() -> None:
    for numbers, control, shown in rows():
        tests, documents = TEST.findall(shown), DOCUMENT.findall(shown)
        assert control, numbers
        assert tests or documents or shown in WITHOUT, (numbers, shown)
        for file, name in tests:
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), (numbers, file, name)
        assert all((ROOT / file).exists() for file in documents), numbers


def kind(shown: str) -> str:
    if shown.startswith("**met otherwise**"):
        return "met otherwise than it is worded"
    if TEST.search(shown):
        return "a test"
    return {"**not met**": "not met", "the operator's": "the operator's to set up"}.get(
        shown, "a page of the documentation" if DOCUMENT.search(shown) else shown
    )


def test_the_totals_are_those_of_the_lines() -> None:
    """Of levels 1 and 2; a kind that has none stands there with 0 or not at all."""
    found = Counter(kind(shown) for numbers, _, shown in rows() for it in numbers if it not in BESIDE)
    said = re.findall(r"^\| ([a-z' ]+) \| (\d+) \|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.M)
    assert {name: int(count) for name, count in said if count != "0"} == dict(found)
    assert sum(found.values()) == 253


def test_the_limits_of_the_document_are_those_of_the_code() -> None:
    page = (ROOT / "service/docs/security.md").read_text("utf-8")
    units = {HOUR: "an hour", 10 * MINUTE: "in 10 minutes"}
    said = [f"| {it.tries} {units[it.per]} |" for it in limits.LIMITS]
    said += [f"| {Settings().api_requests_a_minute} a minute,", f"| {MOST_TRIES}, then it is void |"]
    said += [f"| {passwords.AT_ONCE}, and {passwords.MOST_WAITING} that wait |", f"within {BODY_TAKES} seconds"]
    said += [
        f"| {LARGEST_BODY // 1024**2} MiB,",
        f"| {LARGEST_HEAD // 1024} KiB |",
        f"at most {LARGEST // 1024**2} MiB",
    ]
    said += [f"| {(SESSION.idle or 0) // MINUTE} minutes | {(SESSION.lasts or 0) // HOUR} hours |"]
    said += [f"| {(DEVICE.idle or 0) // (24 * HOUR)} days | when it"]
    assert [it for it in said if it not in page] == []


def test_a_recovery_code_cannot_be_tried_out_by_whoever_reads_its_hash() -> None:
    """112 bits and more may be kept under a plain hash; the letters are drawn one by one, by the system."""
    codes = [second_factor.plain(it) for it in second_factor.make_recovery_codes()]
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert all(len(it) * log2(len(second_factor._ALPHABET)) >= 112 for it in codes)
    assert {mark for it in codes for mark in it} <= set(second_factor._ALPHABET)


def test_a_line_of_the_log_has_its_time_in_utc_and_an_error_without_its_words() -> None:
    try:
        raise ValueError("Ada") from KeyError("her note")
    except ValueError:
        record = logging.LogRecord("homestretch.jobs", logging.ERROR, "", 0, "a turn failed", (), sys.exc_info())
    record.created = 1_793_512_800.5
    record.msecs = 500.0
    first, second, *rest = Wordless().format(record).splitlines()
    assert first == "2026-11-01T06:00:00.500Z ERROR homestretch.jobs: a turn failed"
    assert second == "builtins.ValueError from builtins.KeyError"
    assert "Ada" not in first + second + rest[0].partition(", in ")[0]


# pages and their scripts


def test_our_scripts_keep_nothing_in_the_browser() -> None:
    scripts = list((ROOT / "service/console/static").glob("*.js"))
    assert len(scripts) >= 3
    for script in scripts:
        text = script.read_text("utf-8")
        for never in ("localStorage", "sessionStorage", "indexedDB", "document.cookie", "postMessage", "__proto__"):
            assert never not in text, (script.name, never)


def test_every_field_for_a_password_hides_it_and_lets_a_program_fill_it_in() -> None:
    fields = [
        field
        for page in (ROOT / "service/console/templates").glob("*.html")
        for field in re.findall(r"<input[^>]*name=\"password\"[^>]*>", page.read_text("utf-8"))
    ]
    assert len(fields) >= 2
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(?:current|new)-password"', field)
        assert "onpaste" not in field


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_server_shows_no_folder_no_source_and_no_trace(database: Database) -> None:
    app = built(Settings(), database, SetClock(NOON))
    for path in (
        "/console",
        "/console/",
        "/.git/config",
        "/console/.git/config",
        "/service/app.py",
        "/exercises/..",
        "/console/../app.py",
        "/console/%2e%2e/app.py",
        "/exercises/%2e%2e%2fapp.py",
        "/exercises",
    ):
        assert (await ask(app, "GET", path, "", [], b"")).status in (404, 405), path
    for path in ("/", "/sign-in", "/api/v1/me/today"):
        assert (await ask(app, "TRACE", path, "", [], b"")).status == 405, path


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_leads_from_http_to_https(database: Database) -> None:
    """A program that sends its token in the clear must hear of it; a redirect would let that go on unseen."""
    app = built(Settings(public_url="https://aftercare.example.org"), database, SetClock(NOON))
    seen = set()
    for path in ("/", "/sign-in", "/console/pages.css", "/api/v1/me/today", "/api/v1/clinics/riverside", "/healthz"):
        reply = await ask(app, "GET", path, "", [], b"")
        seen.add(reply.status)
        assert not reply.header(b"location").startswith(b"http"), path
        assert not path.startswith("/api") or reply.status == 401, path
    assert {200, 401} <= seen
