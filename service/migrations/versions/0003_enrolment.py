"""Codes that let a patient's phone in, whose a push endpoint is, limits on how often something may be tried."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "rate",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "key", name="pk_rate"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "enrolment",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("factor", sa.String(length=16), nullable=False),
        sa.Column("factor_hash", sa.String(length=64), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(length=96), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("way IN ('screen', 'link')", name=op.f("ck_enrolment_way")),
        sa.CheckConstraint("factor IN ('none', 'birth_year', 'spoken')", name=op.f("ck_enrolment_factor")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_enrolment_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", name="pk_enrolment"),
    )
    op.create_index("ix_enrolment_hash", "enrolment", ["hash"], unique=True)
    with op.batch_alter_table("address") as address:
        address.add_column(sa.Column("device_id", sa.String(length=64), nullable=True))
        address.add_column(sa.Column("endpoint", sa.String(length=64), nullable=True))
    op.create_table(
        "endpoint",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("clinic", sa.String(length=64), nullable=False),
        sa.Column("address_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_endpoint"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("endpoint")
    with op.batch_alter_table("address") as address:
        address.drop_column("endpoint")
        address.drop_column("device_id")
    op.drop_table("enrolment")
    op.drop_table("rate")
