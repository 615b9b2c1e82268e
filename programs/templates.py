"""Reusable programs and what to think of a list of prescriptions; a patient's own program is plans.py.

Nothing here prescribes: a clinician picks from suggestions, and warnings warn.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from programs.cards import OURS, Card, Cards, card_of
from programs.dosage import Dosage, Prescription, check_prescription, minutes_a_day
from programs.exercises import FLAGS, PHASES, Phase, find, shelf, unusual
from programs.muscles import find as find_muscle
from programs.muscles import overlap
from programs.wording import words

WARN_ABOVE = 4  # exercises; Bachmann 2018 names fewer than 4, Henry 1999: 2 are done better than 8 [S]; limits [P]
MINUTES_A_DAY = 30  # [P]

_WHEN: Mapping[Phase, str] = {"A": "first 24 hours", "B": "24 to 48 hours", "C": "after 48 hours"}


class Template(msgspec.Struct, frozen=True):
    """`title` is for clinicians; patients see the titles of the exercises."""

    id: str
    title: str
    prescriptions: tuple[Prescription, ...]
    version: int = 0  # of a clinic's own; ours have none


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A needled muscle of clinical.md 4.5 and its exercise ids by phase."""

    id: str
    title: str
    muscles: tuple[str, ...]
    A: tuple[str, ...]
    B: tuple[str, ...]
    C: tuple[str, ...]


class _Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`dosage` changes parts of an exercise's own dose, by exercise."""

    id: str
    title: str
    exercises: tuple[str, ...]
    dosage: Mapping[str, Mapping[str, Any]] = {}


class _Shelf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    muscle: tuple[_Row, ...]
    program: tuple[_Program, ...]


@cache
def _read() -> _Shelf:
    return msgspec.convert(tomllib.loads((shelf() / "templates.toml").read_text("utf-8")), _Shelf)


@cache
def templates() -> Mapping[str, Template]:
    """Every template of the package by id: one for each muscle and phase, such as "iliopsoas_b", and whole programs."""
    found = [
        Template(f"{row.id}_{phase.lower()}", f"{row.title}, {_WHEN[phase]}", _in_phase(row, phase))
        for row in _read().muscle
        for phase in PHASES
    ]
    found += [Template(program.id, program.title, _whole(program)) for program in _read().program]
    return MappingProxyType({template.id: template for template in found})


def suggestions(muscle: str) -> dict[Phase, list[Prescription]]:
    """What clinical.md 4.5 lists for this muscle, by phase; empty lists where it lists none. Invalid if unknown."""
    id = find_muscle(muscle).id
    rows = [row for row in _read().muscle if any(overlap(id, listed) for listed in row.muscles)]
    return {phase: list(dict.fromkeys(p for row in rows for p in _in_phase(row, phase))) for phase in PHASES}


def _in_phase(row: _Row, phase: Phase) -> tuple[Prescription, ...]:
    ids: tuple[str, ...] = getattr(row, phase)
    return tuple(_prescribe(id, gentle=phase == "A") for id in ids)


def _prescribe(id: str, gentle: bool) -> Prescription:
    exercise = find(id)
    note = words("en").cards.gentle if gentle and exercise.gentle else ""
    return _checked(Prescription(id, exercise.dosage, note=note))


def _whole(program: _Program) -> tuple[Prescription, ...]:
    return tuple(_checked(Prescription(id, _dose(program, id))) for id in program.exercises)


def _dose(program: _Program, id: str) -> Dosage:
    return msgspec.structs.replace(find(id).dosage, **program.dosage.get(id, {}))


def _checked(prescription: Prescription) -> Prescription:
    check_prescription(prescription)
    return prescription


def warnings(
    prescriptions: Sequence[Prescription], times: int = 1, budget: int = MINUTES_A_DAY, known: Cards = OURS
) -> list[str]:
    """What a clinician should see before saving: too many exercises, too long a day, an unusual dose.

    `times` are the plan's times of day; `budget` the clinic's minutes a day; `known` its exercises.
    """
    found = []
    if len(prescriptions) > WARN_ABOVE:
        found.append(
            f"{len(prescriptions)} exercises. Fewer are done better: a recommendation is fewer than 4 "
            "(Bachmann 2018), and 2 were done better than 8 (Henry 1999)."
        )
    minutes = busiest_day(prescriptions, times)
    if minutes > budget:
        found.append(f"About {minutes:.0f} minutes on the longest day; the budget is {budget}.")
    return found + [text for it in prescriptions for text in _unusual(it, card_of(known, it.exercise))]


def cautions(precautions: Iterable[str], card: Card) -> list[str]:
    """What a patient's precautions say of an exercise. A clinician decides."""
    said, title = card.exercise.cautions, card.say("en").title
    return [
        f"{title}: {'better avoided' if said[flag] == 'avoid' else 'take care'}, {FLAGS.get(flag, flag)}."
        for flag in precautions
        if flag in said
    ]


def busiest_day(prescriptions: Sequence[Prescription], times: int = 1) -> float:
    """Estimated minutes on the longest weekday; what is assumed of a repetition and a rest stands in dosage.py."""
    return max(
        sum(minutes_a_day(it, times) for it in prescriptions if not it.dosage.days or day in it.dosage.days)
        for day in range(1, 8)
    )


def _unusual(prescription: Prescription, card: Card) -> list[str]:
    exercise = card.exercise
    ranges = ((field, *exercise.usual[field]) for field in unusual(exercise, prescription.dosage))
    title = card.say("en").title
    return [f"{title}: {field.replace('_', ' ')} outside the usual {low} to {high}." for field, low, high in ranges]
