"""What a patient chose stands when a channel is added later: their order, what they left out, and then the new one."""

import pytest
from sqlalchemy import insert

from notifications import preferences
from notifications.preferences import CHANNEL_ORDER, Preferences, prefer, preferences_of
from notifications.tables import preference
from service.database import Database
from tests.world import CLINIC, populate

BEFORE = tuple(it for it in CHANNEL_ORDER if it not in ("fcm", "ntfy"))


async def channels_of(db: Database) -> tuple[str, ...]:
    found: dict[str, Preferences] = await db.read(preferences_of, CLINIC, ["ada"])
    return found["ada"].channels


@pytest.mark.parametrize(
    ("chosen", "now"),
    [
        (BEFORE, (*BEFORE, "fcm", "ntfy")),
        (("email", "web_push"), ("email", "web_push", "fcm", "ntfy")),
        ((), ("fcm", "ntfy")),
    ],
)
async def test_a_channel_they_never_saw_comes_after_those_they_chose(
    database: Database, monkeypatch: pytest.MonkeyPatch, chosen: tuple[str, ...], now: tuple[str, ...]
) -> None:
    await database.write(populate)
    with monkeypatch.context() as then:
        then.setattr(preferences, "CHANNEL_ORDER", BEFORE)
        await database.write(prefer, CLINIC, "ada", Preferences(channels=chosen))
        assert await channels_of(database) == chosen
    assert await channels_of(database) == now
    # And now that they have seen it, they may leave it out.
    await database.write(prefer, CLINIC, "ada", Preferences(channels=chosen, language="es"))
    assert await channels_of(database) == chosen


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (("web_push", "apns", "email", "console"), ("web_push", "apns", "email", "console", "fcm", "ntfy", "sms")),
        (("email", "console", "web_push"), ("email", "console", "web_push", "apns", "fcm", "ntfy", "sms")),
        (("email", "web_push"), ("email", "web_push")),
    ],
)
async def test_what_was_stored_before_it_was_noted_what_they_left_out_is_read_as_they_meant_it(
    database: Database, stored: tuple[str, ...], read: tuple[str, ...]
) -> None:
    await database.write(populate)
    row = {"clinic_id": CLINIC, "patient_id": "ada", "value": Preferences(channels=stored)}
    await database.write(lambda db: db.execute(insert(preference), row))
    assert await channels_of(database) == read
