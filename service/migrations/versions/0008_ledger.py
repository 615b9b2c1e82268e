"""Adherence: a rollup by week, when facts became known, and the evidence of remote monitoring."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

STATES = ("done", "partly", "late", "skipped", "excused", "not_reached", "missed", "open")


def upgrade() -> None:
    op.add_column("plan", sa.Column("ended_at", sa.BigInteger(), nullable=True))
    _rollup()
    _monitoring()


def _rollup() -> None:
    op.create_table(
        "adherence_week",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("week", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("share", sa.BigInteger(), nullable=False),
        *(sa.Column(state, sa.Integer(), nullable=False) for state in STATES),
        _patient("adherence_week"),
        sa.ForeignKeyConstraint(["clinic_id", "plan_id"], ["plan.clinic_id", "plan.id"], name="fk_adherence_week_plan"),
        sa.PrimaryKeyConstraint("clinic_id", "week", "patient_id", "plan_id", name="pk_adherence_week"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("right_before", sa.Integer(), nullable=False),
        sa.Column("this_week", sa.Integer(), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=False),
        _patient("rollup"),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", name="pk_rollup"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rollup_fresh_until", "rollup", ["fresh_until", "clinic_id", "patient_id"], unique=False)
    # Nothing is rolled up yet: the worker does it, and until then every number comes from the ledger.
    op.execute(
        "INSERT INTO rollup (clinic_id, patient_id, right_before, this_week, fresh_until) "
        "SELECT clinic_id, id, 0, 0, 0 FROM patient"
    )


def _monitoring() -> None:
    op.create_table(
        "staff_time",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=True),
        sa.Column("logged_by", sa.Text(), nullable=False),
        sa.Column("logged_at", sa.BigInteger(), nullable=False),
        _patient("staff_time"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_staff_time"),
    )
    columns = ["clinic_id", "patient_id", "day"]
    op.create_index("ix_staff_time_clinic_id_patient_id_day", "staff_time", columns, unique=False)
    op.create_index("uq_staff_time_replaces", "staff_time", ["clinic_id", "replaces"], unique=True)


def _patient(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name=f"fk_{table}_patient"
    )


def downgrade() -> None:
    for table in ("staff_time", "rollup", "adherence_week"):
        op.drop_table(table)
    with op.batch_alter_table("plan") as plan:
        plan.drop_column("ended_at")
