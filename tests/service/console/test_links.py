"""The links that messages carry: they open what they should for whom they were meant, and stop e-mail for anybody."""

from sqlalchemy import select

from notifications import addresses
from notifications.tables import message, receipt
from service import care
from service.database import Database
from service.tables import audit
from tests.service.console.conftest import Browser
from tests.world import ADA, BEN, CLINIC, EVE, NOON, session


async def a_message(world: Database) -> str:
    await world.write(care.record_session, BEN, "s1", session(), NOON)
    return str(await world.read(lambda db: db.execute(select(message.c.id).order_by(message.c.planned_for)).scalar()))


async def receipts(world: Database) -> list[str]:
    found: list[str] = await world.read(lambda db: list(db.execute(select(receipt.c.kind)).scalars()))
    return found


async def test_opening_a_message_is_noted_and_shows_today(world: Database, browser: Browser) -> None:
    id = await a_message(world)
    shown = await browser(ADA).get(f"/open/{id}")
    assert shown.status_code == 200
    assert shown.url.path == "/today"
    assert await receipts(world) == ["opened"]


async def test_a_stranger_who_follows_the_link_learns_and_changes_nothing(world: Database, browser: Browser) -> None:
    id = await a_message(world)
    assert (await browser(None).get(f"/open/{id}")).url.path == "/sign-in"
    assert (await browser(EVE).get(f"/open/{id}")).url.path == "/today"
    assert (await browser(BEN).get(f"/open/{id}")).url.path == "/clinic"
    assert await receipts(world) == []


async def test_an_alert_leads_to_the_flags(browser: Browser) -> None:
    assert (await browser(BEN).get("/flags")).url.path == "/clinic"


async def test_one_click_stops_e_mail_and_nothing_else(world: Database, browser: Browser) -> None:
    id = await a_message(world)
    await world.write(care.put_address, ADA, "ada", "mail", "email", {"mailbox": "ada@patients.example"}, NOON)
    asked = await browser(None).get(f"/unsubscribe/{id}")
    assert "Stop e-mail" in asked.text
    assert len((await world.read(addresses.living, CLINIC, ["ada"]))["ada"]) == 2
    client = browser(None)
    client.headers.pop("sec-fetch-site")
    stopped = await client.post(f"/unsubscribe/{id}", content="List-Unsubscribe=One-Click")
    assert stopped.status_code == 200
    assert [it.channel for it in (await world.read(addresses.living, CLINIC, ["ada"]))["ada"]] == ["console"]


async def test_the_clinic_sees_that_e_mail_was_stopped_and_its_log_by_what(world: Database, browser: Browser) -> None:
    id = await a_message(world)
    await world.write(care.put_address, ADA, "ada", "mail", "email", {"mailbox": "ada@patients.example"}, NOON)
    await world.write(addresses.give_up, [(CLINIC, "ada-phone", "410 gone", NOON)], NOON)
    for _ in range(2):  # a mail program that sends it again
        await browser(None).post(f"/unsubscribe/{id}")
    noted = await world.read(lambda db: db.execute(select(audit.c.what, audit.c.patient_id, audit.c.record_id)).all())
    assert [tuple(it) for it in noted].count(("stop e-mail", "ada", id)) == 1
    shown = (await browser(BEN).get("/clinic/patients/ada/messages")).text
    assert "email: not used any more" in shown
    assert "(unsubscribed)" in shown
    assert "stopped e-mail, and nothing else works" in (await browser(BEN).get("/clinic")).text


async def test_the_clinic_sees_that_text_messages_were_stopped(world: Database, browser: Browser) -> None:
    number = {"number": "+34600111222", "service": "sms"}
    await world.write(care.put_address, ADA, "ada", "ada-text", "sms", number, NOON)
    await world.write(addresses.give_up, [(CLINIC, "ada-phone", "410 gone", NOON)], NOON)
    await world.write(care.hear_text, BEN, number["number"], "Stop.", NOON)
    shown = (await browser(BEN).get("/clinic/patients/ada/messages")).text
    assert "sms: not used any more" in shown
    assert "(stopped by text message)" in shown
    assert "stopped text messages, and nothing else works" in (await browser(BEN).get("/clinic")).text


async def test_an_unknown_message_gets_the_same_answer(world: Database, browser: Browser) -> None:
    id = await a_message(world)
    known = await browser(None).post(f"/unsubscribe/{id}")
    unknown = await browser(None).post(f"/unsubscribe/{'0' * 32}")
    assert (known.status_code, known.text.replace(id, "")) == (unknown.status_code, unknown.text.replace("0" * 32, ""))
