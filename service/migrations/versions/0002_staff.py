"""Staff can sign in; tokens learn what they are for and when they end."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

DAY = 86_400_000


def upgrade() -> None:
    _new_tokens()
    op.create_table(
        "ticket",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("use", sa.String(length=16), nullable=False),
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "use IN ('first', 'invitation', 'password', 'passkey', 'oidc', 'factor')", name=op.f("ck_ticket_use")
        ),
        sa.PrimaryKeyConstraint("hash", name="pk_ticket"),
    )
    op.create_index("ix_ticket_clinic_id_person_id", "ticket", ["clinic_id", "person_id"], unique=False)
    op.create_table(
        "credential",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("totp", sa.String(length=64), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("invited_at", sa.BigInteger(), nullable=False),
        _of_clinician("fk_credential_clinician"),
        sa.PrimaryKeyConstraint("clinic_id", "clinician_id", name="pk_credential"),
    )
    op.create_index("ix_credential_email", "credential", ["email"], unique=True)
    op.create_index("ix_credential_issuer_subject", "credential", ["issuer", "subject"], unique=True)
    op.create_table(
        "recovery_code",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        _of_clinician("fk_recovery_code_clinician"),
        sa.PrimaryKeyConstraint("clinic_id", "clinician_id", "hash", name="pk_recovery_code"),
    )
    op.create_table(
        "passkey",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("raw_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        _of_clinician("fk_passkey_clinician"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_passkey"),
    )
    op.create_index("ix_passkey_id", "passkey", ["id"], unique=True)
    op.create_index("ix_passkey_clinic_id_clinician_id", "passkey", ["clinic_id", "clinician_id"], unique=False)


def downgrade() -> None:
    for table in ("passkey", "recovery_code", "credential", "ticket"):
        op.drop_table(table)
    _old_tokens()


def _of_clinician(name: str) -> sa.ForeignKeyConstraint:
    key = ["clinician.clinic_id", "clinician.id"]
    return sa.ForeignKeyConstraint(["clinic_id", "clinician_id"], key, name=name)


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
