"""A record of who did what to whose record, written in the transaction that does it."""

from sqlalchemy import Connection, insert

from programs.instants import Instant
from service.tables import audit

_INSERT = insert(audit).inline()


def note(db: Connection, clinic: str, who: str, what: str, patient: str, record: str, at: Instant) -> None:
    row = {"clinic_id": clinic, "who": who, "what": what, "patient_id": patient, "record_id": record, "at": at}
    db.execute(_INSERT, row)
