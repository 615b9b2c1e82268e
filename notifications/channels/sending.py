"""The channels there are. Importing it brings the network libraries: for the worker, not for the API."""

from notifications.channels import Channel
from notifications.channels.apns import Apns
from notifications.channels.console import Console
from notifications.channels.email import Email
from notifications.channels.fcm import Fcm
from notifications.channels.ntfy import Ntfy
from notifications.channels.sms import Sms
from notifications.channels.web_push import WebPush

CHANNELS: tuple[type[Channel], ...] = (WebPush, Apns, Fcm, Ntfy, Email, Sms, Console)
