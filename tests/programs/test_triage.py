"""Every rule fires at its threshold and beyond it, not below; nothing is ever called fine; urgent comes first."""

from hashlib import sha256

import msgspec
import pytest

from programs.emergency import NUMBERS, emergency_number
from programs.questions import Answers, Step
from programs.triage import (
    NOT_APPROVED,
    RULES,
    TIERS,
    Rule,
    Standing,
    Tier,
    needs_day3,
    safety_text,
    triage,
    unwell_text,
)
from programs.wording import languages

HOURS: dict[Step, float] = {"evening": 6, "day1": 24, "day2": 48, "day3": 72, "day7": 168}
YES_NO: dict[str, Tier] = {
    "rf_breath": "emergency",
    "rf_chest": "emergency",
    "rf_blood": "emergency",
    "rf_bleed": "emergency",
    "rf_cauda": "emergency",
    "rf_belly": "emergency",
    "rf_cough": "same_day",
    "rf_swell": "same_day",
    "rf_nerve": "same_day",
    "rf_infect": "same_day",
    "rf_calf": "same_day",
}


class Case(msgspec.Struct, frozen=True):
    """`rule` is the one rule that fires at `tier`; "" is none."""

    source: str
    step: Step
    answers: Answers
    rule: str = ""
    tier: str = ""
    earlier: dict[Step, Answers] = {}
    hours: float | None = None


def _day1(**scores: int) -> dict[Step, Answers]:
    return {"day1": dict(scores)}


CASES = (
    *(Case(f"2.5 {id} yes", "day1", {id: True}, id, tier) for id, tier in YES_NO.items()),
    *(Case(f"2.5 {id} no", "day1", {id: False}) for id in YES_NO),
    Case("2.5 rf_collapse no", "evening", {"rf_collapse": "no"}),
    Case("2.5 rf_collapse nearly", "evening", {"rf_collapse": "nearly"}, "rf_collapse", "same_day"),
    Case("2.5 rf_collapse recovered", "evening", {"rf_collapse": "fainted_recovered"}, "rf_collapse", "same_day"),
    Case(
        "2.4 fainted with injury", "evening", {"rf_collapse": "fainted_hurt"}, "rf_collapse_not_recovered", "emergency"
    ),
    Case(
        "2.4 fainted, not back to normal",
        "evening",
        {"rf_collapse": "fainted_not_recovered"},
        "rf_collapse_not_recovered",
        "emergency",
    ),
    Case("2.4 pain 8/10 below", "day1", {"q_sore": 7}),
    Case("2.4 pain 8/10 at", "day1", {"q_sore": 8}, "sore_severe", "same_day"),
    Case("2.4 pain 8/10 above", "evening", {"q_sore": 9}, "sore_severe", "same_day"),
    Case("1.2.1 rise of 2 below", "day2", {"q_sore": 5}, earlier=_day1(q_sore=4)),
    Case("1.2.1 rise of 2 at", "day2", {"q_sore": 5}, "sore_rising", "same_day", earlier=_day1(q_sore=3)),
    Case("1.2.1 rise of 2 above", "day2", {"q_sore": 5}, "sore_rising", "same_day", earlier=_day1(q_sore=0)),
    Case("1.2.1 rise without a 24 h score", "day2", {"q_sore": 5}),
    Case("1.2.1 rise without a 48 h score", "day2", {"q_usual": 5}, earlier=_day1(q_sore=0)),
    Case("1.2.1 rise before 48 h is the expected curve", "day1", {"q_sore": 5}, earlier={"evening": {"q_sore": 1}}),
    Case("1.2.1 4/10 at 72 h below", "day3", {"q_sore": 3}),
    Case("1.2.1 4/10 at 72 h at", "day3", {"q_sore": 4}, "sore_lasting", "next_visit"),
    Case("1.2.1 4/10 at 72 h above", "day3", {"q_sore": 5}, "sore_lasting", "next_visit"),
    Case("1.2.1 72 h answered a little early", "day3", {"q_sore": 4}, "sore_lasting", "next_visit", hours=68),
    Case("1.2.1 48 h answered at 71 h", "day2", {"q_sore": 4}, hours=71.9),
    Case("1.2.1 48 h answered at 72 h", "day2", {"q_sore": 4}, "sore_lasting", "next_visit", hours=72),
    Case("2.4 usual pain worse below", "day1", {"q_usual": 5}, earlier={"evening": {"q_usual": 4}}),
    Case(
        "2.4 usual pain worse at",
        "day1",
        {"q_usual": 6},
        "usual_worse",
        "next_visit",
        earlier={"evening": {"q_usual": 4}},
    ),
    Case(
        "2.4 usual pain worse above, against the lowest",
        "day2",
        {"q_usual": 7},
        "usual_worse",
        "next_visit",
        earlier={"evening": {"q_usual": 7}, "day1": {"q_usual": 4}},
    ),
    Case("2.5 q_usual is a trend, not a limit", "day1", {"q_usual": 10}),
    Case("2.5 q_move is adherence", "day1", {"q_move": "no"}),
    Case("2.5 q_free blank", "day1", {"q_free": " \n"}),
    Case("2.5 q_free a human reads", "day1", {"q_free": "thank you"}, "written", "next_visit"),
)


def found(case: Case) -> list[tuple[str, str]]:
    hours = HOURS[case.step] if case.hours is None else case.hours
    return [(finding.rule, finding.tier) for finding in triage(case.step, case.answers, case.earlier, hours)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.source)
def test_a_rule_fires_as_clinical_md_says(case: Case) -> None:
    assert found(case) == ([(case.rule, case.tier)] if case.rule else [])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_in_the_table_above(rule: Rule) -> None:
    assert rule.id in {case.rule for case in CASES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_names_its_version_its_source_and_says_what_it_does(rule: Rule) -> None:
    assert rule.version
    assert rule.says.endswith(".")
    assert rule.source.startswith("clinical.md ")
    assert any(mark in rule.source for mark in ("[S]", "[K]", "[P]"))


# What a clinician approved is the rule as it was read: whoever changes what it says raises its version, and the digest.
SAID = {
    "rf_breath": ("1", "a7151d17a5e1"),
    "rf_chest": ("1", "1c3be1e78ce0"),
    "rf_blood": ("1", "87f9d16a5978"),
    "rf_collapse_not_recovered": ("1", "d76181e4cc4e"),
    "rf_bleed": ("1", "b1285941b357"),
    "rf_cauda": ("1", "7a86f1ce393a"),
    "rf_belly": ("1", "bd0d3ac68e1a"),
    "rf_collapse": ("1", "9383914668f5"),
    "rf_cough": ("1", "61edc225d6f6"),
    "rf_nerve": ("1", "e6db41b08ac6"),
    "rf_swell": ("1", "1c9e902b098c"),
    "rf_infect": ("1", "23ad9ff13d6c"),
    "rf_calf": ("1", "a0950cc1faf8"),
    "sore_severe": ("1", "a617f906e63a"),
    "sore_rising": ("1", "86e00397cb10"),
    "sore_lasting": ("1", "1e0ab5756f9b"),
    "usual_worse": ("1", "d8ba1b8ab04c"),
    "written": ("1", "e56ef25bdedd"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_changes_only_with_its_version(rule: Rule) -> None:
    digest = sha256(f"{rule.tier}\n{rule.says}".encode()).hexdigest()[:12]
    assert (rule.version, digest) == SAID[rule.id], "raise the version: a changed rule needs a new approval"


# Rules that weigh numbers: a row below, at and above the threshold, each named after its line in clinical.md.
THRESHOLDS = {
    "sore_severe": "2.4 pain 8/10",
    "sore_rising": "1.2.1 rise of 2",
    "sore_lasting": "1.2.1 4/10 at 72 h",
    "usual_worse": "2.4 usual pain worse",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_rows_on_both_sides_of_where_it_fires(rule: Rule) -> None:
    named = {case.source: case.rule for case in CASES}
    if rule.id in THRESHOLDS:
        line = THRESHOLDS[rule.id]
        for side, fires in (("below", ""), ("at", rule.id), ("above", rule.id)):
            assert [it for source, it in named.items() if source.startswith(f"{line} {side}")] == [fires]
    else:
        questions = {"rf_collapse_not_recovered": "rf_collapse", "written": "q_free"}
        asked = questions.get(rule.id, rule.id)
        about = [case for case in CASES if asked in case.answers]
        assert {case.rule for case in about} >= {rule.id, ""}


def test_a_rule_that_is_off_finds_nothing_and_an_approved_one_says_by_whom() -> None:
    answers: Answers = {"q_sore": 9, "rf_nerve": True}
    standing = {"sore_severe": Standing("1", "Ben, 2026-06-01", off=True), "rf_nerve": Standing("1", "Ben, 2026-06-01")}
    (finding,) = triage("day1", answers, {}, 24, standing)
    assert (finding.rule, finding.approved_by) == ("rf_nerve", "Ben, 2026-06-01")


def test_an_approval_is_of_one_version_and_no_other() -> None:
    (finding,) = triage("day1", {"rf_nerve": True}, {}, 24, {"rf_nerve": Standing("0", "Ben, 2026-06-01")})
    assert finding.approved_by == NOT_APPROVED


def test_no_two_rules_share_an_id_and_the_worst_stand_first() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert [rule.tier for rule in RULES] == sorted((rule.tier for rule in RULES), key=TIERS.index)


def test_a_finding_keeps_what_it_fired_on_and_under_which_rule() -> None:
    (finding,) = triage("day2", {"q_sore": 6, "q_usual": 2}, {"day1": {"q_sore": 4}}, 48)
    assert finding.inputs == {"q_sore": 6, "q_sore_day1": 4}
    assert (finding.rule, finding.rule_version) == ("sore_rising", "1")
    assert "1.2.1" in finding.source


def test_several_findings_come_worst_first() -> None:
    answers: Answers = {"q_free": "hello", "q_sore": 9, "rf_nerve": True, "rf_breath": True}
    tiers = [finding.tier for finding in triage("day1", answers, {}, 24)]
    assert tiers == ["emergency", "same_day", "same_day", "next_visit"]


@pytest.mark.parametrize("text", ["I cannot breathe", "fainted", "10", "all good"])
def test_free_text_is_never_interpreted_nor_copied_into_a_finding(text: str) -> None:
    (finding,) = triage("day1", {"q_free": text}, {}, 24)
    assert finding.tier == "next_visit"
    assert text not in str(finding.inputs)


@pytest.mark.parametrize("step", HOURS)
def test_silence_is_never_green(step: Step) -> None:
    assert triage(step, {}, {}, HOURS[step]) == ()  # no finding, and nothing that could be read as "fine"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"q_sore": 2}, False),
        ({"q_sore": 3}, True),
        ({"q_sore": 4}, True),
        ({"q_sore": 0, "q_free": "thank you"}, False),
        ({"q_sore": 0, "rf_nerve": True}, True),
        ({"rf_infect": False}, True),  # no score is not a low score
    ],
)
def test_72_h_is_asked_from_3_of_10_or_any_flag_as_1_2_4_says(answers: Answers, expected: bool) -> None:
    assert needs_day3(answers, triage("day2", answers, {}, 48)) is expected


def test_72_h_is_asked_after_a_yellow_answer_as_1_2_4_says() -> None:
    answers: Answers = {"q_sore": 0, "q_usual": 6}
    assert needs_day3(answers, triage("day2", answers, {"day1": {"q_usual": 2}}, 48))


NOW = {"en": "call 911 now", "es": "llama al 911 ahora"}


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_has_its_text_with_the_numbers_in_it(tier: Tier, language: str) -> None:
    text = safety_text(tier, "911", "555 0100 {x}", language)
    assert NOW[language] in text.lower()
    assert ("555 0100 {x}" in text) == (tier != "emergency")
    assert {"en": "Your answer means", "es": "Tu respuesta significa"}[language] in text
    assert "Phone your clinic." in safety_text("same_day", "911", "")


def test_the_emergency_text_begins_with_the_call() -> None:
    assert safety_text("emergency", "112", "555 0100").startswith("Call 112 now.")
    assert safety_text("emergency", "112", "555 0100", "es").startswith("Llama al 112 ahora.")


def test_without_a_known_number_the_text_says_so_in_words_and_shows_none() -> None:
    for language, words in (("en", "call your local emergency number now"), ("es", "número de emergencias de tu zona")):
        for tier in TIERS:
            text = safety_text(tier, "", "", language)
            assert words in text.lower()
            assert not any(mark.isdigit() or mark in "{}" for mark in text)


def test_an_unknown_language_still_gets_a_safety_text() -> None:
    assert safety_text("emergency", "112", "", "xx") == safety_text("emergency", "112", "", "en")
    assert unwell_text("112", "xx") == "If you feel very unwell, call 112 now."


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("US", "911"),
        ("us ", "911"),
        ("DE", "112"),
        ("GB", "999"),
        ("UK", "999"),
        ("AU", "000"),
        ("NO", "113"),
        ("", ""),
        ("XX", ""),
        ("NG", ""),
    ],
)
def test_the_emergency_number_is_the_country_s_as_2_4_says(country: str, number: str) -> None:
    assert emergency_number(country) == number


def test_numbers_are_digits_and_countries_are_codes() -> None:
    assert all(number.isdigit() and len(country) == 2 and country.isupper() for country, number in NUMBERS.items())
    assert len(NUMBERS) > 50
