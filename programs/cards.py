"""A clinic's own exercises, and its own words for ours. Ours stand in exercises.py and nothing here changes them."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select

from programs import exercises, muscles, wording
from programs.dosage import Dosage, check
from programs.errors import Invalid, NoSuchRecord, Stale, did_you_mean
from programs.exercises import AREAS, FLAGS, Exercise, Phase
from programs.instants import Instant
from programs.tables import clinic as clinics
from programs.tables import exercise as table
from programs.wording import CardWords

_ID = re.compile(r"[a-z][a-z0-9_]{0,47}")
LANGUAGE = re.compile(r"[a-z]{2}")
LONGEST_LINE, MOST_LINES = 400, 12


class OwnExercise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a clinic says of an exercise of its own. `figure` is one of ours that looks the same, or ""."""

    targets: tuple[str, ...]
    phase: Phase
    loaded: bool
    dosage: Dosage
    equipment: tuple[str, ...] = ()
    cautions: Mapping[str, Literal["warn", "avoid"]] = {}
    figure: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One version of what a clinic keeps: of its own exercise, or, with `own` None, of its words for one of ours."""

    own: OwnExercise | None
    words: Mapping[str, CardWords]
    retired: bool = False


class Card(msgspec.Struct, frozen=True):
    """An exercise as one clinic has it; `version` 0 is ours untouched."""

    exercise: Exercise
    words: Mapping[str, CardWords]
    figure: str
    retired: bool
    version: int

    def say(self, language: str) -> CardWords:
        """The clinic's words in this language, then ours; then the clinic's in any, since an own one has no others."""
        if language in self.words:
            return self.words[language]
        if self.own:
            return self.words.get("en") or next(iter(self.words.values()))
        return exercises.words(self.exercise, language)

    @property
    def own(self) -> bool:
        return self.exercise.region == OWN


OWN = "own"  # the region of a clinic's own exercises
Cards = Mapping[str, Card]

_newest = (
    select(table.c.id, func.max(table.c.version).label("version"))
    .where(table.c.clinic_id == bindparam("clinic"))
    .group_by(table.c.id)
    .subquery()
)
_ENTRIES = (
    select(table.c.id, table.c.version, table.c.value)
    .join(_newest, (_newest.c.id == table.c.id) & (_newest.c.version == table.c.version))
    .where(table.c.clinic_id == bindparam("clinic"))
)
_STANDING = (
    select(table.c.version, table.c.value)
    .where(table.c.clinic_id == bindparam("clinic"), table.c.id == bindparam("exercise"))
    .order_by(table.c.version.desc())
    .limit(1)
)
# PostgreSQL: one writer of a clinic's shelf at a time, so that two edits of one version do not both find it standing.
_LOCK = select(clinics.c.clinic_id).where(clinics.c.clinic_id == bindparam("clinic")).with_for_update()
_INSERT = insert(table)
_decode = msgspec.json.Decoder(Entry).decode


def cards_of(db: Connection, clinic: str) -> Cards:
    """Every exercise this clinic can name, by id: ours in its words, and its own, those it has retired included."""
    rows = db.execute(_ENTRIES, {"clinic": clinic}).all()
    return {**OURS, **{id: _card(id, version, _decode(value)) for id, version, value in rows}} if rows else OURS


def card_of(cards: Cards, id: str) -> Card:
    """Raises Invalid for an exercise that neither we nor the clinic have."""
    if card := cards.get(id):
        return card
    raise Invalid("exercise", "is not in the library", did_you_mean(id, cards))


def offered(cards: Cards, language: str = "en") -> list[Card]:
    """What a plan can be made of, by title."""
    return sorted((it for it in cards.values() if not it.retired), key=lambda it: it.say(language).title.casefold())


def put_exercise(db: Connection, clinic: str, id: str, version: int, entry: Entry, by: str, now: Instant) -> Card:
    """Keep an exercise of the clinic's own, a new one with `version` 0. Plans that name it show it as it then is."""
    if entry.own is None or id in exercises.library():
        raise Invalid("id", "is one of ours: give your own another id, or change the words of this one")
    if not _ID.fullmatch(id):
        raise Invalid("id", "must be at most 48 small letters, digits and _, a letter first")
    if not entry.words:
        raise Invalid("words", "must be given in at least one language")
    _check_own(entry.own)
    _check_words(entry.words, entry.own.cautions.keys())
    return _write(db, clinic, id, version, entry, by, now)


def reword(
    db: Connection, clinic: str, id: str, version: int, words: Mapping[str, CardWords], by: str, now: Instant
) -> Card:
    """The clinic's words for one of ours, by language; none at all gives ours back."""
    if id not in exercises.library():
        raise NoSuchRecord("exercise", id)
    _check_words(words, exercises.find(id).cautions.keys())
    return _write(db, clinic, id, version, Entry(None, words), by, now)


def retire(db: Connection, clinic: str, id: str, version: int, by: str, now: Instant) -> Card:
    """No longer offered; plans that have it keep it. One of ours cannot be retired."""
    found = db.execute(_STANDING, {"clinic": clinic, "exercise": id}).first()
    entry = _decode(found.value) if found is not None else None
    if entry is None or entry.own is None:
        raise NoSuchRecord("exercise", id)
    return _write(db, clinic, id, version, msgspec.structs.replace(entry, retired=True), by, now)


def _write(db: Connection, clinic: str, id: str, version: int, entry: Entry, by: str, now: Instant) -> Card:
    db.execute(_LOCK, {"clinic": clinic})
    found = db.execute(_STANDING, {"clinic": clinic, "exercise": id}).first()
    standing = found.version if found is not None else 0
    if version != standing:
        raise Stale("exercise", id)
    row = {"clinic_id": clinic, "id": id, "version": standing + 1, "value": entry}
    db.execute(_INSERT, {**row, "written_by": by, "written_at": now})
    return _card(id, standing + 1, entry)


def _card(id: str, version: int, entry: Entry) -> Card:
    if entry.own is None:
        return Card(exercises.find(id), entry.words, id, False, version)
    return Card(_exercise(id, entry), entry.words, entry.own.figure, entry.retired, version)


def _exercise(id: str, entry: Entry) -> Exercise:
    own = entry.own
    assert own is not None
    first = entry.words.get("en") or next(iter(entry.words.values()))
    return Exercise(
        id=id,
        region=OWN,
        targets=own.targets,
        phase=own.phase,
        loaded=own.loaded,
        source="the clinic's own",
        dosage=own.dosage,
        words={"en": first},
        equipment=own.equipment,
        cautions=own.cautions,
    )


OURS: Cards = {id: Card(it, {}, id, False, 0) for id, it in exercises.library().items()}


# what a clinic may write


def _check_own(it: OwnExercise) -> None:
    check(it.dosage)
    if not it.targets:
        raise Invalid("targets", "name at least one muscle or area, so that a hold after needling finds it")
    for target in it.targets:
        if target not in AREAS:
            muscles.find(target)
    for flag in it.cautions:
        if flag not in FLAGS:
            raise Invalid("cautions", "names a flag that no profile has", did_you_mean(flag, FLAGS))
    if it.figure and it.figure not in exercises.library():
        raise Invalid("figure", "is not one of our exercises", did_you_mean(it.figure, exercises.library()))
    _check_lines("equipment", it.equipment)


def _check_words(words: Mapping[str, CardWords], flags: Iterable[str]) -> None:
    for language, said in words.items():
        if not LANGUAGE.fullmatch(language):
            raise Invalid("words", "are by language, two small letters", f"Ours are {', '.join(wording.languages())}.")
        if set(said.cautions) != set(flags):
            raise Invalid("words", f"must say what to do under each caution: {', '.join(sorted(flags)) or 'none'}")
        needed = {"title": said.title, "start": said.start, "easier": said.easier, "feel": said.feel}
        for name, text in needed.items():
            if not text.strip():
                raise Invalid(name, "must not be empty")
        if not said.steps:
            raise Invalid("steps", "give at least one")
        _check_lines("words", (*needed.values(), said.harder, *said.cautions.values()))
        _check_lines("steps", said.steps)
        _check_lines("care", said.care)


def _check_lines(field: str, lines: Iterable[str]) -> None:
    lines = list(lines)
    if len(lines) > MOST_LINES + 8 * (field == "words"):
        raise Invalid(field, f"must be at most {MOST_LINES}")
    if any(len(line) > LONGEST_LINE for line in lines):
        raise Invalid(field, f"must be at most {LONGEST_LINE} characters a line")
