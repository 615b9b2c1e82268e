"""Each request to be erased is kept with its answer, and why a legal hold ended; room for sealed secrets.

Secrets of one-time codes are sealed as the server starts (service/auth/staff.py), with a key that no migration has.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
KEY = "pk_erasure_request"


def upgrade() -> None:
    with op.batch_alter_table("legal_hold") as table:
        table.add_column(sa.Column("released_why", sa.Text()))
    with op.batch_alter_table("erasure_request") as table:
        table.add_column(sa.Column("refused_at", sa.BigInteger()))
        table.add_column(sa.Column("refused_by", sa.Text()))
        table.add_column(sa.Column("refused_why", sa.Text()))
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, ["clinic_id", "patient_id", "asked_at"])
    with op.batch_alter_table("credential") as table:
        table.alter_column("totp", existing_type=sa.String(length=64), type_=sa.Text())


def downgrade() -> None:
    """Of several requests of a patient the last is kept; a sealed secret opens nothing any more and is taken out."""
    op.execute("UPDATE credential SET totp = NULL WHERE length(totp) > 64")
    with op.batch_alter_table("credential") as table:
        table.alter_column("totp", existing_type=sa.Text(), type_=sa.String(length=64))
    op.execute(
        "DELETE FROM erasure_request WHERE EXISTS (SELECT 1 FROM erasure_request later WHERE "
        "later.clinic_id = erasure_request.clinic_id AND later.patient_id = erasure_request.patient_id "
        "AND later.asked_at > erasure_request.asked_at)"
    )
    with op.batch_alter_table("erasure_request") as table:
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, ["clinic_id", "patient_id"])
        for column in ("refused_why", "refused_by", "refused_at"):
            table.drop_column(column)
    with op.batch_alter_table("legal_hold") as table:
        table.drop_column("released_why")
