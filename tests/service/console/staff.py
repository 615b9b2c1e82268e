"""Ben of tests/world.py with an e-mail, a password and one-time codes, and what a browser of his does to sign in."""

from typing import Any

import httpx
import pyotp
from sqlalchemy import Connection, select

from programs.instants import SECOND, Instant
from service import audit
from service.auth import passwords, staff
from service.auth.staff import Factors
from service.auth.tickets import State, make_ticket
from service.care import Who
from service.console.cookies import COOKIE
from service.database import Database
from service.tables import token
from tests.service.console.reader import Reader
from tests.world import BEN, CLINIC, NOON, populate, replayed

EMAIL, PASSWORD = "ben@riverside.example", "quiet otters mend bicycles"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
RECOVERY = ("ABCD-EFGH-JKMN-PQRS", "ZYXW-VUTS-RQPN-MKJH")
WRONG_PASSWORD = "E-mail and password do not go together"
WRONG_CODE = "This code does not fit"


def invite_ben(db: Connection) -> str:
    """His invitation; he was a clinician of Riverside before."""
    staff.add(db, CLINIC, EMAIL, "Ben", "clinician", NOON)
    return make_ticket(db, "invitation", BEN, State(), NOON)


def employ_ben(db: Connection) -> None:
    invite_ben(db)
    hash = passwords.Passwords()._hasher.hash(PASSWORD)
    staff.join(db, BEN, Factors(hash, totp=SECRET), RECOVERY, NOON)


@replayed
def with_ben(db: Connection) -> None:
    populate(db)
    employ_ben(db)


def code_at(now: Instant, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).at(now // SECOND)


async def give_password(one: httpx.AsyncClient, password: str = PASSWORD, **form: str) -> httpx.Response:
    return await one.post("/sign-in", data={"email": EMAIL, "password": password, **form})


async def sign_in(one: httpx.AsyncClient, now: Instant, **form: str) -> httpx.Response:
    reply = await give_password(one, **form)
    assert reply.url.path == "/sign-in/second", reply.text
    return await one.post("/sign-in/second", data={"code": code_at(now)})


async def is_in(one: httpx.AsyncClient) -> bool:
    return (await one.get("/account", follow_redirects=False)).status_code == 200


def session_of(one: httpx.AsyncClient) -> str:
    return next((it.value or "" for it in one.cookies.jar if it.name.endswith(COOKIE)), "")


def open_sessions(db: Connection, who: Who = BEN) -> int:
    mine = (token.c.clinic_id == who.clinic) & (token.c.person_id == who.id) & token.c.ended_at.is_(None)
    return len(db.execute(select(token.c.id).where(mine, token.c.use == "session")).all())


def form_of(reply: httpx.Response, action: str, **typed: str) -> dict[str, Any]:
    """The fields of a form as the page sent them, with what was typed in their place."""
    return {**Reader(reply.text).form(action).fields, **typed}


async def failures(db: Database) -> list[tuple[str, str, str]]:
    """What is noted at Riverside of those who could not show who they are: what they tried, as whom, from where."""
    for written in db.closing:
        await written()
    noted = [it.note for it in await db.read(audit.links, CLINIC, 0, 1_000)]
    return [(it.what, it.record, it.origin) for it in noted if it.outcome == "refused"]
