"""Holds every statement of the application against the first wall: a clinic's table is asked for one clinic's rows.

Listens to every engine of the test run, of both databases, and of the workers that tests start beside it. What a test
itself asks for, with the statement in the test, is its own matter.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from types import FrameType
from typing import Any

from service.walls import WALLED

# Where a statement is of no clinic, and why it must be.
OF_NO_CLINIC = {
    "notifications.outbox:earliest": "the worker wakes for whatever is due first",
    "notifications.outbox:behind": "and looks whose messages must be laid out further",
    "notifications.claiming:_take": "the claim takes what is due, whosever it is; from there it goes clinic by clinic",
    "notifications.claiming:_in_turn": "and who waits for a turn of it",
    "notifications.aside:count": "whoever runs the service is told how many wait for them",
    "notifications.addresses:stop_mail": "a link in a mail names a message, and its 128 bits are the proof",
    "notifications.history:clinic_with": "the operator names a message, by the same 128 bits",
    "service.audit:chains": "the operator verifies the chain of each clinic, one after the other",
    "programs.rollup:stale": "the worker looks whose weeks must be counted again",
    "programs.people:clinics_of": "which clinics there are, for housekeeping that then goes clinic by clinic",
    "service.auth.tokens:find_token": "a token is looked up by its hash before any clinic is known",
    "service.auth.tickets:find_ticket": "a step on the way in is looked up by its hash",
    "service.auth.tickets:lock": "held while it is looked at",
    "service.auth.tickets:use_ticket": "and used up",
    "service.auth.tickets:remember": "or gone on with",
    "service.auth.tickets:forget_tickets": "and forgotten a day after its end",
    "service.auth.staff:by_email": "whoever signs in names an e-mail address and no clinic",
    "service.auth.staff:by_subject": "or their provider names them",
    "service.auth.staff:passkey_of": "and a passkey only itself",
    "service.auth.staff:all_staff": "the operator looks for somebody by name",
    "service.auth.staff:is_anybody": "the first start asks whether anybody can sign in yet",
    "service.auth.enrolment:_clinic_of": "a code is looked up by its hash before any clinic is known",
    "service.token_command:_for": "the operator names a clinic",
    "service.staff_command:_clinics": "the operator names a clinic",
    "service.key_command:_clinic": "the operator names a clinic",
    "service.demo:_check_empty": "the demo wants a database without any clinic",
}
OURS = ("service.", "notifications.", "programs.")

_ONE = r"\w+(?:\s+AS\s+\w+)?"
_LISTED = re.compile(rf"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+({_ONE}(?:\s*,\s*{_ONE})*)", re.IGNORECASE)
_NAMED = re.compile(r"(\w+)(?:\s+AS\s+(\w+))?", re.IGNORECASE)
_BOUND = re.compile(r"(?:(\w+)\.)?clinic_id (?:=|IN) (?:\?|%\(|:|\()", re.IGNORECASE)
_JOINED = re.compile(r"(\w+)\.clinic_id = (\w+)\.clinic_id", re.IGNORECASE)

# Faults found where something caught what was raised.
faults: list[str] = []


def watch(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    """An event of SQLAlchemy: before each statement."""
    if _is_of_a_clinic(statement):
        return
    place = _place()
    if place is None or place in OF_NO_CLINIC:
        return
    found = f"{place} asks a clinic's table for rows of any clinic: {' '.join(statement.split())[:400]}"
    faults.append(found)
    raise AssertionError(f"{found}. Name its clinic, or the place and the reason in OF_NO_CLINIC.")


def _place() -> str | None:
    """The function of ours that executes the statement; None where a test does, or a migration."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("tests.", "service.migrations", "service.walls")):
            return None
        if module.startswith(OURS):
            return f"{module}:{frame.f_code.co_name}"
        frame = frame.f_back
    return None


@cache
def _is_of_a_clinic(statement: str) -> bool:
    statement = statement.replace('"', "")
    named = _tables(statement)
    if not named:
        return True
    if re.match(r"\s*INSERT", statement, re.IGNORECASE):
        return "clinic_id" in statement
    bound = set(_bound(statement, named))
    joined: dict[str, set[str]] = defaultdict(set)
    for one, other in _JOINED.findall(statement):
        joined[one].add(other)
        joined[other].add(one)
    waiting = list(bound)
    while waiting:
        for other in joined[waiting.pop()] - bound:
            bound.add(other)
            waiting.append(other)
    return set(named) <= bound


def _tables(statement: str) -> dict[str, str]:
    """Alias -> table, of the clinics' tables in it."""
    found = {alias or table: table for listed in _LISTED.findall(statement) for table, alias in _NAMED.findall(listed)}
    return {alias: table for alias, table in found.items() if table in WALLED}


def _bound(statement: str, named: dict[str, str]) -> Iterator[str]:
    for alias in _BOUND.findall(statement):
        if alias:
            yield alias
        elif len(named) == 1:
            yield from named
