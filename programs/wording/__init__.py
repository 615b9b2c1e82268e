"""Every sentence of check-ins and triage that a patient reads, one file a language; exercises bring their own words.

A language is added as one file named by its code. What a file leaves out is said in English: no words would be worse.
A question that was ever asked keeps its words, in every language; it is retired, not reworded.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec


class QuestionWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` in the order of the question's own. `urgent` stands beside a question where nobody weighs the answer:
    on paper, and at a clinic that has switched triage off."""

    text: str
    options: tuple[str, ...] = ()
    urgent: str = ""


class Safety(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tier tells the patient (clinical.md 2.4); `local_number` stands where no number is known."""

    emergency: str
    same_day: str
    next_visit: str
    phone: str
    phone_unknown: str
    unwell: str
    local_number: str


class Forms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes around the questions. The letters are those that are sent back by text message."""

    title: str
    yes: str
    no: str
    yes_letter: str
    no_letter: str
    none: str
    worst: str
    free_text: str
    triage_off: str
    how_to_reply: str
    how_to_write: str


class OutcomeWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ "My activities" and the one-item change, in our own words (clinical.md 3.2)."""

    intro: str
    add: str
    rate: str
    unable: str
    able: str
    change: str
    much_worse: str
    no_change: str
    much_better: str


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    questions: Mapping[str, QuestionWords]
    safety: Safety
    forms: Forms
    outcomes: OutcomeWords


@cache
def languages() -> Mapping[str, Words]:
    """Language code -> its words, English first."""
    found = {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in files("programs.wording").iterdir()
        if file.name.endswith(".toml")
    }
    english = tomllib.loads(found["en"])
    whole = {code: _filled(tomllib.loads(text), english) for code, text in sorted(found.items(), key=_english_first)}
    return {code: msgspec.convert(it, Words) for code, it in whole.items()}


def words(language: str) -> Words:
    return languages().get(language) or languages()["en"]


def _english_first(file: tuple[str, str]) -> tuple[bool, str]:
    return file[0] != "en", file[0]


def _filled(it: Mapping[str, object], english: Mapping[str, object]) -> dict[str, object]:
    """What is missing at any depth comes from English; what English does not know stays, and is refused."""
    found = {**english, **it}
    for key, value in found.items():
        before = english.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            found[key] = _filled(value, before)
    return found
