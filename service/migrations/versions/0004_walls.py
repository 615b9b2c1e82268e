"""Roles, what a clinic decides for itself, and break-glass."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("clinic") as clinic:
        clinic.add_column(sa.Column("settings", sa.Text(), nullable=False, server_default="{}"))
    with op.batch_alter_table("clinic") as clinic:
        clinic.alter_column("settings", server_default=None)
    with op.batch_alter_table("clinician") as clinician:
        clinician.add_column(sa.Column("role", sa.String(length=16), nullable=False, server_default="clinician"))
        clinician.add_column(sa.Column("ended_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("clinician") as clinician:
        clinician.alter_column("role", server_default=None)
        clinician.create_check_constraint(op.f("ck_clinician_role"), "role IN ('clinician', 'admin')")
    op.create_table(
        "break_glass",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_break_glass"),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_break_glass_patient"
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"], name="fk_break_glass_clinician"
        ),
    )
    op.create_index("ix_break_glass_clinic_id_patient_id", "break_glass", ["clinic_id", "patient_id"])
    op.create_index("ix_break_glass_clinic_id_opened_at", "break_glass", ["clinic_id", "opened_at"])


def downgrade() -> None:
    op.drop_table("break_glass")
    with op.batch_alter_table("clinician") as clinician:
        clinician.drop_constraint(op.f("ck_clinician_role"), type_="check")
        clinician.drop_column("ended_at")
        clinician.drop_column("role")
    with op.batch_alter_table("clinic") as clinic:
        clinic.drop_column("settings")
