"""Templates suggest what clinical.md 4.5 lists and warn of too much; they prescribe nothing."""

import pytest

from programs.dosage import Dosage, Prescription, check_prescription
from programs.errors import Invalid
from programs.exercises import PHASES, find
from programs.templates import Template, suggestions, templates, warnings
from programs.wording import words

# clinical.md 4.5, by the numbers of the cards in 4.4.
TABLE = {
    "gluteus medius": ((23, 25), (10, 11), (15, 17)),
    "gluteus minimus": ((23, 25), (10, 11), (15, 17)),
    "gluteus maximus": ((23, 25, 8), (1, 12), (2, 17, 19)),
    "iliopsoas": ((23, 22, 24), (3, 4), (3, 14, 17)),
    "piriformis": ((23, 8), (10, 8), (11, 2)),
    "TFL": ((23, 24), (3, 10), (11, 15)),
    "hamstrings": ((23, 5), (5, 1), (2, 19)),
    "biceps femoris": ((23, 5), (5, 1), (2, 19)),
    "rectus femoris": ((23,), (7, 16), (17, 20)),
    "quads": ((23,), (7, 16), (17, 20)),
    "adductor longus": ((18, 23), (18, 1), (17, 15)),
    "QL": ((22, 24, 23), (26, 14), (19, 14)),
}


def card_number(prescription: Prescription) -> int:
    return int(find(prescription.exercise).source.split("card ")[1].split(" ")[0].rstrip(",;"))


@pytest.mark.parametrize("muscle", TABLE)
def test_suggestions_are_the_rows_of_4_5(muscle: str) -> None:
    found = suggestions(muscle)
    assert tuple(tuple(card_number(p) for p in found[phase]) for phase in PHASES) == TABLE[muscle]


def test_a_muscle_without_a_row_gets_no_suggestion_and_an_unknown_one_is_refused() -> None:
    assert suggestions("infraspinatus") == {"A": [], "B": [], "C": []}
    with pytest.raises(Invalid, match="muscle"):
        suggestions("no such muscle")


def test_a_group_is_suggested_what_its_parts_are_each_once() -> None:
    ids = [p.exercise for p in suggestions("gluteals")["A"]]
    assert ids == ["walking", "glute_set_isometric", "figure_four_stretch"]


def test_a_stretch_in_the_first_day_is_said_to_be_gentle() -> None:
    assert suggestions("hamstrings")["A"][1].note == words("en").cards.gentle
    assert suggestions("hamstrings")["B"][0].note == ""


@pytest.mark.parametrize("template", templates().values(), ids=lambda template: template.id)
def test_a_template_is_valid_named_and_free_of_warnings(template: Template) -> None:
    assert template.title
    assert templates()[template.id] is template
    for prescription in template.prescriptions:
        check_prescription(prescription)
        assert find(prescription.exercise).id == prescription.exercise
    assert warnings(template.prescriptions) == []


@pytest.mark.parametrize("template", templates().values(), ids=lambda template: template.id)
def test_a_template_for_a_phase_holds_nothing_from_a_later_one(template: Template) -> None:
    phase = template.id[-2:].removeprefix("_").upper()
    if phase in PHASES:
        assert all(find(p.exercise).phase <= phase for p in template.prescriptions)


def test_the_general_hip_program_is_the_one_clinics_hand_out() -> None:
    assert [p.exercise for p in templates()["general_hip"].prescriptions] == [
        "hip_bridge",
        "half_kneeling_hip_flexor_stretch",
        "supine_hamstring_stretch_strap",
        "walking",
    ]


def short(count: int) -> list[Prescription]:
    return [Prescription("lower_trunk_rotation", Dosage(reps=10))] * count


@pytest.mark.parametrize(("count", "warned"), [(0, 0), (4, 0), (5, 1), (7, 1)])
def test_above_four_exercises_warn_as_4_1_says(count: int, warned: int) -> None:
    found = warnings(short(count))
    assert len(found) == warned
    assert all("Bachmann 2018" in text and "Henry 1999" in text for text in found)


def test_more_than_thirty_minutes_a_day_warn() -> None:
    assert warnings([Prescription("walking", Dosage(minutes=30))]) == []
    assert warnings([Prescription("walking", Dosage(minutes=30)), *short(1)]) == [
        "About 31 minutes on the longest day; the budget is 30."
    ]


def test_only_exercises_of_the_same_weekday_add_up() -> None:
    apart = [Prescription("walking", Dosage(minutes=20, days=(day,))) for day in (1, 2)]
    together = [Prescription("walking", Dosage(minutes=20, days=(1,))) for _ in range(2)]
    assert warnings(apart) == []
    assert len(warnings(together)) == 1


def test_a_dose_outside_the_range_of_its_card_warns() -> None:
    assert warnings([Prescription("clamshell", Dosage(sets=3, reps=20))]) == [
        "Clamshell: reps outside the usual 10 to 15."
    ]
