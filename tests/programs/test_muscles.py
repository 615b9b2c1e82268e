"""A muscle is found by any name a clinic writes, and carries what is at risk near it."""

from typing import get_args

import pytest

from programs.errors import Invalid
from programs.muscles import GROUPS, MUSCLES, NEAR_PLEURA, TAG_SOURCES, Muscle, Region, Tag, find, overlap

# Every muscle of the needling sessions a clinic's system exported, as written there.
EXPORTED = (
    "adductor longus",
    "biceps femoris",
    "gluteus maximus",
    "gluteus medius",
    "iliopsoas",
    "infraspinatus",
    "piriformis",
    "quadratus lumborum",
    "rectus femoris",
    "rhomboid major",
    "tensor fasciae latae",
    "upper trapezius",
)

# clinical.md 2.3, row by row.
TAGGED: dict[str, tuple[str, ...]] = {
    "pleura": (
        "upper trapezius",
        "middle trapezius",
        "lower trapezius",
        "levator scapulae",
        "rhomboid major",
        "rhomboid minor",
        "serratus anterior",
        "serratus posterior superior",
        "serratus posterior inferior",
        "supraspinatus",
        "infraspinatus",
        "subscapularis",
        "latissimus dorsi",
        "pectoralis major",
        "pectoralis minor",
        "scalenes",
        "intercostals",
        "iliocostalis thoracis",
        "longissimus thoracis",
        "thoracic multifidus",
        "rectus abdominis",
        "external oblique",
        "internal oblique",
        "quadratus lumborum",
    ),
    "kidney_peritoneum": ("quadratus lumborum", "iliocostalis lumborum", "iliopsoas", "rectus abdominis"),
    "deep_bleed": ("iliopsoas", "quadratus lumborum", "piriformis", "gluteus minimus", "deep hip rotators"),
    "sciatic": ("piriformis", "gluteus maximus", "biceps femoris", "semitendinosus", "semimembranosus"),
    "femoral": ("iliopsoas", "rectus femoris", "sartorius", "adductor longus", "adductor magnus", "pectineus"),
    "lat_fem_cut": ("tensor fasciae latae", "sartorius"),
}


@pytest.mark.parametrize("name", EXPORTED)
def test_every_muscle_of_an_exported_diary_is_known(name: str) -> None:
    assert find(name).id == name


@pytest.mark.parametrize("muscle", MUSCLES, ids=lambda muscle: muscle.id)
def test_a_muscle_is_found_by_each_of_its_names_in_any_case_and_spacing(muscle: Muscle) -> None:
    for name in (muscle.id, *muscle.also):
        assert find(name) is muscle
        assert find(f"  {name.upper().replace(' ', '   ')} ") is muscle


@pytest.mark.parametrize("muscle", MUSCLES, ids=lambda muscle: muscle.id)
def test_a_muscle_has_a_region_known_tags_and_a_source_mark(muscle: Muscle) -> None:
    assert muscle.id == muscle.id.lower().strip()
    assert muscle.region in get_args(Region)
    assert muscle.tags <= set(get_args(Tag)) == set(TAG_SOURCES)
    assert any(mark in muscle.source for mark in ("[S]", "[S2]", "[K]", "[P]"))


def test_no_name_means_two_muscles() -> None:
    names = [name.casefold() for muscle in MUSCLES for name in (muscle.id, *muscle.also)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("tag", "id"), [(tag, id) for tag, ids in TAGGED.items() for id in ids])
def test_a_muscle_carries_the_tag_clinical_md_2_3_gives_it(tag: str, id: str) -> None:
    assert tag in find(id).tags


def test_neck_and_back_of_the_shoulder_are_near_the_lung_though_2_3_does_not_list_them() -> None:
    near = [muscle for muscle in MUSCLES if muscle.source == NEAR_PLEURA]
    assert near
    assert all(muscle.tags == {"pleura"} for muscle in near)


@pytest.mark.parametrize(
    ("written", "id"),
    [
        ("TFL", "tensor fasciae latae"),
        ("ql", "quadratus lumborum"),
        ("Glute Med", "gluteus medius"),
        ("glute-max", "gluteus maximus"),
        ("psoas", "iliopsoas"),
        ("hamstring", "hamstrings"),
        ("quads", "quadriceps"),
        ("upper_trapezius", "upper trapezius"),
    ],
)
def test_the_short_forms_clinics_use_are_known(written: str, id: str) -> None:
    assert find(written).id == id


@pytest.mark.parametrize(
    ("typed", "nearest"), [("gluteus mediu", "gluteus medius"), ("piriformus", "piriformis"), ("iliopsas", "iliopsoas")]
)
def test_an_unknown_muscle_is_refused_with_the_nearest_known_name(typed: str, nearest: str) -> None:
    with pytest.raises(Invalid) as refused:
        find(typed)
    assert nearest in refused.value.hint
    assert typed not in str(refused.value)  # a body part does not go to the log


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_carries_every_tag_of_its_parts(group: str) -> None:
    for part in GROUPS[group]:
        assert find(part).id == part
        assert find(part).tags <= find(group).tags, part


def test_a_group_overlaps_its_parts_and_groups_that_share_one() -> None:
    assert overlap("hamstrings", "biceps femoris")
    assert overlap("biceps femoris", "hamstrings")
    assert overlap("multifidus", "lumbar paraspinals")
    assert overlap("iliopsoas", "iliopsoas")
    assert not overlap("semitendinosus", "biceps femoris")
    assert not overlap("hamstrings", "quadriceps")
