"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "address",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.Column("gone_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_address"),
    )
    op.create_index("ix_address_clinic_id_person_id", "address", ["clinic_id", "person_id"], unique=False)
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
    op.create_table(
        "clinic",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", name="pk_clinic"),
    )
    op.create_table(
        "message",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("planned_for", sa.BigInteger(), nullable=False),
        sa.Column("closes", sa.BigInteger(), nullable=False),
        sa.Column("subjects", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('check_in', 'nudge', 'bout', 'alert')", name=op.f("ck_message_kind")),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_message"),
    )
    op.create_index(
        "ix_message_clinic_id_person_id_closes", "message", ["clinic_id", "person_id", "closes"], unique=False
    )
    op.create_table(
        "reply",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "person_id", "key", name="pk_reply"),
    )
    op.create_table(
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
    op.create_table(
        "clinician",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"], name="fk_clinician_clinic"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_clinician"),
    )
    op.create_table(
        "delivery",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("result IN ('accepted', 'gone', 'later', 'refused')", name=op.f("ck_delivery_result")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "message_id"], ["message.clinic_id", "message.id"], name="fk_delivery_message"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "message_id", "fence", "address_id", name="pk_delivery"),
    )
    op.create_table(
        "due",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'in_flight')", name=op.f("ck_due_state")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "message_id"], ["message.clinic_id", "message.id"], name="fk_due_message"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "key", name="pk_due"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_due_wake_at", "due", ["wake_at", "clinic_id", "key"], unique=False)
    op.create_table(
        "outcome",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('accepted', 'answered', 'expired', 'cancelled', 'suppressed', 'failed')",
            name=op.f("ck_outcome_state"),
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "message_id"], ["message.clinic_id", "message.id"], name="fk_outcome_message"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "message_id", name="pk_outcome"),
    )
    op.create_table(
        "receipt",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('shown', 'opened', 'answered')", name=op.f("ck_receipt_kind")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "message_id"], ["message.clinic_id", "message.id"], name="fk_receipt_message"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "message_id", "kind", name="pk_receipt"),
    )
    op.create_table(
        "patient",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("precautions", sa.Text(), nullable=False),
        sa.Column("consented", sa.Boolean(), nullable=False),
        sa.Column("discharged_at", sa.BigInteger(), nullable=True),
        sa.Column("reacted_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"], name="fk_patient_clinician"
        ),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"], name="fk_patient_clinic"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_patient"),
    )
    op.create_index("ix_patient_clinic_id_clinician_id", "patient", ["clinic_id", "clinician_id"], unique=False)
    op.create_table(
        "consent",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_consent_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", "version", name="pk_consent"),
    )
    op.create_table(
        "horizon",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("planned_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_horizon_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", name="pk_horizon"),
    )
    op.create_index("ix_horizon_planned_until", "horizon", ["planned_until", "clinic_id", "patient_id"], unique=False)
    op.create_table(
        "needling_session",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_needling_session_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_needling_session"),
    )
    op.create_index(
        "ix_needling_session_clinic_id_patient_id_ended_at",
        "needling_session",
        ["clinic_id", "patient_id", "ended_at"],
        unique=False,
    )
    op.create_table(
        "plan",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("clinician_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ended_wall", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "clinician_id"], ["clinician.clinic_id", "clinician.id"], name="fk_plan_clinician"
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_plan_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_plan"),
    )
    op.create_index("ix_plan_clinic_id_patient_id", "plan", ["clinic_id", "patient_id"], unique=False)
    op.create_table(
        "preference",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_preference_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", name="pk_preference"),
    )
    op.create_table(
        "check_in",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opens", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=False),
        sa.Column("closes", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'conditional', 'answered', 'not_needed', 'cancelled')", name=op.f("ck_check_in_state")
        ),
        sa.CheckConstraint("opens <= target AND target <= closes", name=op.f("ck_check_in_window")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_check_in_patient"
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "session_id"],
            ["needling_session.clinic_id", "needling_session.id"],
            name="fk_check_in_needling_session",
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_check_in"),
    )
    op.create_index(
        "ix_check_in_clinic_id_patient_id_target", "check_in", ["clinic_id", "patient_id", "target"], unique=False
    )
    op.create_index("ix_check_in_clinic_id_session_id", "check_in", ["clinic_id", "session_id"], unique=False)
    op.create_table(
        "completion",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("exercise", sa.String(length=64), nullable=False),
        sa.Column("wall", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=False),
        sa.Column("done_wall", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_completion_patient"
        ),
        sa.ForeignKeyConstraint(["clinic_id", "plan_id"], ["plan.clinic_id", "plan.id"], name="fk_completion_plan"),
        sa.PrimaryKeyConstraint("clinic_id", "patient_id", "id", name="pk_completion"),
    )
    op.create_index(
        "ix_completion_clinic_id_patient_id_wall", "completion", ["clinic_id", "patient_id", "wall"], unique=False
    )
    op.create_table(
        "hold",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("from_wall", sa.BigInteger(), nullable=False),
        sa.Column("until_wall", sa.BigInteger(), nullable=True),
        sa.Column("exercises", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id", "plan_id"], ["plan.clinic_id", "plan.id"], name="fk_hold_plan"),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_hold"),
    )
    op.create_index("ix_hold_clinic_id_plan_id", "hold", ["clinic_id", "plan_id"], unique=False)
    op.create_table(
        "needling_session_before",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "id"],
            ["needling_session.clinic_id", "needling_session.id"],
            name="fk_needling_session_before_needling_session",
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", "version", name="pk_needling_session_before"),
    )
    op.create_table(
        "revision",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("from_wall", sa.BigInteger(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("revised_by", sa.Text(), nullable=False),
        sa.Column("revised_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id", "plan_id"], ["plan.clinic_id", "plan.id"], name="fk_revision_plan"),
        sa.PrimaryKeyConstraint("clinic_id", "plan_id", "number", name="pk_revision"),
    )
    op.create_table(
        "answer",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("check_in_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("questions_version", sa.String(length=16), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinic_id", "check_in_id"], ["check_in.clinic_id", "check_in.id"], name="fk_answer_check_in"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "check_in_id", "version", name="pk_answer"),
    )
    op.create_table(
        "flag",
        sa.Column("clinic_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("check_in_id", sa.String(length=64), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.CheckConstraint("tier IN ('emergency', 'same_day', 'next_visit')", name=op.f("ck_flag_tier")),
        sa.ForeignKeyConstraint(
            ["clinic_id", "check_in_id"], ["check_in.clinic_id", "check_in.id"], name="fk_flag_check_in"
        ),
        sa.ForeignKeyConstraint(
            ["clinic_id", "patient_id"], ["patient.clinic_id", "patient.id"], name="fk_flag_patient"
        ),
        sa.PrimaryKeyConstraint("clinic_id", "id", name="pk_flag"),
    )
    op.create_index("ix_flag_clinic_id_raised_at_id", "flag", ["clinic_id", "raised_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("flag")
    op.drop_table("answer")
    op.drop_table("revision")
    op.drop_table("needling_session_before")
    op.drop_table("hold")
    op.drop_table("completion")
    op.drop_table("check_in")
    op.drop_table("preference")
    op.drop_table("plan")
    op.drop_table("needling_session")
    op.drop_table("horizon")
    op.drop_table("consent")
    op.drop_table("patient")
    op.drop_table("receipt")
    op.drop_table("outcome")
    op.drop_table("due")
    op.drop_table("delivery")
    op.drop_table("clinician")
    op.drop_table("token")
    op.drop_table("reply")
    op.drop_table("message")
    op.drop_table("clinic")
    op.drop_table("audit")
    op.drop_table("address")
