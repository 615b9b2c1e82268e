"""Tokens learn what they are for and when they end."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

DAY = 86_400_000


def upgrade() -> None:
    _new_tokens()


def downgrade() -> None:
    _old_tokens()


def _new_tokens() -> None:
    """A patient's token becomes that of a device. A clinician's was for want of a sign-in: it is not taken along."""
    rows = op.get_bind().execute(sa.text("SELECT * FROM token WHERE kind = 'patient'")).mappings().all()
    op.drop_table("token")
    token = op.create_table(
        "token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("use", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("verbs", sa.Text(), nullable=False),
        sa.Column("idle", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("good_until", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("use IN ('session', 'device', 'key')", name=op.f("ck_token_use")),
        sa.CheckConstraint("kind IN ('patient', 'clinician', 'integration')", name=op.f("ck_token_kind")),
        sa.PrimaryKeyConstraint("hash", name="pk_token"),
    )
    op.create_index("ix_token_clinic_id_id", "token", ["clinic_id", "id"], unique=True)
    op.create_index("ix_token_clinic_id_kind_person_id", "token", ["clinic_id", "kind", "person_id"], unique=False)
    devices = [
        {
            **row,
            "id": sha256(row["hash"].encode()).hexdigest()[:16],
            "use": "device",
            "label": "",
            "verbs": "[]",
            "idle": 90 * DAY,
            "seen_at": row["made_at"],
            "good_until": row["made_at"] + 90 * DAY,
        }
        for row in rows
    ]
    if devices:
        op.bulk_insert(token, devices)


def _old_tokens() -> None:
    """Of the tokens, those that the old program can tell apart."""
    kept = "SELECT hash, clinic_id, kind, person_id, made_at, ended_at FROM token WHERE use = 'device'"
    rows = op.get_bind().execute(sa.text(kept)).mappings().all()
    op.drop_table("token")
    token = op.create_table(
        "token",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('patient', 'clinician')", name=op.f("ck_token_kind")),
        sa.PrimaryKeyConstraint("hash", name="pk_token"),
    )
    if rows:
        op.bulk_insert(token, [dict(row) for row in rows])
