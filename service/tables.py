"""The tables of this room: who may come in, what was done, which requests were answered already."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from notifications.tables import message  # with it, all three rooms' tables are in the one metadata
from programs.tables import ID, INSTANT, metadata, one_of

assert message.metadata is metadata

token = Table(  # an opaque token opens one clinic for one person; only its hash is kept
    "token",
    metadata,
    ID("hash", primary_key=True),
    ID("clinic_id"),
    Column("kind", String(16), nullable=False),
    ID("person_id"),
    INSTANT("made_at"),
    INSTANT("ended_at", nullable=True),
    one_of("kind", "patient", "clinician"),
)

audit = Table(  # append-only: who did what to whose record, when
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    ID("clinic_id"),
    Column("who", String(96), nullable=False),
    Column("what", String(64), nullable=False),
    ID("patient_id"),
    ID("record_id"),
    INSTANT("at"),
)
Index(None, audit.c.clinic_id, audit.c.patient_id, audit.c.id)

reply = Table(  # what was answered to an Idempotency-Key
    "reply",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("person_id", primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    INSTANT("made_at"),
)
