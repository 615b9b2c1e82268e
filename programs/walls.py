"""Which clinic's rows a transaction may touch, told to PostgreSQL. SQLite has no such wall: there these do nothing.

A transaction of one clinic is told so as it begins (service/database.py). These are for the few that find out on the
way whose rows they need: the worker, whose claim goes over all clinics, and a link that names a message and no clinic.
"""

from sqlalchemy import Connection, bindparam, func, select

# Names of PostgreSQL settings, which end with the transaction; the policies of service/walls.py read them.
CLINIC = "homestretch.clinic"
LINK = "homestretch.link"
SERVICE = "homestretch.service"  # "on" in transactions that are of no clinic: the service's own

_ENTER = select(func.set_config(CLINIC, bindparam("clinic"), True))
_FOLLOW = select(func.set_config(LINK, bindparam("link"), True))
_SERVE = select(func.set_config(SERVICE, "on", True))


def enter(db: Connection, clinic: str) -> None:
    """From here on this transaction sees and writes rows of this clinic, and of the one before no more."""
    if db.dialect.name == "postgresql":
        db.execute(_ENTER, {"clinic": clinic}).all()


def follow(db: Connection, link: str) -> None:
    """From here on this transaction sees the one row whose secret it holds, of whichever clinic."""
    if db.dialect.name == "postgresql":
        db.execute(_FOLLOW, {"link": link}).all()


def serve(db: Connection) -> None:
    """From here on this transaction sees what the service itself may look up, of whichever clinic."""
    if db.dialect.name == "postgresql":
        db.execute(_SERVE).all()
