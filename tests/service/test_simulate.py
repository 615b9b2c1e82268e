"""The simulation runs the real engine, behaves the same each time, and its proof finds what is wrong."""

import asyncio
import copy
import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifications.preferences import DEFAULT
from programs import triage
from programs.instants import DAY, HOUR, MINUTE, Instant
from programs.needling import NeedlingSession
from programs.questions import STEPS, asks
from service.database import Database
from service.simulation import habits, invented, proof, script
from service.simulation.cast import Cast
from service.simulation.command import simulate
from service.simulation.invented import CLINICS, KINDS, Habits, Person
from service.simulation.journal import Event
from service.simulation.proof import Proof, prove
from service.simulation.run import Options
from service.simulation.run import simulate as play
from service.simulation.scratch import scratch
from service.simulation.stage import Stage
from tests.world import NOON

EXPORT = Path(__file__).parent.parent / "data" / "needling-sessions.csv"
MONDAY = date(2026, 10, 26)
ADA = Person(
    CLINICS[0],
    "ada",
    "Ada",
    "riverside-ben",
    "America/New_York",
    DEFAULT,
    Habits(looks=1, answers=1, exercises=1),
    ("email",),
)


async def played(db: Database, patients: int, days: int) -> Cast:
    """So many invented patients for so many days; the clocks of New York go back on the seventh."""
    span = script.season(MONDAY, days)
    cast = Cast(Stage(db, span.start, random.Random(7)))
    await script.arrange(cast, span, patients)
    await cast.stage.run(span.end)
    return cast


async def play_alone() -> Proof:
    async with scratch() as db:
        return await prove(db, (await played(db, 24, 8)).journal)


@pytest.fixture(scope="module")
def season() -> Proof:
    """A week of some patients, played once for all tests that only look at it."""
    return asyncio.run(play_alone())


async def ada_at(db: Database, start: Instant) -> Cast:
    """Ada and her clinic on an otherwise empty stage, an hour after a needling session."""
    cast = Cast(Stage(db, start, random.Random(3)))
    await cast.open_clinic(CLINICS[0], invented.clinicians(CLINICS[0]), ("web_push",))
    part = await cast.enrol(ADA, random.Random(3))
    await cast.record(part, "s1", NeedlingSession("ada", ADA.clinician, start - HOUR, ("hamstrings",), "left"))
    return cast


async def test_what_must_hold_holds_on_both_databases(database: Database) -> None:
    found = await prove(database, (await played(database, 6, 4)).journal)
    assert [(check.name, check.broken) for check in found.checks() if check.broken] == []
    assert len(found.to_patients) > 10
    assert found.journal.answered
    assert found.journal.logged


async def test_a_message_waits_for_a_provider_that_is_down_and_is_still_inside_its_window(database: Database) -> None:
    cast = await ada_at(database, NOON)
    down = (NOON + 4 * HOUR, NOON + 6 * HOUR)
    cast.stage.channels["email"].outages.append(down)
    await cast.stage.run(NOON + DAY)
    found = await prove(database, cast.journal)
    assert min(it.sent.at for it in found.to_patients) >= down[1]
    assert [it.broken for it in found.checks() if it.broken] == []


async def test_a_lost_phone_is_written_to_no_more_until_there_is_a_new_one(database: Database) -> None:
    cast = await ada_at(database, NOON)
    ada = next(iter(cast.parts.values()))
    await cast.lose_phone(ada)
    cast.stage.at(NOON + 20 * HOUR, lambda: cast.replace_phone(ada))
    await cast.stage.run(NOON + 26 * HOUR)
    tried = [(it.at - NOON) // HOUR for it in cast.journal.sent if it.who == ada.who]
    assert [it.taken for it in cast.journal.sent if it.who == ada.who] == [False, True]
    assert tried[1] >= 20


async def test_a_warning_sign_is_alerted_in_the_same_minute_and_acknowledged(database: Database) -> None:
    cast = await ada_at(database, NOON)
    ada = next(iter(cast.parts.values()))
    cast.attentive = 1
    ada.gone = True  # but for what this test has her do
    cast.stage.at(NOON + 3 * HOUR, lambda: cast.report(ada, "emergency"))
    await cast.stage.run(NOON + 5 * HOUR)
    alerts = [it for it in cast.journal.sent if it.who == cast.doctor(ada)]
    assert [it.at for it in alerts] == [NOON + 3 * HOUR]
    assert [flag.tier for flag in cast.journal.flagged.values()] == ["emergency"]


# the proof can fail


def at_night(it: Proof) -> None:
    first = it.to_patients[0]
    clock = it.local(first.sent.who, first.sent.at)
    it.to_patients[0] = first._replace(sent=first.sent._replace(at=first.sent.at - (clock.hour - 3) * HOUR))


def too_late(it: Proof) -> None:
    at = next(n for n, one in enumerate(it.to_patients) if one.message.kind == "check_in")
    one = it.to_patients[at]
    it.to_patients[at] = one._replace(sent=one.sent._replace(at=one.sent.at + 2 * DAY))


def without_consent(it: Proof) -> None:
    first = it.to_patients[0].sent
    it.journal.events.append(Event(first.at - MINUTE, first.who, "consent withdrawn"))


def above_the_limit(it: Proof) -> None:
    it.journal.most_a_day |= dict.fromkeys(it.journal.most_a_day, 0)


def taken_twice(it: Proof) -> None:
    it.delivered.append(it.delivered[0])


def said_again(it: Proof) -> None:
    first = it.delivered[0]
    it.delivered.append(first._replace(sent=first.sent._replace(delivery_id="another")))


def not_alerted(it: Proof) -> None:
    it.journal.sent = [sent for sent in it.journal.sent if sent.who.kind == "patient"]


def unaccounted(it: Proof) -> None:
    it.unaccounted = 1


def lost(it: Proof) -> None:
    it.delivered.pop()


BREAKS: dict[Callable[[Proof], None], str] = {
    too_late: "inside its window",
    at_night: "inside the patient's allowed hours",
    without_consent: "nothing after consent was withdrawn or care ended",
    above_the_limit: "no reminder or nudge above the day's limit",
    taken_twice: "nothing said twice",
    said_again: "nothing said twice",
    not_alerted: "clinicians are told at once of what cannot wait",
    unaccounted: "every message is pending or ended, once (conservation)",
    lost: "every message is pending or ended, once (conservation)",
}


@pytest.mark.parametrize("harm", BREAKS, ids=lambda harm: harm.__name__)
def test_the_proof_finds_what_was_broken(season: Proof, harm: Callable[[Proof], None]) -> None:
    assert season.journal.flagged, "nothing to alert in this season: choose another seed"
    assert [check.name for check in season.checks() if check.broken] == []
    harmed = copy.deepcopy(season)
    harm(harmed)
    assert BREAKS[harm] in [check.name for check in harmed.checks() if check.broken]


# the command


def run(*args: str, hash_seed: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.Popen(
        [sys.executable, "-c", "from service.cli import main; main()", *args], env=environment, stdout=subprocess.PIPE
    )


def test_the_same_seed_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    common = ("simulate", "--start", "2026-10-30", "--days", "3", "--patients", "8")
    outs = [tmp_path / name for name in ("one", "two", "other")]
    seeds = ("4", "4", "5")
    runs = [
        run(*common, "--seed", seed, "--out", str(out), hash_seed=str(number))
        for number, (seed, out) in enumerate(zip(seeds, outs, strict=True))
    ]
    assert [(it.communicate() and it.returncode) for it in runs] == [0, 0, 0]
    for name in ("summary.txt", "timeline.svg"):
        one, two, other = ((out / name).read_bytes() for out in outs)
        assert one == two
        assert one != other


def test_the_command_fails_where_something_that_must_hold_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(proof.HOURS, "evening", (0, 1))
    args = ["--start", "2026-10-26", "--days", "3", "--patients", "4", "--out", str(tmp_path)]
    done = CliRunner().invoke(simulate, args)
    assert done.exit_code == 1
    assert "BROKEN: " in (tmp_path / "summary.txt").read_text("utf-8")


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--start", "2026-10-26", "--needling-sessions", str(EXPORT)],
        ["--start", "26.10.2026"],
        ["--start", "2026-10-26", "--days", "0"],
        ["--needling-sessions", str(EXPORT.with_name("wrong-columns.csv"))],
    ],
)
def test_what_cannot_be_run_is_said_in_a_line_and_writes_nothing(tmp_path: Path, args: list[str]) -> None:
    done = CliRunner().invoke(simulate, [*args, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.stderr.strip()
    assert not (tmp_path / "out").exists()


async def test_an_export_is_replayed_and_importing_it_again_changes_nothing(tmp_path: Path) -> None:
    lines = EXPORT.read_bytes().splitlines(keepends=True)
    few = tmp_path / "few.csv"
    few.write_bytes(b"".join([lines[0], *(line for line in lines if b"Island Movement" in line and b'"' not in line)]))
    done = await play(Options(days=6, sessions=few))
    text = done.summary.text
    assert not done.summary.broken
    again = next(line for line in text.splitlines() if line.startswith("The whole file imported once more"))
    assert "recorded" not in again.replace("not recorded", "")
    assert "corrected" not in again
    assert len(done.proof.to_patients) > 10
    assert {name for zones in done.proof.journal.zones.values() for _, name in zones} >= {"Australia/Lord_Howe"}


# people


@pytest.mark.parametrize("kind", [kind for _, kind in KINDS if kind.answers])
def test_soreness_falls_from_the_twelfth_hour_but_for_those_who_are_atypical(kind: Habits) -> None:
    chance = random.Random(1)

    def usual(hours: float) -> float:
        return sum(habits.soreness(kind, hours, chance) for _ in range(300)) / 300

    assert usual(0) > usual(12) > usual(24)
    assert (usual(48) > usual(24) + 1) == kind.rises


@pytest.mark.parametrize("tier", ["emergency", "same_day"])
@pytest.mark.parametrize("step", [step for step in STEPS if step in ("evening", "day1", "day2")])
def test_a_patient_can_report_a_warning_sign_of_each_tier(step: str, tier: str) -> None:
    asked = asks(("infraspinatus", "gluteus medius"), step)  # type: ignore[arg-type]
    said = habits.answers(asked, KINDS[0][1], 24, random.Random(2), tier)
    assert triage.triage(step, said, {}, 24)[0].tier == tier  # type: ignore[arg-type]


def test_every_invented_patient_has_another_name_and_hours_that_are_allowed() -> None:
    people = [invented.person(number, random.Random(number)) for number in range(300)]
    assert len({it.name for it in people}) == len(people)
    assert all(it.chosen.hours.length >= 12 * 60 for it in people)
