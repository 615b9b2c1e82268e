"""Makes the channels that the settings give credentials for. It sends nothing.

Web Push and e-mail are in every service. What APNs, FCM and text messages need is imported only where they are set up:
together some 15 MB and half a second.
"""

import importlib
from typing import Any

import click

from notifications.channels import Channel
from notifications.channels.addresses import sms_services
from notifications.channels.apart import Apart
from notifications.channels.console import Console
from notifications.channels.email import Email, Smtp
from notifications.channels.ntfy import Ntfy, NtfySettings
from notifications.channels.vapid import VapidKeys
from notifications.channels.web_push import PushSettings
from service.clock import Clock
from service.settings import Settings


def check(settings: Settings) -> None:
    """ValueError where a channel could not work as it was given: better now than at the first message."""
    if settings.vapid_key:
        _keys(settings)
    if settings.smtp_host:
        _smtp(settings)
    if settings.apns_key:
        _apns(settings)
    if settings.fcm_account:
        _fcm(settings)
    if settings.sms_services:
        _sms(settings)


def channels_of(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """Those there are credentials for; in a demonstration, or where there are none, the console."""

    def seconds() -> float:
        return clock.now() / 1000

    found: list[Channel] = []
    if settings.vapid_key:
        found.append(Apart(PushSettings(_keys(settings), settings.public_url, settings.allowed), seconds))
    if settings.apns_key:
        found.append(_module("apns").Apns(_apns(settings), seconds))
    if settings.fcm_account:
        found.append(_module("fcm").Fcm(_fcm(settings), seconds))
    if settings.ntfy_url:
        found.append(Ntfy(_ntfy(settings), seconds))
    if settings.smtp_host:
        found.append(Email(_smtp(settings), seconds))
    if settings.sms_services:
        found.append(_module("sms").Sms(_sms(settings)))
    if settings.demo or not found:
        found.append(Console(settings.public_url, click.echo))
    return {it.kind: it for it in found}


def _module(name: str) -> Any:
    return importlib.import_module(f"notifications.channels.{name}")


def _keys(settings: Settings) -> VapidKeys:
    return VapidKeys.from_pem(settings.vapid_key, settings.vapid_subject)


def _smtp(settings: Settings) -> Smtp:
    return Smtp(
        host=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username,
        password=settings.smtp_password,
        tls=settings.smtp_tls,
        sender=settings.smtp_sender,
        public_url=settings.public_url,
    )


def _apns(settings: Settings) -> Any:
    return _module("apns").ApnsSettings(
        key=settings.apns_key,
        key_id=settings.apns_key_id,
        team_id=settings.apns_team_id,
        topic=settings.apns_topic,
        sandbox=settings.apns_sandbox,
    )


def _fcm(settings: Settings) -> Any:
    return _module("fcm").FcmSettings(account=settings.fcm_account)


def _ntfy(settings: Settings) -> NtfySettings:
    return NtfySettings(url=settings.ntfy_url, token=settings.ntfy_token, public_url=settings.public_url)


def _sms(settings: Settings) -> Any:
    return _module("sms").SmsSettings(services=sms_services(settings.sms_services), public_url=settings.public_url)
