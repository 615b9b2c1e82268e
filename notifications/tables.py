"""Every table of this room. What is pending lies in the slim `due`; how a message ended is appended to `outcome`.

A message is in exactly one of the two: that is what the conservation check counts.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, String, Table, Text

from programs.instants import Instant
from programs.tables import ID, INSTANT, Value, belongs_to, metadata, one_of

# Whose turn comes first where more is due than one batch takes: who must act now, who is asked, who is reminded.
LANES = {"alert": 0, "check_in": 1, "nudge": 1, "bout": 2}
# What no worker takes up until the operator says so: it raised time after time, or a back-up was put back.
SET_ASIDE = ("quarantined", "restored")
NEVER: Instant = 2**62  # the wake_at of what is set aside

STATES = ("accepted", "answered", "expired", "cancelled", "suppressed", "failed")

message = Table(
    "message",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("person_id"),
    Column("kind", String(16), nullable=False),
    Column("key", String(128), nullable=False),
    INSTANT("planned_for"),
    INSTANT("closes"),
    Column("subjects", Value, nullable=False),
    Column("reasons", Value, nullable=False),
    INSTANT("planned_at"),
    one_of("kind", "check_in", "nudge", "bout", "alert"),
)
Index(None, message.c.clinic_id, message.c.person_id, message.c.closes)

# One row a pending message, one message a key; a claim is a wake_at a lease ahead and a fence one higher. `awaiting` is
# what a provider took and the app has not confirmed: `sent_at` is when it was taken first.
due = Table(
    "due",
    metadata,
    ID("clinic_id", primary_key=True),
    Column("key", String(128), primary_key=True),
    ID("message_id"),
    INSTANT("wake_at"),
    Column("state", String(16), nullable=False),
    Column("fence", Integer, nullable=False),
    INSTANT("sent_at", nullable=True),
    Column("lane", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False),  # in a row, of the same sort: what the next pause follows from
    Column("trouble", String(64), nullable=False),  # what was raised at the last try, by the name of its class
    one_of("state", "pending", "in_flight", "awaiting", *SET_ASIDE),
    belongs_to("message", "message_id"),
    sqlite_with_rowid=False,
)
# Bare wake_at would send the claim through the table once a row (43 rows a second, see performance.md).
Index("ix_due_wake_at", due.c.wake_at, due.c.clinic_id, due.c.key)
# Who waits in each lane, and each clinic's own in order of time: one step of the index a clinic.
Index("ix_due_turn", due.c.lane, due.c.clinic_id, due.c.wake_at, due.c.key)

outcome = Table(  # append-only
    "outcome",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("message_id", primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    INSTANT("ended_at"),
    INSTANT("sent_at", nullable=True),  # when a provider took it first
    one_of("state", *STATES),
    belongs_to("message", "message_id"),
)

delivery = Table(  # append-only: one try at one address
    "delivery",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("message_id", primary_key=True),
    Column("fence", Integer, primary_key=True),
    ID("address_id", primary_key=True),
    Column("channel", String(16), nullable=False),
    Column("result", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    INSTANT("ended_at"),
    one_of("result", "accepted", "gone", "later", "refused"),
    belongs_to("message", "message_id"),
)

address = Table(
    "address",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("id", primary_key=True),
    ID("person_id"),
    Column("channel", String(16), nullable=False),
    Column("value", Value, nullable=False),
    INSTANT("added_at"),
    INSTANT("gone_at", nullable=True),
    Column("gone_reason", Text),
    ID("device_id", nullable=True),  # what it was registered with; it ends with it
    ID("endpoint", nullable=True),  # digest of a push endpoint, which one person has at a time
    # Messages taken here since the app last confirmed one, and when the first and the last of them were.
    Column("unconfirmed", Integer, nullable=False, server_default="0"),
    INSTANT("unconfirmed_since", nullable=True),
    INSTANT("unconfirmed_last", nullable=True),
)
Index(None, address.c.clinic_id, address.c.person_id)

# Who has a push endpoint now, in whichever clinic: an endpoint is a phone, and a phone may be passed on. It holds no
# clinic_id, as whoever registers must find the one who had it; digests and ids only.
endpoint = Table(
    "endpoint",
    metadata,
    ID("key", primary_key=True),
    ID("clinic"),
    ID("address_id"),
    sqlite_with_rowid=False,
)

preference = Table(
    "preference",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    Column("value", Value, nullable=False),
    belongs_to("patient", "patient_id"),
)

receipt = Table(  # append-only: what the app says it did with a message
    "receipt",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("message_id", primary_key=True),
    Column("kind", String(16), primary_key=True),
    INSTANT("happened_at"),
    INSTANT("received_at"),
    one_of("kind", "shown", "opened", "answered"),
    belongs_to("message", "message_id"),
)

snooze = Table(  # append-only: "remind me later", once a message; what it leads to is another message
    "snooze",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("message_id", primary_key=True),
    INSTANT("snoozed_at"),
    INSTANT("until_at"),
    belongs_to("message", "message_id"),
)

horizon = Table(  # until when each patient's messages are laid out as rows
    "horizon",
    metadata,
    ID("clinic_id", primary_key=True),
    ID("patient_id", primary_key=True),
    Column("planned_until", BigInteger, nullable=False),
    belongs_to("patient", "patient_id"),
)
Index("ix_horizon_planned_until", horizon.c.planned_until, horizon.c.clinic_id, horizon.c.patient_id)
