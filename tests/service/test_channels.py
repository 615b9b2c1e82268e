"""Which channels the settings make, and what a service that does not use one is spared."""

import subprocess
import sys

import msgspec
import pytest

from notifications.channels.vapid import VapidKeys
from service.channels import channels_of, check
from service.clock import SetClock
from service.settings import Settings
from tests.peers.apns_service import ApnsService
from tests.peers.fcm_service import FcmService

VAPID = Settings(vapid_key=VapidKeys.generate("mailto:a@example.org").pem(), vapid_subject="mailto:a@example.org")
MAIL = Settings(smtp_host="mail.example.org", smtp_sender="aftercare@example.org")
APPLE = Settings(apns_key=ApnsService().key, apns_key_id="A", apns_team_id="B", apns_topic="org.example.app")
GOOGLE = Settings(fcm_account=FcmService().account())
TEXTS = Settings(sms_services="sms = json://localhost/{to}", sms_prefixes=("+34",))
NTFY = Settings(ntfy_url="https://ntfy.example.org")


def both(*some: Settings) -> Settings:
    given = {name: value for it in some for name, value in msgspec.structs.asdict(it).items() if value}
    return msgspec.convert(given, Settings)


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        (Settings(), ["console"]),
        (VAPID, ["web_push"]),
        (APPLE, ["apns"]),
        (both(VAPID, MAIL, APPLE, GOOGLE, NTFY, TEXTS), ["web_push", "apns", "fcm", "ntfy", "email", "sms"]),
        (both(MAIL, Settings(demo=True)), ["email", "console"]),
    ],
)
async def test_a_channel_is_there_when_it_is_set_up(settings: Settings, kinds: list[str]) -> None:
    check(settings)
    found = channels_of(settings, SetClock(0))
    assert list(found) == kinds
    for channel in found.values():
        await channel.close()


@pytest.mark.parametrize(
    "wrong",
    [{it: "x"} for it in ("vapid_key", "apns_key", "fcm_account", "smtp_sender")]
    + [{"sms_services": "sms = nothing://localhost/{to}"}],
)
def test_what_could_not_work_is_said_at_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        check(msgspec.structs.replace(both(VAPID, MAIL, APPLE, GOOGLE, TEXTS), **wrong))


def test_a_service_that_does_not_use_them_does_not_load_what_they_need() -> None:
    heavy = ("aioapns", "h2", "google.auth", "apprise")
    found = f"import service.channels, sys; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", found], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
