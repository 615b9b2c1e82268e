"""The exercise library: one TOML file each under library/<region>/; how much of an exercise is dosage.py."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Literal

import msgspec

from programs import wording
from programs.dosage import PHASES as PHASES
from programs.dosage import Dosage, check
from programs.dosage import Phase as Phase
from programs.errors import Invalid, did_you_mean
from programs.figures.poses import Figure
from programs.muscles import overlap
from programs.wording import CardWords

# Targets are muscle ids, or one of these where a card is for no muscle in particular.
AREAS = frozenset({"trunk", "hip", "whole body"})

# The profile flags of clinical.md 4.3 [K, S where named there], as a clinician reads them.
FLAGS: Mapping[str, str] = {
    "hip_replacement": "hip replacement: the surgeon's limits hold",
    "lateral_hip_tendon": "pain of the outer hip tendons: no pull of the leg across the midline (Mellor 2018 [S])",
    "fai_labral": "hip impingement or labral tear: no deep bend with the leg across and turned in",
    "prox_hamstring": "pain at the sitting bone: no strong hamstring stretch",
    "osteoporosis": "osteoporosis: no loaded rounding or twisting of the spine",
    "sciatica": "sciatica: stop leg stretches at tingling",
    "knee_kneel": "cannot kneel well: pad the knee or swap",
    "pregnancy_t2plus": "pregnant, second or third trimester: not flat on the back for long",
    "balance_risk": "may lose balance: hold a support",
    "bp_high": "high blood pressure: no breath holding, short wall sits",
    "dvt_recent": "recent clot in a leg vein: no hard rollers",
    "anticoag": "takes a blood thinner: no hard rollers",
}


class Exercise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`easier` and `harder` are ids of neighbouring cards; `loaded` is strength work, which a hold pauses."""

    id: str
    region: str
    targets: tuple[str, ...]
    phase: Phase  # the earliest
    loaded: bool
    source: str
    dosage: Dosage
    words: Mapping[Literal["en"], CardWords]  # other languages stand in programs/wording
    gentle: bool = False  # in phase A only as the words `gentle` of every card say
    equipment: tuple[str, ...] = ()
    optional_equipment: tuple[str, ...] = ()
    usual: Mapping[str, tuple[int, int]] = {}  # the card's own range of each part of the dose
    cautions: Mapping[str, Literal["warn", "avoid"]] = {}  # by profile flag
    easier: str = ""
    harder: str = ""
    figure: Figure | None = None  # its poses; figures/ draws them


@cache
def library() -> Mapping[str, Exercise]:
    """Every exercise by id, read once from the package."""
    exercises = [
        _read(card, region.name)
        for region in sorted(shelf().iterdir(), key=lambda entry: entry.name)
        if region.is_dir()
        for card in sorted(region.iterdir(), key=lambda entry: entry.name)
        if card.name.endswith(".toml")
    ]
    return MappingProxyType({exercise.id: exercise for exercise in exercises})


def shelf() -> Traversable:
    return files("programs") / "library"


def _read(card: Traversable, region: str) -> Exercise:
    exercise = msgspec.convert(tomllib.loads(card.read_text("utf-8")) | {"region": region}, Exercise)
    if card.name != f"{exercise.id}.toml":  # a copied card with the old id would silently replace the other
        raise Invalid("id", f"of the card {card.name} must be the name of its file")
    check(exercise.dosage)
    return exercise


def find(id: str) -> Exercise:
    if exercise := library().get(id):
        return exercise
    raise Invalid("exercise", "is not in the library", did_you_mean(id, library()))


def words(exercise: Exercise, language: str = "en") -> CardWords:
    """English where a card has not been translated yet."""
    return wording.words(language).exercises.get(exercise.id) or exercise.words["en"]


def stop_words(pain_limit: int, language: str = "en") -> str:
    return wording.words(language).cards.stop.format(pain_limit=pain_limit)


def loads(exercise: Exercise, muscle: str) -> bool:
    """Whether this is strength work on that muscle, or on a group it belongs to."""
    return exercise.loaded and any(overlap(target, muscle) for target in exercise.targets)


def unusual(exercise: Exercise, dosage: Dosage) -> list[str]:
    """The parts of a dose outside the card's range: for a clinician to see, not forbidden."""
    return [
        field
        for field, (low, high) in exercise.usual.items()
        if (value := getattr(dosage, field)) is not None and not low <= value <= high
    ]
