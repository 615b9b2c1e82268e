"""Phases after needling, protocols and templates of the clinic."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "zone_before",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"],
            ["patient.clinic_id", "patient.id"],
            name=op.f("fk_zone_before_patient"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", "version", name=op.f("pk_zone_before")),
    )
    op.create_table(
        "protocol",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"], name=op.f("fk_protocol_clinic")),
        sa.PrimaryKeyConstraint("clinic_id", "version", name=op.f("pk_protocol")),
    )
    with op.batch_alter_table("needling_session") as batch:
        batch.add_column(sa.Column("protocol", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_needling_session_protocol"),
            "protocol",
            ["clinic_id", "protocol"],
            ["clinic_id", "version"],
        )
    op.create_table(
        "phase_release",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=1), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("phase IN ('A', 'B', 'C')", name=op.f("ck_phase_release_phase")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"],
            ["patient.clinic_id", "patient.id"],
            name=op.f("fk_phase_release_patient"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "session_id"],
            ["needling_session.clinic_id", "needling_session.id"],
            name=op.f("fk_phase_release_needling_session"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_phase_release")),
    )
    op.create_index(
        op.f("ix_phase_release_clinic_id_patient_id"), "phase_release", ["clinic_id", "patient_id"], unique=False
    )
    op.create_table(
        "template",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"], name=op.f("fk_template_clinic")),
        sa.PrimaryKeyConstraint("clinic_id", "id", name=op.f("pk_template")),
    )
    op.create_table(
        "template_version",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("template_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("prescriptions", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "template_id"],
            ["template.clinic_id", "template.id"],
            name=op.f("fk_template_version_template"),
        ),
        sa.PrimaryKeyConstraint("clinic_id", "template_id", "version", name=op.f("pk_template_version")),
    )


def downgrade() -> None:
    op.drop_table("template_version")
    op.drop_table("template")
    op.drop_index(op.f("ix_phase_release_clinic_id_patient_id"), table_name="phase_release")
    op.drop_table("phase_release")
    with op.batch_alter_table("needling_session") as batch:
        batch.drop_constraint(op.f("fk_needling_session_protocol"), type_="foreignkey")
        batch.drop_column("protocol")
    op.drop_table("protocol")
    op.drop_table("zone_before")
