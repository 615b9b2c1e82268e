"""Receipts that are waited for, addresses that confirm nothing, snoozes, and what becomes of a late check-in."""

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0011"
down_revision = "0010"

OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    with _restating("pending", "in_flight", "awaiting") as due:
        due.add_column(sa.Column("sent_at", sa.BigInteger(), nullable=True))
    op.add_column("outcome", sa.Column("sent_at", sa.BigInteger(), nullable=True))
    op.execute("UPDATE outcome SET sent_at = ended_at WHERE state = 'accepted'")
    op.add_column("address", sa.Column("unconfirmed", sa.Integer(), server_default="0", nullable=False))
    for name in ("unconfirmed_since", "unconfirmed_last"):
        op.add_column("address", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_table(
        "snooze",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("snoozed_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "message_id", name="pk_snooze"),
        sa.ForeignKeyConstraint(
            ["clinic_id", "message_id"], ["message.clinic_id", "message.id"], name="fk_snooze_message"
        ),
    )
    op.drop_index("ix_check_in_open", "check_in")
    with op.batch_alter_table("check_in") as check_in:
        check_in.add_column(sa.Column("late", sa.String(length=16), server_default="catch_up", nullable=False))
        check_in.add_column(sa.Column("shifted_from", sa.BigInteger(), nullable=True))
        check_in.create_check_constraint(op.f("ck_check_in_late"), "late IN ('catch_up', 'shift', 'skip')")
    _index_open()


@contextlib.contextmanager
def _restating(*states: str) -> Iterator[BatchOperations]:
    """The table of what is due allows these states; what else changes goes into the same rebuilding of it."""
    listed = ", ".join(f"'{state}'" for state in states)
    with op.batch_alter_table("due", table_kwargs={"sqlite_with_rowid": False}) as due:
        due.drop_constraint(op.f("ck_due_state"), type_="check")
        due.create_check_constraint(op.f("ck_due_state"), f"state IN ({listed})")
        yield due


def _index_open() -> None:
    op.create_index("ix_check_in_open", "check_in", ["clinic_id", "closes"], sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade() -> None:
    """Who waits for a receipt waits no longer."""
    op.drop_index("ix_check_in_open", "check_in")
    with op.batch_alter_table("check_in") as check_in:
        check_in.drop_constraint(op.f("ck_check_in_late"), type_="check")
        check_in.drop_column("shifted_from")
        check_in.drop_column("late")
    _index_open()
    op.drop_table("snooze")
    with op.batch_alter_table("address") as address:
        for name in ("unconfirmed_last", "unconfirmed_since", "unconfirmed"):
            address.drop_column(name)
    with op.batch_alter_table("outcome") as outcome:
        outcome.drop_column("sent_at")
    op.execute(
        "INSERT INTO outcome (clinic_id, message_id, state, reason, ended_at) "
        "SELECT clinic_id, message_id, 'accepted', 'no_receipt', sent_at FROM due WHERE sent_at IS NOT NULL"
    )
    op.execute("DELETE FROM due WHERE sent_at IS NOT NULL")
    with _restating("pending", "in_flight") as due:
        due.drop_column("sent_at")
