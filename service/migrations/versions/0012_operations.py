"""Fair claims, quarantine and messages that wait for the operator."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

WITHOUT_ROWID = {"sqlite_with_rowid": False}
LANE = (
    "UPDATE due SET lane = (SELECT CASE kind WHEN 'alert' THEN 0 WHEN 'bout' THEN 2 ELSE 1 END FROM message "
    "WHERE message.clinic_id = due.clinic_id AND message.id = due.message_id)"
)
STATE = "ck_due_state"


def upgrade() -> None:
    with op.batch_alter_table("due", table_kwargs=WITHOUT_ROWID) as due:
        due.add_column(sa.Column("lane", sa.SmallInteger(), nullable=False, server_default="1"))
        due.add_column(sa.Column("tries", sa.SmallInteger(), nullable=False, server_default="0"))
        due.add_column(sa.Column("trouble", sa.String(length=64), nullable=False, server_default=""))
        due.drop_constraint(op.f(STATE), type_="check")
    op.execute(LANE)
    with op.batch_alter_table("due", table_kwargs=WITHOUT_ROWID) as due:
        for name in ("lane", "tries", "trouble"):
            due.alter_column(name, server_default=None)
        due.create_check_constraint(
            op.f(STATE), "state IN ('pending', 'in_flight', 'awaiting', 'quarantined', 'restored')"
        )
    op.create_index("ix_due_turn", "due", ["lane", "clinic_id", "wake_at", "key"], unique=False)


def downgrade() -> None:
    # What was set aside is taken up again: an older worker knows no other state.
    op.execute("UPDATE due SET state = 'pending', wake_at = 0 WHERE state IN ('quarantined', 'restored')")
    op.drop_index("ix_due_turn", "due")
    with op.batch_alter_table("due", table_kwargs=WITHOUT_ROWID) as due:
        due.drop_constraint(op.f(STATE), type_="check")
        due.drop_column("trouble")
        due.drop_column("tries")
        due.drop_column("lane")
    with op.batch_alter_table("due", table_kwargs=WITHOUT_ROWID) as due:
        due.create_check_constraint(op.f(STATE), "state IN ('pending', 'in_flight', 'awaiting')")
