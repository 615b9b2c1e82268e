"""Which rows are of one patient, in every table there is: worked out from the tables, so that none is forgotten.

A row is of a patient if it names them (`patient_id`, `person_id`), or belongs by its foreign key to a row that is.
"""

from sqlalchemy import BindParameter, ColumnElement, Table, and_, bindparam, select

from notifications.tables import address, endpoint
from programs.tables import patient
from service.tables import audit, token

METADATA = token.metadata
CLINIC: BindParameter[str] = bindparam("of_clinic")
PATIENT: BindParameter[str] = bindparam("of_patient")

# Of no patient, and why. Of those that name one, `KEPT` stay when a record is erased.
OF_NOBODY = {
    "clinic": "the clinic itself",
    "clinician": "staff",
    "credential": "how staff sign in",
    "recovery_code": "how staff sign in",
    "passkey": "how staff sign in",
    "ticket": "staff on their way in",
    "protocol": "the clinic's rules",
    "exercise": "the clinic's exercises",
    "rule_decision": "the clinic's rules",
    "template": "the clinic's programs",
    "template_version": "the clinic's programs",
    "rate": "digests that end by themselves",
    "audit_checkpoint": "ends of chains",
    "endpoint": "found by the addresses of a person",
}
KEPT = {
    "audit": "who saw and did what: ids alone, and the clinic's duty to keep",
    "tombstone": "an id, so that no import brings it back",
}
UNLISTED = (
    "nobody can tell whose rows the table {name} holds. Give it a patient_id, or a foreign key to a row that has one "
    "(see belongs_to), and it is exported and erased with the patient; or say in OF_NOBODY of service/subject.py why "
    "it is of no patient."
)


def _criteria() -> tuple[dict[str, ColumnElement[bool]], list[str]]:
    """Table -> which of its rows; and the tables nobody can tell that of. Parents first, as children point at them."""
    found: dict[str, ColumnElement[bool]] = {}
    unlisted = []
    for table in METADATA.sorted_tables:
        mine = _mine(table, found)
        if mine is not None:
            found[table.name] = mine
        elif table.name not in OF_NOBODY:
            unlisted.append(table.name)
    return found, unlisted


def _mine(table: Table, found: dict[str, ColumnElement[bool]]) -> ColumnElement[bool] | None:
    if table.name in OF_NOBODY:
        return None
    if table is patient:
        return and_(table.c.clinic_id == CLINIC, table.c.id == PATIENT)
    for name in ("patient_id", "person_id"):
        if name in table.c:
            return and_(table.c.clinic_id == CLINIC, table.c[name] == PATIENT)
    for key in table.foreign_key_constraints:
        parent = key.referred_table
        if parent.name in found:
            own, theirs = list(key.columns)[-1], key.elements[-1].column
            return and_(table.c.clinic_id == CLINIC, own.in_(select(theirs).where(found[parent.name])))
    return None


OF_PATIENT, UNDECIDED = _criteria()
_ADDRESSES = select(address.c.id).where(address.c.clinic_id == CLINIC, address.c.person_id == PATIENT)
OF_ENDPOINT = and_(endpoint.c.clinic == CLINIC, endpoint.c.address_id.in_(_ADDRESSES))
assert audit.name in OF_PATIENT
