"""What is drawn: a file that stands alone, says in words what it shows, and is the same each time."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from xml.etree import ElementTree

import pytest

from programs import wording
from programs.errors import Invalid
from programs.exercises import Exercise, words
from programs.figures import document, equipment
from programs.figures.body import PARTS
from programs.figures.document import draw, figure_of
from programs.figures.drawing import circles, layers, look_of
from programs.figures.outline import Circle, capsule, hull
from programs.figures.page import HIGH, WIDE, fitted, page
from programs.figures.poses import Thing, frames_of
from programs.figures.sheet import sheet
from programs.figures.skeleton import solve
from programs.figures.stills import panels
from programs.figures.track import beats, still
from tests.programs.figures.test_poses import CARDS, each_card

SVG = "{http://www.w3.org/2000/svg}"
TURNS = 'values="1 1;-1 1"'


@cache
def drawn(card: str) -> tuple[str, str, str]:
    """As it moves, on the other side, and standing still."""
    it = next(one for one in CARDS if one.id == card)
    return draw(it), draw(it, "left"), draw(it, still=True)


@each_card
def test_a_figure_is_well_formed_and_loads_and_runs_nothing(card: Exercise) -> None:
    for text in drawn(card.id):
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        for element in root.iter():
            assert element.tag.removeprefix(SVG) not in ("script", "foreignObject", "image", "use", "a", "set")
            for name, value in element.attrib.items():
                assert not name.startswith("on"), name
                assert "href" not in name
                assert name != "style"
                assert "url(" not in value or value == "url(#soft)"
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "@import" not in text


@each_card
def test_a_figure_says_in_the_words_of_its_card_what_it_shows(card: Exercise) -> None:
    for language in wording.languages():
        root = ElementTree.fromstring(draw(card, language=language, still=True))
        named = {element.get("id"): element.text for element in root if element.get("id")}
        said = words(card, language)
        assert root.get("role") == "img"
        assert [named[id] for id in (root.get("aria-labelledby") or "").split()] == [
            said.title,
            " ".join((said.start, *said.steps)),
        ]
        assert root.get("lang") == language


@each_card
def test_a_figure_moves_and_stands_still_for_who_wants_no_movement(card: Exercise) -> None:
    moving, _, still_one = drawn(card.id)
    root = ElementTree.fromstring(moving)
    groups = {group.get("class"): group for group in root if group.tag == f"{SVG}g"}
    assert groups["moves"].find(f".//{SVG}animate") is not None
    assert groups["still"].find(f".//{SVG}animate") is None
    (style,) = root.iter(f"{SVG}style")
    assert style.text is not None
    assert re.search(r"prefers-reduced-motion:reduce\){\.moves{display:none}\.still{display:inline}}", style.text)
    assert document.POLICY.endswith(f"'sha256-{b64encode(sha256(style.text.encode()).digest()).decode()}'")
    assert "<animate" not in still_one


@each_card
def test_a_still_shows_start_and_end_numbered_in_order(card: Exercise) -> None:
    shown = [frame for frame in frames_of(figure_of(card)) if not frame.passing]
    numbers = [it.text for it in ElementTree.fromstring(drawn(card.id)[2]).iter(f"{SVG}text")]
    assert numbers == [str(number) for number in range(1, len(shown) + 1)]
    assert 2 <= len(shown) <= 3


@each_card
def test_every_moment_of_a_shape_is_written_with_the_same_commands(card: Exercise) -> None:
    """Else it would jump from one to the next, not move."""
    for change in ElementTree.fromstring(drawn(card.id)[0]).iter(f"{SVG}animate"):
        values, times = change.attrib["values"].split(";"), change.attrib["keyTimes"].split(";")
        assert len({re.sub(r"[-\d. ]+", " ", value) for value in values}) == 1
        assert values[0] == values[-1], "the loop closes"
        assert len(values) == len(times)
        assert [float(it) for it in times] == sorted(float(it) for it in times)
        assert (times[0], times[-1]) == ("0", "1")


@each_card
def test_the_left_side_is_the_mirror_image_of_the_right(card: Exercise) -> None:
    figure = figure_of(card)
    bones = [beat.bones for beat in beats(figure)]
    right, left = (fitted(figure, bones, page(WIDE, HIGH), flip) for flip in (False, True))
    for moment in bones:
        for part in PARTS.values():
            for one, other in zip(circles(moment, part, right), circles(moment, part, left), strict=True):
                assert one.x + other.x == pytest.approx(WIDE)
                assert (one.y, one.r) == pytest.approx((other.y, other.r))
    names = [[name for name, _ in layers(look_of(figure, bones, view), bones[0])] for view in (right, left)]
    assert names[0] == names[1], "and the same limbs are in front"
    assert drawn(card.id)[0] != drawn(card.id)[1]


@each_card
def test_all_of_it_is_on_its_page(card: Exercise) -> None:
    figure = figure_of(card)
    bones = [beat.bones for beat in beats(figure)]
    view = fitted(figure, bones, page(WIDE, HIGH))
    for moment in bones:
        for it in (it for part in PARTS.values() for it in circles(moment, part, view)):
            assert it.r - 0.01 <= it.x <= WIDE - it.r + 0.01
            assert it.r - 0.01 <= it.y <= HIGH - it.r + 0.01


@each_card
def test_a_figure_is_the_same_each_time_and_small(card: Exercise) -> None:
    assert draw(card) == drawn(card.id)[0]
    assert len(drawn(card.id)[2]) < 15_000
    assert len(drawn(card.id)[0]) < 45_000  # a quarter of it travels: tests/service/api/test_figures.py


def test_only_what_alternates_shows_the_other_side_unasked() -> None:
    for card in CARDS:
        assert (TURNS in drawn(card.id)[0]) == figure_of(card).alternates
        assert TURNS not in drawn(card.id)[1]


def test_the_sheet_holds_every_exercise_once_with_its_title_and_its_still() -> None:
    whole = sheet()
    root = ElementTree.fromstring(whole)
    said = " ".join(it.text or "" for it in root.iter(f"{SVG}text"))
    for card in CARDS:
        assert words(card).title in said
        assert whole.count(panels(figure_of(card))) == 1
    assert [region for region in ("Hip", "Thigh", "Trunk", "General") if f">{region}</text>" not in whole] == []


def test_the_sheet_in_the_readme_is_the_one_that_is_drawn() -> None:
    kept = (files("programs") / "library" / "sheet.svg").read_text("utf-8")
    assert kept == sheet(), "write it anew: homestretch exercises sheet programs/library/sheet.svg"


def test_an_outline_round_two_circles_has_the_same_commands_even_where_one_hides_the_other() -> None:
    apart, within = (capsule(Circle(0, 0, 30), Circle(x, 0, 10)) for x in (100, 3))
    assert re.sub(r"[-\d ]+", " ", apart) == re.sub(r"[-\d ]+", " ", within)


def test_an_outline_round_many_circles_holds_them_all() -> None:
    found = [Circle(0, 0, 10), Circle(50, 20, 30), Circle(-40, 60, 5)]
    path = hull(found, 40)
    steps = [tuple(map(int, it)) for it in re.findall(r"(-?\d+) ?(-?\d+)", path)]
    places = [(sum(x for x, _ in steps[:n]), sum(y for _, y in steps[:n])) for n in range(1, len(steps) + 1)]
    assert min(x for x, _ in places) == -45
    assert max(x for x, _ in places) == 80
    assert max(y for _, y in places) == 65


def test_an_exercise_without_poses_has_no_figure_and_an_unknown_thing_is_refused() -> None:
    plain = Exercise("plain", "hip", ("hip",), "A", False, "[P]", CARDS[0].dosage, CARDS[0].words)
    with pytest.raises(Invalid):
        draw(plain)
    figure = figure_of(CARDS[0])
    bones = solve(figure, still(frames_of(figure)[0]))
    with pytest.raises(Invalid) as refused:
        equipment.shapes(Thing("chiar"), bones, fitted(figure, [bones], page(WIDE, HIGH)))
    assert "chair" in refused.value.hint
