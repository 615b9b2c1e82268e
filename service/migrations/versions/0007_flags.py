"""The clock of a flag, what a clinic decides about rules, unanswered check-ins looked after, and outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

OPEN, WAITING = sa.text("state = 'open'"), sa.text("acknowledged_at IS NULL")


def upgrade() -> None:
    op.add_column("flag", sa.Column("acknowledge_by", sa.BigInteger(), nullable=True))
    op.add_column("flag", sa.Column("nobody_at", sa.BigInteger(), nullable=True))
    op.add_column("flag", sa.Column("note", sa.Text(), nullable=True))
    op.create_index(
        "ix_flag_waiting", "flag", ["clinic_id", "nobody_at"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index("ix_check_in_open", "check_in", ["clinic_id", "closes"], sqlite_where=OPEN, postgresql_where=OPEN)
    _clinic_work()
    _outcomes()


def _clinic_work() -> None:
    op.create_table(
        "follow_up",
        _id("clinic_id"),
        _id("check_in_id"),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("followed_by", sa.Text(), nullable=False),
        _instant("followed_at"),
        sa.PrimaryKeyConstraint("clinic_id", "check_in_id", name="pk_follow_up"),
        sa.ForeignKeyConstraint(
            ["clinic_id", "check_in_id"], ["check_in.clinic_id", "check_in.id"], name="fk_follow_up_check_in"
        ),
    )
    op.create_table(
        "rule_decision",
        _id("clinic_id"),
        _id("rule"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rule_version", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _instant("decided_at"),
        sa.PrimaryKeyConstraint("clinic_id", "rule", "number", name="pk_rule_decision"),
        sa.CheckConstraint("decision IN ('approved', 'off', 'on')", name=op.f("ck_rule_decision_decision")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"], name="fk_rule_decision_clinic"),
    )


def _outcomes() -> None:
    op.create_table(
        "activity",
        _id("clinic_id"),
        _id("id"),
        _id("patient_id"),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        _instant("added_at"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_activity"),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_activity_patient"
        ),
    )
    op.create_index("ix_activity_clinic_id_patient_id", "activity", ["clinic_id", "patient_id"])
    op.create_table(
        "rating",
        _id("clinic_id"),
        _id("patient_id"),
        _id("id"),
        sa.Column("value", sa.Text(), nullable=False),
        _instant("rated_at"),
        _instant("received_at"),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", "id", name="pk_rating"),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_rating_patient"
        ),
    )


def _id(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=64), nullable=False)


def _instant(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def downgrade() -> None:
    for table in ("rating", "activity", "rule_decision", "follow_up"):
        op.drop_table(table)
    op.drop_index("ix_check_in_open", "check_in")
    op.drop_index("ix_flag_waiting", "flag")
    for column in ("note", "nobody_at", "acknowledge_by"):
        op.drop_column("flag", column)
