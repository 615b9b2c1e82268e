"""Every sentence a patient reads in the app, one file a language. The English of an exercise stands in its card.

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


class CardWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One exercise in one language. `care` holds what to watch for, `cautions` what to do under each profile flag."""

    title: str
    start: str
    steps: tuple[str, ...]
    easier: str
    feel: str
    harder: str = ""
    care: tuple[str, ...] = ()
    cautions: Mapping[str, str] = {}


class EveryCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`stop` is clinical.md 4.3 [K]; `gentle` how a stretch is done in phase A, 4.2 [P]."""

    stop: str
    gentle: str


class DosageWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parts of "3 sets of 10, hold 5 seconds, each side, twice a day, on Monday and Friday"."""

    once: str
    twice: str
    times: str
    minute: str
    minutes: str
    second: str
    seconds: str
    hold: str
    sets: str
    a_day: str
    left: str
    right: str
    both: str
    on: str
    together: str = msgspec.field(name="and")
    days: tuple[str, str, str, str, str, str, str]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    questions: Mapping[str, QuestionWords]
    safety: Safety
    forms: Forms
    outcomes: OutcomeWords
    cards: EveryCard
    dosage: DosageWords
    exercises: Mapping[str, CardWords] = {}


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
