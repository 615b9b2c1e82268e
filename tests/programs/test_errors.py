"""Errors speak twice: one line for the log, words for the person, and neither says too much."""

import copy
import pickle

import pytest

from programs.errors import Conflict, Invalid, NoSuchRecord, ProgramsError, did_you_mean

ERRORS = (
    (ProgramsError(), "request refused"),
    (Invalid("sets", "must be from 1 to 10"), "invalid: sets: must be from 1 to 10"),
    (NoSuchRecord("plan", "p1"), "no such record: plan: p1"),
    (Conflict("plan already ended"), "conflict: plan already ended"),
)


@pytest.mark.parametrize(("error", "line"), ERRORS, ids=lambda value: type(value).__name__)
def test_the_log_gets_one_line_of_what_which_why(error: ProgramsError, line: str) -> None:
    assert str(error) == line


@pytest.mark.parametrize(("error", "line"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_survives_copying_and_another_process(error: ProgramsError, line: str) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(twin), twin.person) == (line, error.person)


def test_the_person_is_not_shown_what_kind_of_row_is_missing_nor_its_id() -> None:
    person = NoSuchRecord("needling_session", "n-17").person
    assert "n-17" not in person
    assert "needling" not in person


def test_a_hint_is_for_the_person_and_never_for_the_log() -> None:
    error = Invalid("pain_limit", "must be from 0 to 10", "Did you mean “gluteus medius”?")
    assert error.person == "pain limit: must be from 0 to 10. Did you mean “gluteus medius”?"
    assert "gluteus" not in str(error)


def test_a_conflict_may_say_more_to_the_person() -> None:
    assert Conflict("check-in closed", "This check-in is closed.").person == "This check-in is closed."
    assert Conflict("check-in closed").person == Conflict.to_person


def test_the_hint_names_the_nearest_known_word_or_nothing() -> None:
    assert did_you_mean("walkin", ("walking", "clamshell")) == "Did you mean “walking”?"
    assert did_you_mean("zzzz", ("walking", "clamshell")) == ""
    assert did_you_mean("w" * 1_000_000, ("walking",)) == ""
