"""The tables of this room: who may come in, what was done, which requests were answered already."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from notifications.tables import message  # with it, all three rooms' tables are in the one metadata
from programs.tables import ID, INSTANT, Value, belongs_to, metadata, one_of

assert message.metadata is metadata

token = Table(  # what opens one clinic for one person or machine; asked for by its hash before the clinic is known
    "token",
    metadata,
    ID("hash", primary_key=True),
    ID("clinic_id"),
    ID("id"),
    Column("use", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    ID("person_id"),
    Column("label", Text, nullable=False),
    Column("verbs", Value, nullable=False),
    Column("idle", BigInteger),
    INSTANT("made_at"),
    INSTANT("seen_at"),
    INSTANT("good_until", nullable=True),
    INSTANT("expires_at", nullable=True),
    INSTANT("ended_at", nullable=True),
    one_of("use", "session", "device", "key"),
    one_of("kind", "patient", "clinician", "integration"),
)
Index(None, token.c.clinic_id, token.c.id, unique=True)
Index(None, token.c.clinic_id, token.c.kind, token.c.person_id)

enrolment = (
    Table(  # the one code that may let a phone of this patient in; asked for by its hash before the clinic is known
        "enrolment",
        metadata,
        ID("clinic_id", primary_key=True),
        ID("patient_id", primary_key=True),
        ID("hash"),
        Column("way", String(16), nullable=False),
        Column("factor", String(16), nullable=False),
        ID("factor_hash", nullable=True),
        Column("tries", Integer, nullable=False),
        Column("made_by", String(96), nullable=False),
        INSTANT("made_at"),
        INSTANT("expires_at"),
        INSTANT("used_at", nullable=True),
        one_of("way", "screen", "link"),
        one_of("factor", "none", "birth_year", "spoken"),
        belongs_to("patient", "patient_id"),
    )
)
Index(None, enrolment.c.hash, unique=True)

rate = Table(  # how much of a limit is used up; of no clinic: who tries to come in is of none yet. Keys are digests
    "rate",
    metadata,
    Column("name", String(32), primary_key=True),
    ID("key", primary_key=True),
    INSTANT("until"),
    sqlite_with_rowid=False,
)

ticket = Table(  # one step on somebody's way in: an invitation, a password that was right, a challenge; used once
    "ticket",
    metadata,
    ID("hash", primary_key=True),
    Column("use", String(16), nullable=False),
    ID("clinic_id"),  # both are empty while nobody knows who it will be
    ID("person_id"),
    Column("state", Value, nullable=False),
    INSTANT("made_at"),
    INSTANT("expires_at"),
    INSTANT("used_at", nullable=True),
    one_of("use", "first", "invitation", "password", "passkey", "oidc", "factor"),
)
Index(None, ticket.c.clinic_id, ticket.c.person_id)

credential = Table(  # how a clinician signs in; asked for by e-mail or by issuer and subject before the clinic is known
    "credential",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("clinician_id", primary_key=True),
    Column("email", String(254), nullable=False),
    Column("password", Text),
    Column("totp", Text),  # sealed, see sealing.py
    Column("totp_step", BigInteger, nullable=False),
    Column("issuer", Text),
    Column("subject", Text),
    INSTANT("invited_at"),
    belongs_to("clinician", "clinician_id"),
)
Index(None, credential.c.email, unique=True)
Index(None, credential.c.issuer, credential.c.subject, unique=True)

recovery_code = Table(  # for who lost their second factor; a code goes when it is used
    "recovery_code",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("clinician_id", primary_key=True),
    ID("hash", primary_key=True),
    belongs_to("clinician", "clinician_id"),
)

passkey = Table(  # asked for by its id, the hash of what the authenticator calls it, before the clinic is known
    "passkey",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("clinician_id"),
    Column("raw_id", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    INSTANT("made_at"),
    INSTANT("used_at"),
    belongs_to("clinician", "clinician_id"),
)
Index(None, passkey.c.id, unique=True)
Index(None, passkey.c.clinic_id, passkey.c.clinician_id)

audit = Table(  # append-only and chained: who did what to whose record, when, from where (see audit.py)
    "audit",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("who", String(96), nullable=False),
    Column("what", String(128), nullable=False),
    ID("patient_id"),
    ID("record_id"),
    INSTANT("at"),
    Column("origin", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("mac", String(64), nullable=False),
    one_of("outcome", "ok", "refused"),
)
Index(None, audit.c.clinic_id, audit.c.patient_id, audit.c.number)

audit_checkpoint = Table(  # append-only: up to which number a chain was pruned, under seal
    "audit_checkpoint",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("mac", String(64), nullable=False),
    INSTANT("at"),
    Column("seal", String(64), nullable=False),
)

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
