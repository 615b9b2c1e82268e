"""The audit becomes a chain that can only grow; a record can be erased, held, and its consent has a text."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

OLD = ("clinic_id", "who", "what", "patient_id", "record_id", "at")
GUARDED = ("audit", "audit_checkpoint")


def upgrade() -> None:
    _chain_audit()
    _guard()
    _rights()


def downgrade() -> None:
    _no_rights()
    _unguard()
    _plain_audit()


def _chain_audit() -> None:
    """What was noted before is taken along, numbered and without a MAC: it is from before the chain."""
    _set_aside("row_number() OVER (PARTITION BY clinic_id ORDER BY id) AS number")
    op.create_table(
        "audit",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("who", sa.String(length=96), nullable=False),
        sa.Column("what", sa.String(length=128), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.CheckConstraint("outcome IN ('ok', 'refused')", name=op.f("ck_audit_outcome")),
        sa.PrimaryKeyConstraint("clinic_id", "number", name="pk_audit"),
    )
    op.create_index(
        "ix_audit_clinic_id_patient_id_number", "audit", ["clinic_id", "patient_id", "number"], unique=False
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "number", name="pk_audit_checkpoint"),
    )
    _take_back(*OLD, "number", origin="''", outcome="'ok'", mac="''")


def _plain_audit() -> None:
    op.drop_table("audit_checkpoint")
    _set_aside("number")
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=96), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_clinic_id_patient_id_id", "audit", ["clinic_id", "patient_id", "id"], unique=False)
    _take_back(*(name for name in OLD if name != "what"), what="substr(what, 1, 64)")


def _set_aside(number: str) -> None:
    op.execute(f"CREATE TEMPORARY TABLE kept AS SELECT {', '.join(OLD)}, {number} FROM audit")  # noqa: S608
    op.drop_table("audit")


def _take_back(*names: str, **made: str) -> None:
    into, values = ", ".join((*names, *made)), ", ".join((*names, *made.values()))
    op.execute(f"INSERT INTO audit ({into}) SELECT {values} FROM kept ORDER BY at, number")  # noqa: S608
    op.execute("DROP TABLE kept")


# The database itself refuses to change what was noted, whoever asks. Rows up to a checkpoint may be pruned.

_REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit' THEN
        IF EXISTS (
            SELECT 1 FROM audit_checkpoint AS it WHERE it.clinic_id = OLD.clinic_id AND it.number >= OLD.number
        ) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit can only grow';
END
$$
"""
_PRUNED = "EXISTS (SELECT 1 FROM audit_checkpoint AS it WHERE it.clinic_id = OLD.clinic_id AND it.number >= OLD.number)"


def _guard() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE)
        for table in GUARDED:
            op.execute(
                f"CREATE TRIGGER audit_grows BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
            )
            op.execute(
                f"CREATE TRIGGER audit_stays BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
            )
        return
    for table in GUARDED:
        for verb in ("UPDATE", "DELETE"):
            unless = f"WHEN NOT {_PRUNED}" if (table, verb) == ("audit", "DELETE") else ""
            op.execute(
                f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} {unless} "
                "BEGIN SELECT RAISE(ABORT, 'the audit can only grow'); END"
            )


def _unguard() -> None:
    """SQLite drops a table's triggers with it."""
    if op.get_bind().dialect.name == "postgresql":
        for table in GUARDED:
            op.execute(f"DROP TRIGGER audit_grows ON {table}")
            op.execute(f"DROP TRIGGER audit_stays ON {table}")
        op.execute("DROP FUNCTION audit_refuse")


def _rights() -> None:
    with op.batch_alter_table("consent") as consent:
        consent.add_column(sa.Column("wording", sa.String(length=16), nullable=False, server_default=""))
    with op.batch_alter_table("consent") as consent:
        consent.alter_column("wording", server_default=None)
    op.create_table(
        "legal_hold",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("set_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_legal_hold_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", "set_at", name="pk_legal_hold"),
    )
    op.create_table(
        "erasure_request",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_erasure_request_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", name="pk_erasure_request"),
    )
    op.create_table(
        "tombstone",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"], name="fk_tombstone_clinic"),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", name="pk_tombstone"),
    )


def _no_rights() -> None:
    for table in ("tombstone", "erasure_request", "legal_hold"):
        op.drop_table(table)
    with op.batch_alter_table("consent") as consent:
        consent.drop_column("wording")
