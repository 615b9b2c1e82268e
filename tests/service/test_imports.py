"""What an export becomes: verdicts, needling sessions, check-ins and messages; and what it must leave alone.

How the file itself is read is in test_visits.py.
"""

import asyncio
import csv
import io
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Connection, Row, select

from notifications import conservation, outbox
from notifications.tables import address, message
from programs import checkins, needling, people
from programs.instants import DAY, HOUR, Instant, moment, of
from programs.tables import check_in, metadata, needling_session, patient
from service import audit, care, imports, spreadsheet, tables, visits
from service.care import Who
from service.clock import SetClock
from service.database import Database, connect
from service.imports import Order, Outcome
from service.vault import CARRIED, Keys
from service.visits import Visit
from tests.conftest import forget_everything
from tests.processes import fork
from tests.world import NOON

DATA = Path(__file__).parents[1] / "data"
EXPORT = (DATA / "needling-sessions.csv").read_bytes()
CONSENTED = Order(consented=True)
KEYED = {CARRIED: Keys([bytes(32)])}  # of several processes


def at(text: str) -> Instant:
    return of(datetime.fromisoformat(text))


def read(raw: bytes) -> list[Visit]:
    rows, problems = spreadsheet.read(raw, visits.REQUIRED)
    found, more = visits.visits(rows)
    assert not problems + more
    return found


def export(*rows: dict[str, str]) -> bytes:
    """A file of visits of Ada to Ben that ended an hour before NOON, each but for what is given."""
    usual = {
        "appointment_id": "A1",
        "clinic": "Riverside",
        "clinic_time_zone": "America/New_York",
        "practitioner": "Ben",
        "starts_at": "2026-06-01T10:30:00-04:00",
        "ends_at": "2026-06-01T11:00:00-04:00",
        "status": "attended",
        "patient_id": "P1",
        "patient_name": "Ada",
        "patient_email": "ada@patients.example",
        "patient_time_zone": "America/New_York",
        "muscles": "piriformis; gluteus medius",
        "side": "left",
    }
    text = io.StringIO()
    columns = dict.fromkeys([*usual, *(name for row in rows for name in row)])
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(usual | row for row in rows)
    return text.getvalue().encode()


async def bring_in(db: Database, raw: bytes, now: Instant, order: Order = CONSENTED) -> Outcome:
    return await imports.run(db, read(raw), order, SetClock(now), lambda _: None)


async def whats(db: Database, raw: bytes, now: Instant, order: Order = CONSENTED) -> list[tuple[str, str]]:
    return [(it.what, it.detail) for it in (await bring_in(db, raw, now, order)).verdicts]


def everything(db: Connection) -> dict[str, list[str]]:
    """Every row of every table, but for the place of a note in the chain of the audit."""
    found = {}
    for table in metadata.sorted_tables:
        columns = [column for column in table.c if column not in (tables.audit.c.number, tables.audit.c.mac)]
        found[table.name] = sorted(repr(tuple(row)) for row in db.execute(select(*columns)))
    return found


def only(db: Connection, table: Any) -> Row[Any]:
    return db.execute(select(table)).one()


RIVERSIDE = read(export({}))[0]
SESSION = RIVERSIDE.session_id()
HERE = Who(RIVERSIDE.clinic_id, "clinician", RIVERSIDE.clinician_id)

# the 160 visits we were given


@pytest.mark.parametrize(
    ("day", "verdicts"),
    [
        ("2026-10-25", {"recorded": 52, "not yet ended": 93, "no visit": 15}),
        ("2026-11-02", {"recorded": 59, "not yet ended": 55, "too old": 31, "no visit": 15}),
        ("2027-03-15", {"recorded": 13, "not yet ended": 42, "too old": 90, "no visit": 15}),
        ("2027-04-05", {"recorded": 55, "too old": 90, "no visit": 15}),
    ],
)
async def test_each_day_takes_the_visits_of_its_last_thirty_days(
    database: Database, day: str, verdicts: dict[str, int]
) -> None:
    now = at(f"{day}T12:00:00Z")
    outcome = await bring_in(database, EXPORT, now)
    assert Counter(it.what for it in outcome.verdicts) == verdicts
    assert Counter(it.what for it in outcome.verdicts) == Counter(expected(now))
    await database.read(check_aftercare, now)
    assert await database.read(conservation.unaccounted) == 0


def expected(now: Instant) -> Iterator[str]:
    """The verdicts again, by other means: the csv module and datetime."""
    today = moment(now)
    for row in csv.DictReader(io.StringIO(EXPORT.decode("utf-8-sig"), newline="")):
        ended = datetime.fromisoformat(row["ends_at"])
        if row["status"] != "attended":
            yield "no visit"
        elif ended > today:
            yield "not yet ended"
        else:
            yield "too old" if today - ended > timedelta(days=30) else "recorded"


def check_aftercare(db: Connection, now: Instant) -> None:
    """Every check-in lies where elapsed time puts it, every message in its window and in allowed hours."""
    opens = {"evening": 2, "day1": 24, "day2": 42, "day3": 66, "day7": 156}
    closes = {"evening": 18, "day1": 40, "day2": 62, "day3": 86, "day7": 204}
    ended = {row.id: row.ended_at for row in db.execute(select(needling_session))}
    windows = {}
    for it in db.execute(select(check_in)):
        over = ended[it.session_id] + closes[it.step] * HOUR
        if (
            it.step == "day7" and over <= now
        ):  # late = "shift": asked from now on, for two days, where those are not over
            assert (it.opens, it.target, it.closes) == (now, now, now + 2 * DAY)
            assert now < over + 2 * DAY
        else:
            assert (it.opens, it.closes) == (ended[it.session_id] + opens[it.step] * HOUR, over)
        assert it.opens <= it.target <= it.closes
        assert it.closes > now
        windows[it.id] = it
    made = Counter(it.session_id for it in windows.values())
    asked = {**closes, "day7": closes["day7"] + 48}
    assert all(made[id] == sum(at + hours * HOUR > now for hours in asked.values()) for id, at in ended.items())
    zones = {row.id: ZoneInfo(row.zone) for row in db.execute(select(patient))}
    planned = db.execute(select(message)).all()
    for it in planned:
        shown = moment(it.planned_for).astimezone(zones[it.person_id])
        assert 8 <= shown.hour < 21
        assert it.planned_for >= now
        for subject in msgspec.json.decode(it.subjects):
            window = windows[subject.partition(":")[2]]
            assert window.opens <= it.planned_for <= window.closes
    assert planned or not any(it.opens < now + outbox.HORIZON for it in windows.values())


async def test_importing_the_same_file_again_changes_nothing(database: Database) -> None:
    now = at("2026-11-02T12:00:00Z")
    await bring_in(database, EXPORT, now)
    before = await database.read(everything)
    again = await bring_in(database, EXPORT, now + HOUR)
    assert Counter(it.what for it in again.verdicts)["unchanged"] == 59
    assert not again.made
    assert await database.read(everything) == before


async def test_a_dry_run_says_what_the_run_does_and_writes_nothing(database: Database) -> None:
    now = at("2026-11-02T12:00:00Z")
    empty = await database.read(everything)
    dry = await bring_in(database, EXPORT, now, Order(consented=True, dry=True))
    assert await database.read(everything) == empty
    run = await bring_in(database, EXPORT, now)
    assert [msgspec.structs.replace(it, asked=()) for it in dry.verdicts] == run.verdicts
    assert dry.made == run.made


async def test_a_dry_run_tells_when_each_check_in_is_asked(database: Database) -> None:
    now = at("2026-10-31T19:00:00Z")  # the day before the clocks go back in New York
    dry = await bring_in(database, EXPORT, now, Order(consented=True, dry=True))
    asked = {it.appointment: it.asked for it in dry.verdicts}
    # Ended at 14:00 on 31 October: a day later the clocks show 13:00.
    assert asked["A00001"] == (
        ("evening", "31 Oct 20:00"),
        ("day1", "1 Nov 13:00"),
        ("day2", "2 Nov 13:00"),
        ("day3", "if still sore"),
        ("day7", "7 Nov 13:00"),
    )


async def test_a_visit_in_the_past_makes_only_what_is_still_in_its_window(database: Database) -> None:
    dry = await bring_in(database, export({}), NOON + 3 * DAY, Order(consented=True, dry=True))
    assert [step for step, when in dry.verdicts[0].asked if not when] == ["evening", "day1", "day2"]
    await bring_in(database, export({}), NOON + 3 * DAY)
    standing = await database.read(checkins.session_check_ins, RIVERSIDE.clinic_id, SESSION)
    assert sorted(it.step for it in standing) == ["day3", "day7"]


async def test_a_run_that_stopped_half_way_is_made_whole_by_running_again(database: Database) -> None:
    now = at("2026-11-02T12:00:00Z")
    await bring_in(database, EXPORT, now)
    once = await database.read(everything)
    await database.write(forget_everything)
    with pytest.raises(InterruptedError):
        await imports.run(database, read(EXPORT), CONSENTED, SetClock(now), stop)
    assert any(rows not in ([], once[name]) for name, rows in (await database.read(everything)).items())
    await bring_in(database, EXPORT, now)
    assert await database.read(everything) == once


def stop(done: int) -> None:
    raise InterruptedError(f"after {done} rows")


def die_half_way() -> None:
    """In a process of its own: url, and how many notes of the audit it lives through."""
    url, left = sys.argv[1], int(sys.argv[2])
    note = audit.note

    def fatal(*args: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        note(*args)

    async def bring() -> None:
        async with await connect(url, KEYED) as db:
            await imports.run(db, read(EXPORT), CONSENTED, SetClock(at("2026-11-02T12:00:00Z")), print)

    audit.note, imports.CHUNK = fatal, 40  # type: ignore[assignment]
    asyncio.run(bring())


async def test_kill_9_in_the_middle_of_a_transaction_leaves_whole_rows(database_url: str, tmp_path: Path) -> None:
    now = at("2026-11-02T12:00:00Z")
    async with await connect(database_url, KEYED) as database:
        await bring_in(database, EXPORT, now)
        once = await database.read(everything)
        await database.write(forget_everything)
    killed = await fork("tests.service.test_imports:die_half_way", [database_url, "100"], tmp_path, {})
    said, complaints = await killed.communicate()
    assert killed.returncode == -signal.SIGKILL, complaints
    assert said.split(), "one chunk was to be committed before it"
    async with await connect(database_url, KEYED) as database:
        await bring_in(database, EXPORT, now)
        assert await database.read(everything) == once


# what changes between two exports


async def test_a_visit_cancelled_since_is_cancelled_with_what_was_to_be_asked(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    assert await whats(database, export({"status": "cancelled"}), NOON) == [
        ("cancelled", "cancelled; nothing more is asked about it")
    ]
    standing = await database.read(checkins.session_check_ins, RIVERSIDE.clinic_id, SESSION)
    assert {it.state for it in standing} == {"cancelled"}
    assert await whats(database, export({"status": "cancelled"}), NOON) == [("no visit", "cancelled")]


async def test_a_visit_that_took_place_after_all_is_recorded_anew(database: Database) -> None:
    for status in ("attended", "did not arrive"):
        await bring_in(database, export({"status": status}), NOON)
    assert await whats(database, export({}), NOON) == [("recorded", "")]
    assert await whats(database, export({}), NOON) == [("unchanged", "")]


async def test_a_visit_at_another_time_is_corrected_and_its_check_ins_move(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    moved = export({"starts_at": "2026-06-01T09:30:00-04:00", "ends_at": "2026-06-01T10:00:00-04:00"})
    assert await whats(database, moved, NOON) == [("corrected", "ended at, started at")]
    standing = await database.read(checkins.session_check_ins, RIVERSIDE.clinic_id, SESSION)
    assert {it.step: it.target for it in standing}["day1"] == NOON - 2 * HOUR + DAY
    assert await whats(database, moved, NOON) == [("unchanged", "")]


async def test_what_a_clinician_corrected_here_is_not_put_back(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    before = await database.read(needling.session_of, HERE.clinic, SESSION)
    corrected = msgspec.structs.replace(before.session, side="right")
    await database.write(care.correct_session, HERE, SESSION, 1, corrected, NOON)
    assert await whats(database, export({}), NOON) == [("unchanged", "corrected here")]
    assert await whats(database, export({"side": "both"}), NOON) == [("corrected", "side")]


async def test_what_a_clinician_cancelled_here_is_not_brought_back(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    await database.write(care.cancel_session, HERE, SESSION, 1, NOON)
    assert await whats(database, export({"side": "both"}), NOON) == [("unchanged", "cancelled here")]


async def test_a_changed_visit_of_long_ago_is_too_old_to_correct(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    assert await whats(database, export({}), NOON + 60 * DAY) == [("unchanged", "")]
    assert await whats(database, export({"side": "both"}), NOON + 60 * DAY) == [("too old", "60 days")]


async def test_a_visit_yet_to_end_is_taken_by_a_later_import(database: Database) -> None:
    assert await whats(database, export({}), NOON - 3 * HOUR) == [("not yet ended", "1 Jun 2026 11:00")]
    assert await database.read(everything) == {table.name: [] for table in metadata.sorted_tables}
    assert await whats(database, export({}), NOON) == [("recorded", "")]


async def test_a_patient_follows_the_export_where_it_says_something_new(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    moved = export({"patient_time_zone": "Asia/Tokyo", "patient_name": "Ada L.", "precautions": "pregnancy"})
    assert await whats(database, moved, NOON) == [("corrected", "patient: name, zone, precautions")]
    assert await whats(database, moved, NOON) == [("unchanged", "")]
    it = await database.read(only, patient)
    assert (it.name, it.zone, it.precautions) == ("Ada L.", "Asia/Tokyo", '["pregnancy"]')


async def test_what_the_audit_keeps_of_an_export_can_be_tried_out_by_nobody_without_the_key(database: Database) -> None:
    await bring_in(database, export({}, {"patient_id": "P2", "appointment_id": "A2"}), NOON)
    log = tables.audit.c
    noted = select(log.record_id).where(log.what == imports.SAID)
    said = await database.read(lambda db: [it.split("-") for it in db.execute(noted).scalars()])
    assert len(said) == 2
    assert len(set(said[0] + said[1])) == 6, "two of the same name have nothing in common"
    of_them = visits.details_of(read(export({})))

    def guessed(db: Connection) -> list[str]:
        key, db.info[CARRIED] = db.info[CARRIED], Keys([bytes(32)])
        made = [imports._fingerprint(db, id, details) for id, details in of_them.items()]
        db.info[CARRIED] = key
        return made

    [guess] = await database.read(guessed)
    assert not set(guess.split("-")) & set(said[0] + said[1])


async def test_what_the_patient_changed_is_not_put_back(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    await database.write(care.change_patient, HERE, RIVERSIDE.patient_id, 1, {"zone": "Asia/Tokyo"}, NOON)
    assert await whats(database, export({}), NOON) == [("unchanged", "")]
    assert await whats(database, export({"patient_name": "Ada L."}), NOON) == [("corrected", "patient: name")]
    assert (await database.read(only, patient)).zone == "Asia/Tokyo"


async def test_what_an_export_said_is_known_again_after_the_key_was_renewed(database: Database) -> None:
    """Else all of it were news, and what the patient changed since would be put back."""
    await bring_in(database, export({}), NOON)
    await database.write(care.change_patient, HERE, RIVERSIDE.patient_id, 1, {"zone": "Asia/Tokyo"}, NOON)
    database.carried["vault"].renew()
    for _ in range(2):
        assert await whats(database, export({}), NOON) == [("unchanged", "")]
    assert (await database.read(only, patient)).zone == "Asia/Tokyo"
    assert await whats(database, export({"patient_name": "Ada L."}), NOON) == [("corrected", "patient: name")]


async def test_an_e_mail_address_is_taken_from_the_export_only_with_a_new_patient(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    await bring_in(database, export({"patient_email": "other@patients.example", "side": "both"}), NOON)
    it = await database.read(only, address)
    assert (it.person_id, it.channel, it.value) == (
        RIVERSIDE.patient_id,
        "email",
        '{"mailbox":"ada@patients.example"}',
    )


async def test_all_rows_of_a_patient_make_one_patient_of_their_latest_visit(database: Database) -> None:
    raw = export(
        {"precautions": "joint replacement; right hip", "patient_name": "Ada L."},
        {"appointment_id": "A2", "ends_at": "2026-06-01T08:00:00-04:00", "starts_at": "", "precautions": "pregnancy"},
    )
    await bring_in(database, raw, NOON)
    it = await database.read(only, patient)
    assert (it.name, it.version) == ("Ada L.", 1)
    assert msgspec.json.decode(it.precautions) == ["joint replacement; right hip", "pregnancy"]


async def test_without_consent_on_file_check_ins_stand_and_nothing_is_planned(database: Database) -> None:
    outcome = await bring_in(database, export({}), NOON, Order())
    assert outcome.silent == {RIVERSIDE.patient_id}
    assert len(await database.read(checkins.session_check_ins, RIVERSIDE.clinic_id, SESSION)) == 5
    assert await database.read(lambda db: db.execute(select(message)).all()) == []
    assert await whats(database, export({}), NOON) == [("corrected", "patient: consent")]
    assert await database.read(lambda db: db.execute(select(message)).all()) != []


async def test_consent_that_was_withdrawn_here_is_not_overruled(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    await database.write(care.change_patient, HERE, RIVERSIDE.patient_id, 1, {"consented": False}, NOON)
    assert await whats(database, export({}), NOON) == [("unchanged", "")]
    assert not (await database.read(only, patient)).consented


async def test_a_refused_row_writes_nothing_and_the_others_stand(database: Database) -> None:
    await bring_in(database, export({}), NOON)
    await database.write(care.change_patient, HERE, RIVERSIDE.patient_id, 1, {"discharged_at": NOON}, NOON)
    before = await database.read(everything)
    rows = [{"appointment_id": f"A{number}", "practitioner": "Cleo"} for number in (2, 3)]
    discharged = "This patient is discharged. Take them up again first."
    assert await whats(database, export(*rows), NOON) == [("refused", discharged)] * 2
    assert await database.read(everything) == before
    rows.append({"appointment_id": "A4", "patient_id": "P2"})
    assert [what for what, _ in await whats(database, export(*rows), NOON)] == ["refused", "refused", "recorded"]


async def test_clinics_may_number_their_appointments_and_patients_alike(database: Database) -> None:
    raw = export({}, {"clinic": "Harbour", "clinic_time_zone": "Australia/Sydney", "patient_time_zone": "Asia/Tokyo"})
    assert await whats(database, raw, NOON) == [("recorded", "")] * 2
    found = await database.read(lambda db: [people.clinic_of(db, it.clinic_id) for it in read(raw)])
    assert [(it.name, it.zone, it.country) for it in found] == [
        ("Riverside", "America/New_York", "US"),
        ("Harbour", "Australia/Sydney", "AU"),
    ]
