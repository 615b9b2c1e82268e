"""Every table of this room: people, needling sessions, check-ins, plans, completions. Nothing reads or writes here.

Each key begins with `clinic_id` and each foreign key carries it, so that a row of one clinic cannot point at a row of
another. Instants are whole milliseconds since 1970 in UTC; a `wall` is a minute of local clock time (see schedule.py);
one value is one Struct in one JSON column.
"""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

ITEM_STATES = ("done", "partly", "late", "skipped", "excused", "not_reached", "missed", "open")  # of adherence.py

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class Value(TypeDecorator[str]):
    """A Struct goes in; its JSON text comes out, for the verb that knows its type to decode."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()


def ID(name: str, **options: Any) -> Column[str]:
    return Column(name, String(64), nullable=options.pop("nullable", False), **options)


def INSTANT(name: str, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


class _Listed(TypeDecorator[Any]):
    """Many ids as one value: an array for PostgreSQL, JSON for SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(String))

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> Any:
        ids = list(value or ())
        return msgspec.json.encode(ids).decode() if dialect.name == "sqlite" else ids


class among(FunctionElement[Any]):
    """`column` is one of the ids bound as `name`. The statement's text stays the same however many they are, which an
    expanding IN writes anew each time: a fifth of what a short statement costs."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[str], name: str) -> None:
        super().__init__(column, bindparam(name, type_=_Listed()))


@compiles(among, "sqlite")
def _in_json(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(it, **options) for it in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 (both are SQL already, made by SQLAlchemy)


@compiles(among, "postgresql")
def _in_array(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(it, **options) for it in element.clauses)
    return f"{column} = ANY ({ids})"


def belongs_to(table: str, column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["clinic_id", column], [f"{table}.clinic_id", f"{table}.id"])


def one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


clinic = Table(
    "clinic",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("name", Text, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("country", String(2), nullable=False),
    Column("phone", Text, nullable=False),
    INSTANT("created_at"),
    Column("settings", Value, nullable=False),  # a ClinicSettings, see people.py
)

clinician = Table(
    "clinician",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    INSTANT("ended_at", nullable=True),  # left or shut out: signs in no more, is given nobody more to treat
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
    one_of("role", "clinician", "admin"),
)

patient = Table(
    "patient",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    Column("name", Text, nullable=False),
    Column("zone", String(64), nullable=False),
    ID("clinician_id"),
    Column("precautions", Value, nullable=False),
    # Consent and discharge are read by the claim itself: no message leaves after the commit that ends either.
    Column("consented", Boolean, nullable=False),
    INSTANT("discharged_at", nullable=True),
    INSTANT("reacted_at"),
    Column("version", Integer, nullable=False),
    INSTANT("created_at"),
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
    belongs_to("clinician", "clinician_id"),
)
Index(None, patient.c.clinic_id, patient.c.clinician_id)

break_glass = Table(  # append-only: a patient opened by somebody who does not treat them, why, and until when
    "break_glass",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    ID("clinician_id"),
    Column("reason", Text, nullable=False),
    INSTANT("opened_at"),
    INSTANT("closes_at"),
    belongs_to("patient", "patient_id"),
    belongs_to("clinician", "clinician_id"),
)
Index(None, break_glass.c.clinic_id, break_glass.c.patient_id)
Index(None, break_glass.c.clinic_id, break_glass.c.opened_at)

consent = Table(  # append-only: who agreed to what, when, and who wrote it down
    "consent",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("given", Boolean, nullable=False),
    Column("recorded_by", Text, nullable=False),
    INSTANT("recorded_at"),
    Column("wording", String(16), nullable=False),  # of consent.py; "" before words were kept
    belongs_to("patient", "patient_id"),
)

legal_hold = Table(  # while one stands, the record is not erased
    "legal_hold",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    Column("set_at", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    INSTANT("released_at", nullable=True),
    Column("released_by", Text),
    Column("released_why", Text),
    belongs_to("patient", "patient_id"),
)

erasure_request = (
    Table(  # a patient asked; an admin of the clinic decides. One that was granted is gone with the record
        "erasure_request",
        metadata,
        ID("clinic_id", primary_key=True),
        ID("patient_id", primary_key=True),
        Column("asked_by", Text, nullable=False),
        Column("asked_at", BigInteger, primary_key=True, autoincrement=False),
        INSTANT("refused_at", nullable=True),
        Column("refused_by", Text),
        Column("refused_why", Text),
        belongs_to("patient", "patient_id"),
    )
)

tombstone = Table(  # all that is left of a record that was erased: so that no import brings it back under its id
    "tombstone",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    INSTANT("erased_at"),
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
)

zone_before = Table(  # append-only: where a patient's clock stood until they moved
    "zone_before",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("zone", String(64), nullable=False),
    INSTANT("until_at"),
    belongs_to("patient", "patient_id"),
)

protocol = Table(  # append-only but for its approval; the default of aftercare.py is in no row
    "protocol",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("value", Value, nullable=False),
    Column("made_by", Text, nullable=False),
    INSTANT("made_at"),
    Column("approved_by", Text),
    INSTANT("approved_at", nullable=True),
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
)

needling_session = Table(
    "needling_session",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    Column("version", Integer, nullable=False),
    ID("patient_id"),
    INSTANT("ended_at"),
    Column("value", Value, nullable=False),
    INSTANT("cancelled_at", nullable=True),
    INSTANT("recorded_at"),
    Column("protocol", Integer),  # the version in force when it was recorded; NULL is the default
    belongs_to("patient", "patient_id"),
    ForeignKeyConstraint(["clinic_id", "protocol"], ["protocol.clinic_id", "protocol.version"]),
)
Index(None, needling_session.c.clinic_id, needling_session.c.patient_id, needling_session.c.ended_at)

needling_session_before = Table(  # what a needling session said before each correction; append-only
    "needling_session_before",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("value", Value, nullable=False),
    INSTANT("replaced_at"),
    Column("replaced_by", Text, nullable=False),
    belongs_to("needling_session", "id"),
)

check_in = Table(
    "check_in",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    ID("session_id"),
    Column("step", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    INSTANT("opens"),
    INSTANT("target"),
    INSTANT("closes"),
    INSTANT("asked_at", nullable=True),
    INSTANT("answered_at", nullable=True),
    Column("late", String(16), nullable=False, server_default="catch_up"),  # what happens when it cannot go in time
    INSTANT("shifted_from", nullable=True),  # its target, where a late one was given another
    one_of("state", "open", "conditional", "answered", "not_needed", "cancelled"),
    one_of("late", "catch_up", "shift", "skip"),
    CheckConstraint("opens <= target AND target <= closes", name="window"),
    belongs_to("patient", "patient_id"),
    belongs_to("needling_session", "session_id"),
)
Index(None, check_in.c.clinic_id, check_in.c.patient_id, check_in.c.target)
Index(None, check_in.c.clinic_id, check_in.c.session_id)
_OPEN = check_in.c.state == "open"
Index("ix_check_in_open", check_in.c.clinic_id, check_in.c.closes, sqlite_where=_OPEN, postgresql_where=_OPEN)

answer = Table(  # append-only: a second thought is a second row
    "answer",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("check_in_id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("answers", Value, nullable=False),
    Column("questions_version", String(16), nullable=False),
    INSTANT("answered_at"),
    INSTANT("received_at"),
    belongs_to("check_in", "check_in_id"),
)

flag = Table(
    "flag",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    ID("check_in_id"),
    Column("tier", String(16), nullable=False),
    Column("finding", Value, nullable=False),
    INSTANT("raised_at"),
    INSTANT("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text),
    INSTANT("acknowledge_by", nullable=True),
    INSTANT("nobody_at", nullable=True),
    Column("note", Text),
    one_of("tier", "emergency", "same_day", "next_visit"),
    belongs_to("patient", "patient_id"),
    belongs_to("check_in", "check_in_id"),
)
Index(None, flag.c.clinic_id, flag.c.raised_at, flag.c.id)
_WAITING = flag.c.acknowledged_at.is_(None)
Index("ix_flag_waiting", flag.c.clinic_id, flag.c.nobody_at, sqlite_where=_WAITING, postgresql_where=_WAITING)

follow_up = Table(  # somebody of the clinic looked after a check-in that was not answered
    "follow_up",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("check_in_id", primary_key=True),
    Column("note", Text, nullable=False),
    Column("followed_by", Text, nullable=False),
    INSTANT("followed_at"),
    belongs_to("check_in", "check_in_id"),
)

rule_decision = Table(  # append-only: what a clinic decided about a rule of triage; the latest counts
    "rule_decision",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("rule", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("rule_version", String(16), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("name", Text, nullable=False),
    INSTANT("decided_at"),
    one_of("decision", "approved", "off", "on"),
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
)

activity = Table(  # something a patient finds hard, in their own words
    "activity",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    Column("words", Text, nullable=False),
    Column("added_by", Text, nullable=False),
    INSTANT("added_at"),
    INSTANT("ended_at", nullable=True),
    belongs_to("patient", "patient_id"),
)
Index(None, activity.c.clinic_id, activity.c.patient_id)

rating = Table(  # append-only: how well each activity goes, and how the problem is now
    "rating",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    ID("id", primary_key=True),
    Column("value", Value, nullable=False),
    INSTANT("rated_at"),
    INSTANT("received_at"),
    belongs_to("patient", "patient_id"),
)

plan = Table(
    "plan",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    ID("clinician_id"),
    Column("title", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ended_wall", BigInteger),
    INSTANT("created_at"),
    INSTANT("ended_at", nullable=True),  # when that became known, beside the wall it ended at
    belongs_to("patient", "patient_id"),
    belongs_to("clinician", "clinician_id"),
)
Index(None, plan.c.clinic_id, plan.c.patient_id)

revision = Table(  # append-only: a plan is revised, never edited
    "revision",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("plan_id", primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("from_wall", BigInteger, nullable=False),
    Column("terms", Value, nullable=False),
    Column("revised_by", Text, nullable=False),
    INSTANT("revised_at"),
    belongs_to("plan", "plan_id"),
)

hold = Table(
    "hold",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("plan_id"),
    Column("from_wall", BigInteger, nullable=False),
    Column("until_wall", BigInteger),
    Column("exercises", Value, nullable=False),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    INSTANT("held_at"),
    belongs_to("plan", "plan_id"),
)
Index(None, hold.c.clinic_id, hold.c.plan_id)

phase_release = Table(  # append-only: a clinician lets a patient go on after a needling session
    "phase_release",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    ID("session_id"),
    Column("phase", String(1), nullable=False),
    Column("released_by", Text, nullable=False),
    INSTANT("released_at"),
    one_of("phase", "A", "B", "C"),
    belongs_to("patient", "patient_id"),
    belongs_to("needling_session", "session_id"),
)
Index(None, phase_release.c.clinic_id, phase_release.c.patient_id)

template = Table(  # the clinic's own programs; what one says stands in its versions
    "template",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    Column("version", Integer, nullable=False),
    INSTANT("made_at"),
    INSTANT("retired_at", nullable=True),
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
)

template_version = Table(  # append-only
    "template_version",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("template_id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("prescriptions", Value, nullable=False),
    Column("made_by", Text, nullable=False),
    INSTANT("made_at"),
    belongs_to("template", "template_id"),
)

completion = Table(  # append-only; what the phone said, as it said it
    "completion",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    ID("id", primary_key=True),
    ID("plan_id"),
    Column("revision", Integer, nullable=False),
    Column("exercise", String(64), nullable=False),
    Column("wall", BigInteger, nullable=False),
    Column("value", Value, nullable=False),
    INSTANT("done_at"),
    Column("done_wall", BigInteger, nullable=False),
    INSTANT("received_at"),
    belongs_to("patient", "patient_id"),
    belongs_to("plan", "plan_id"),
)
Index(None, completion.c.clinic_id, completion.c.patient_id, completion.c.wall)

adherence_week = Table(  # a rollup: what the ledger says of one plan in one week (see rollup.py); never the only copy
    "adherence_week",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("week", Integer, primary_key=True, autoincrement=False),
    ID("patient_id", primary_key=True),
    ID("plan_id", primary_key=True),
    ID("clinician_id"),  # these two as the plan says, so that adding up 2,000 patients looks nothing up
    Column("title", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("share", BigInteger, nullable=False),
    *(Column(state, Integer, nullable=False) for state in ITEM_STATES),
    belongs_to("patient", "patient_id"),
    belongs_to("plan", "plan_id"),
    sqlite_with_rowid=False,
)

rollup = Table(  # which weeks of a patient's rollup are right: those before `right_before`, until `fresh_until`
    "rollup",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    Column("right_before", Integer, nullable=False),
    Column("this_week", Integer, nullable=False),
    INSTANT("fresh_until"),
    belongs_to("patient", "patient_id"),
    sqlite_with_rowid=False,
)
Index("ix_rollup_fresh_until", rollup.c.fresh_until, rollup.c.clinic_id, rollup.c.patient_id)

staff_time = Table(  # append-only: a correction is a new row that names the one it replaces
    "staff_time",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("patient_id"),
    Column("day", Integer, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    ID("replaces", nullable=True),
    Column("logged_by", Text, nullable=False),
    INSTANT("logged_at"),
    belongs_to("patient", "patient_id"),
)
Index(None, staff_time.c.clinic_id, staff_time.c.patient_id, staff_time.c.day)
Index("uq_staff_time_replaces", staff_time.c.clinic_id, staff_time.c.replaces, unique=True)

exercise = Table(  # append-only: a clinic's own exercises, and its words for ours
    "exercise",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("value", Value, nullable=False),
    Column("written_by", Text, nullable=False),
    INSTANT("written_at"),
    ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"]),
)
