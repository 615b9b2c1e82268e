"""Every card of the library loads, is whole, keeps to its own range, and can be read by a twelve-year-old."""

import pytest

from programs.dosage import BOUNDS, Dosage, check
from programs.errors import Invalid
from programs.exercises import (
    AREAS,
    FLAGS,
    Exercise,
    find,
    library,
    loads,
    shelf,
    stop_words,
    unusual,
    words,
)
from programs.muscles import find as find_muscle
from programs.wording import CardWords, languages
from programs.wording import words as in_language
from tests.reading_age import OLDEST, reading_age

CARDS = tuple(library().values())
each_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)

# clinical.md 4.4 in its order.
LISTED = (
    "hip_bridge",
    "single_leg_bridge",
    "half_kneeling_hip_flexor_stretch",
    "edge_of_bed_hip_flexor_stretch",
    "supine_hamstring_stretch_strap",
    "seated_hamstring_stretch",
    "standing_quad_stretch",
    "figure_four_stretch",
    "cross_body_glute_stretch",
    "clamshell",
    "side_lying_hip_abduction",
    "prone_hip_extension",
    "quadruped_rock_back",
    "bird_dog",
    "lateral_band_walk",
    "sit_to_stand",
    "step_up",
    "adductor_rock_back",
    "hip_hinge",
    "wall_sit",
    "ball_pressure",
    "diaphragmatic_breathing",
    "walking",
    "lower_trunk_rotation",
    "glute_set_isometric",
    "childs_pose_side_reach",
)
LOADED = (
    "hip_bridge",
    "single_leg_bridge",
    "clamshell",
    "side_lying_hip_abduction",
    "prone_hip_extension",
    "lateral_band_walk",
    "sit_to_stand",
    "step_up",
    "hip_hinge",
    "wall_sit",
    "bird_dog",
)


@pytest.mark.parametrize(("number", "id"), tuple(enumerate(LISTED, start=1)))
def test_each_card_of_clinical_md_4_4_is_there_and_names_its_source(number: int, id: str) -> None:
    assert f"clinical.md 4.4 card {number}" in find(id).source


def test_every_file_of_the_shelf_is_in_the_library() -> None:
    files = [card for region in shelf().iterdir() if region.is_dir() for card in region.iterdir()]
    assert sorted(file.name for file in files) == sorted(f"{card.id}.toml" for card in CARDS)


@each_card
def test_a_card_marks_its_sources_and_its_targets_are_known(card: Exercise) -> None:
    assert any(mark in card.source for mark in ("[S]", "[K]", "[P]"))
    assert card.targets
    for target in card.targets:
        assert target in AREAS or find_muscle(target).id == target


@each_card
def test_the_dose_of_a_card_is_valid_and_within_its_own_range(card: Exercise) -> None:
    check(card.dosage)
    assert unusual(card, card.dosage) == []
    for field, (low, high) in card.usual.items():
        assert BOUNDS[field][0] <= low <= high <= BOUNDS[field][1]
        if field != "per_day":  # without one, the plan's own times of day decide
            assert getattr(card.dosage, field) is not None


def test_a_dose_outside_the_range_of_a_card_is_named() -> None:
    card = find("clamshell")
    assert unusual(card, Dosage(sets=3, reps=16)) == ["reps"]
    assert unusual(card, Dosage(sets=4, reps=9)) == ["sets", "reps"]


@each_card
@pytest.mark.parametrize("language", languages())
def test_a_card_says_all_of_itself_in_each_language(card: Exercise, language: str) -> None:
    text, english = words(card, language), card.words["en"]
    assert language == "en" or text is not english
    assert all((text.title, text.start, text.steps, text.easier, text.feel))
    assert all(line.strip() == line and line[-1] in ".!" for line in sentences(text))
    assert (len(text.steps), len(text.care), text.harder != "") == (
        len(english.steps),
        len(english.care),
        english.harder != "",
    )
    assert text.cautions.keys() == card.cautions.keys()


@pytest.mark.parametrize("language", languages())
def test_no_language_has_words_for_a_card_that_is_not_there(language: str) -> None:
    assert in_language(language).exercises.keys() <= library().keys()


@pytest.mark.parametrize("language", languages())
def test_no_two_cards_have_the_same_title(language: str) -> None:
    assert len({words(card, language).title for card in CARDS}) == len(CARDS)


@each_card
def test_the_cautions_of_a_card_are_profile_flags(card: Exercise) -> None:
    assert card.cautions.keys() <= FLAGS.keys()


@each_card
def test_the_neighbours_of_a_card_exist_and_agree(card: Exercise) -> None:
    if card.easier:
        assert find(card.easier).harder == card.id
    if card.harder:
        assert find(card.harder).easier == card.id


@each_card
def test_stepping_harder_and_harder_comes_to_an_end(card: Exercise) -> None:
    seen = []
    while card.harder:
        seen.append(card.id)
        card = find(card.harder)
        assert card.id not in seen


@each_card
def test_strength_work_is_loaded_and_the_rest_is_not(card: Exercise) -> None:
    assert card.loaded == (card.id in LOADED)


@each_card
def test_nothing_loaded_may_start_in_the_first_day(card: Exercise) -> None:
    assert not (card.loaded and card.phase == "A")
    assert not (card.gentle and card.phase != "A")


def test_a_loaded_card_loads_its_muscles_and_their_groups_only() -> None:
    assert loads(find("hip_bridge"), "gluteus maximus")
    assert loads(find("hip_bridge"), "biceps femoris")
    assert not loads(find("hip_bridge"), "rectus femoris")
    assert not loads(find("supine_hamstring_stretch_strap"), "biceps femoris")


@pytest.mark.parametrize(
    ("id", "flag"),
    [
        ("figure_four_stretch", "lateral_hip_tendon"),
        ("figure_four_stretch", "hip_replacement"),
        ("cross_body_glute_stretch", "lateral_hip_tendon"),
        ("cross_body_glute_stretch", "hip_replacement"),
    ],
)
def test_what_4_4_and_4_5_forbid_is_to_be_avoided(id: str, flag: str) -> None:
    assert find(id).cautions[flag] == "avoid"


def test_an_unknown_exercise_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(Invalid) as refused:
        find("hip_brigde")
    assert "hip_bridge" in refused.value.hint
    assert "brigde" not in str(refused.value)


def test_a_card_in_a_language_not_written_yet_is_shown_in_english() -> None:
    card = find("walking")
    assert words(card, "xx") is words(card, "en") is card.words["en"]


@pytest.mark.parametrize("language", languages())
def test_the_stop_words_carry_the_agreed_limit(language: str) -> None:
    assert " 4 " in stop_words(4, language)
    assert stop_words(4, "xx") == stop_words(4)


def sentences(text: CardWords) -> list[str]:
    """Everything of a card a patient reads, but its title."""
    lines = [text.start, *text.steps, text.easier, text.harder, text.feel, *text.care, *text.cautions.values()]
    return [line for line in lines if line]


@each_card
@pytest.mark.parametrize("language", languages())
def test_a_twelve_year_old_can_read_a_card(card: Exercise, language: str) -> None:
    assert reading_age(sentences(words(card, language)), language) <= OLDEST


@pytest.mark.parametrize("language", languages())
def test_a_twelve_year_old_can_read_what_stands_on_every_card(language: str) -> None:
    assert reading_age([stop_words(5, language), in_language(language).cards.gentle], language) <= OLDEST
