"""A clinic adds exercises and says ours in its own words; ours, and every other clinic's, stay as they are."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from programs import cards, exercises
from programs.cards import Card, Entry, OwnExercise, card_of, cards_of, offered
from programs.dosage import Dosage
from programs.errors import Invalid, NoSuchRecord, Stale
from programs.tables import exercise
from programs.wording import CardWords
from service.database import Database
from tests.world import CLINIC, NOON, OTHER, populate

CALF = OwnExercise(("gastrocnemius",), "B", loaded=True, dosage=Dosage(sets=3, reps=12), figure="step_up")
SAID = CardWords(
    "Calf raise", "Stand and hold a chair.", ("Rise on your toes.", "Lower slowly."), "Sit down.", "Calves."
)
OWN = Entry(CALF, {"en": SAID})
WALK = msgspec.structs.replace(exercises.words(exercises.find("walking")), title="Walk by the river")


@pytest.fixture
async def clinics(database: Database) -> Database:
    await database.write(populate, NOON)
    return database


async def put(db: Database, version: int = 0, entry: Entry = OWN, id: str = "calf_raise") -> Card:
    found: Card = await db.write(cards.put_exercise, CLINIC, id, version, entry, "clinician:ben", NOON)
    return found


async def test_a_clinic_without_a_word_of_its_own_has_ours(clinics: Database) -> None:
    found = await clinics.read(cards_of, CLINIC)
    assert found.keys() == exercises.library().keys()
    assert all(card.say("es") is exercises.words(card.exercise, "es") for card in found.values())


async def test_an_own_exercise_stands_beside_ours_and_at_no_other_clinic(clinics: Database) -> None:
    await put(clinics)
    mine, other = await clinics.read(cards_of, CLINIC), await clinics.read(cards_of, OTHER)
    card = card_of(mine, "calf_raise")
    assert (card.own, card.version, card.figure, card.say("en")) == (True, 1, "step_up", SAID)
    assert card.say("es") == SAID  # better than nothing
    assert exercises.loads(card.exercise, "gastrocnemius")
    assert card in offered(mine)
    assert other.keys() == exercises.library().keys()
    with pytest.raises(Invalid, match="not in the library"):
        card_of(other, "calf_raise")


async def test_a_changed_exercise_keeps_what_it_said_before(clinics: Database) -> None:
    await put(clinics)
    harder = Entry(msgspec.structs.replace(CALF, dosage=Dosage(sets=4, reps=12)), OWN.words)
    assert (await put(clinics, 1, harder)).version == 2
    assert card_of(await clinics.read(cards_of, CLINIC), "calf_raise").exercise.dosage.sets == 4
    kept = await clinics.read(lambda db: db.execute(select(func.count()).select_from(exercise)).scalar())
    assert kept == 2
    with pytest.raises(Stale):
        await put(clinics, 1, OWN)


async def test_a_retired_exercise_is_not_offered_but_a_plan_can_still_show_it(clinics: Database) -> None:
    await put(clinics)
    await clinics.write(cards.retire, CLINIC, "calf_raise", 1, "clinician:ben", NOON)
    found = await clinics.read(cards_of, CLINIC)
    assert card_of(found, "calf_raise").say("en") == SAID
    assert "calf_raise" not in [card.exercise.id for card in offered(found)]
    for id in ("walking", "never_was"):
        with pytest.raises(NoSuchRecord):
            await clinics.write(cards.retire, CLINIC, id, 0, "clinician:ben", NOON)


async def test_ours_in_the_clinics_words_and_back(clinics: Database) -> None:
    await clinics.write(cards.reword, CLINIC, "walking", 0, {"en": WALK}, "clinician:ben", NOON)
    card = card_of(await clinics.read(cards_of, CLINIC), "walking")
    assert card.say("en").title == "Walk by the river"
    assert card.say("es") == exercises.words(card.exercise, "es")  # a language nobody changed
    assert card.exercise is exercises.find("walking")
    elsewhere = card_of(await clinics.read(cards_of, OTHER), "walking")
    assert elsewhere.say("en").title == "Walking"
    await clinics.write(cards.reword, CLINIC, "walking", 1, {}, "clinician:ben", NOON)
    assert card_of(await clinics.read(cards_of, CLINIC), "walking").say("en").title == "Walking"


def changed(**parts: Any) -> Entry:
    return Entry(msgspec.structs.replace(CALF, **parts), OWN.words)


def said(**parts: Any) -> Entry:
    return Entry(CALF, {"en": msgspec.structs.replace(SAID, **parts)})


@pytest.mark.parametrize(
    ("id", "entry", "field"),
    [
        ("walking", OWN, "id"),
        ("Calf raise", OWN, "id"),
        ("c" * 49, OWN, "id"),
        ("calf_raise", Entry(None, OWN.words), "id"),
        ("calf_raise", Entry(CALF, {}), "words"),
        ("calf_raise", Entry(CALF, {"english": SAID}), "words"),
        ("calf_raise", changed(targets=()), "targets"),
        ("calf_raise", changed(targets=("calves and such",)), "muscle"),
        ("calf_raise", changed(dosage=Dosage(sets=0, reps=1)), "sets"),
        ("calf_raise", changed(cautions={"balance": "warn"}), "cautions"),
        ("calf_raise", changed(cautions={"balance_risk": "warn"}), "words"),
        ("calf_raise", changed(figure="step_upp"), "figure"),
        ("calf_raise", said(title=" "), "title"),
        ("calf_raise", said(steps=()), "steps"),
        ("calf_raise", said(steps=("Up.",) * 13), "steps"),
        ("calf_raise", said(start="x" * 401), "words"),
    ],
)
async def test_what_cannot_be_shown_to_a_patient_is_refused(
    clinics: Database, id: str, entry: Entry, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await put(clinics, entry=entry, id=id)
    assert refused.value.field == field
    assert (await clinics.read(cards_of, CLINIC)).keys() == exercises.library().keys()
