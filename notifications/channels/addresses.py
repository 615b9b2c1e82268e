"""The addresses of all channels: their fields, and whether they may be registered. It reaches nothing and nobody.

`new_address` is for what arrives from outside and checks everything. `read_address` is for what was stored: it checks
the shape only, as the channel decides at each send what to do with an address that is no longer allowed.
"""

import base64
import string
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from programs.errors import did_you_mean

# Exact names, or a leading dot for everything below a domain. The push services of Chrome and Edge on Android, Firefox,
# Safari, and Edge on Windows.
PUSH_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    ".push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)
HOST_LETTERS = frozenset(string.ascii_lowercase + string.digits + "-.")
SERVICE_LETTERS = frozenset(string.ascii_lowercase + string.digits + "-")
HEX = frozenset(string.digits + "abcdef")
BASE64URL = frozenset(string.ascii_letters + string.digits + "-_")
FCM_LETTERS = BASE64URL | {":"}
# RFC 3986 allows these nowhere, and parsers that meet them disagree about where the host ends.
NEVER_IN_A_URL = frozenset(' "<>\\^`{|}#[]')
# What an unquoted local part may hold beside letters and digits of any script (RFC 5322 atext, RFC 6531).
LOCAL_MARKS = frozenset("!#$%&'*+-/=?^_`{|}~.")


class Allowed(msgspec.Struct, frozen=True):
    """What an operator allows beyond the usual: hosts of other push services (UnifiedPush); loopback for `make run`;
    where text messages go and by which service, as each of them costs."""

    hosts: tuple[str, ...] = ()
    """`push.example.org`, or `.example.org` for everything below it."""
    loopback: bool = False
    sms_services: tuple[str, ...] = ()
    sms_prefixes: tuple[str, ...] = ()
    """How the numbers begin that may be written to: `+34`"""

    def __post_init__(self) -> None:
        for host in self.hosts:
            if not _is_host(host.removeprefix(".")):
                raise ValueError(f"push host {host!r}: expected a name such as push.example.org or .example.org")
        for prefix in self.sms_prefixes:
            if not _is_number(prefix, 1, 7):
                raise ValueError(f"prefix {prefix!r}: expected a plus sign and a country's digits, such as +34")


USUAL = Allowed()


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every address declares beside its fields: what its channel can promise, and what of it may be seen."""

    kind: ClassVar[str]
    idempotent: ClassVar[bool] = False
    """The provider itself takes a delivery once, however often it is handed over. None of today's does."""
    collapses: ClassVar[bool]
    """A delivery handed over twice is shown once: the second replaces the first."""
    receipts: ClassVar[bool]
    """What shows it is our app, which says so. Without, silence means nothing."""
    rate: ClassVar[float | None] = None
    """Sends a second that the provider bears, where it says so."""
    held: ClassVar[str] = ""
    """The field that is one phone, which one person has at a time; none where several may share the address."""

    @property
    def shown(self) -> str:
        """What may stand in a log or on another's screen: enough to tell two addresses apart, too little to use one."""
        raise NotImplementedError

    def check(self, allowed: Allowed) -> None:
        """ValueError, beginning with the field, where it may not be registered."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown})"


class WebPushAddress(Form, frozen=True):
    """What a browser's PushSubscription holds: where to post, and the two keys that only that browser can open."""

    kind: ClassVar[str] = "web_push"
    collapses: ClassVar[bool] = True
    receipts: ClassVar[bool] = True
    held: ClassVar[str] = "endpoint"
    endpoint: str
    p256dh: str
    auth: str

    @property
    def shown(self) -> str:
        return urlsplit(self.endpoint).hostname or "?" if _is_plain_url(self.endpoint) else "?"

    def raw_keys(self) -> tuple[bytes, bytes]:
        """The uncompressed point (65 bytes) and the secret (16 bytes). Whether the point is on the curve: see check."""
        point = _bytes_of("p256dh", self.p256dh, 65)
        if point[0] != 4:
            raise ValueError("p256dh is not an uncompressed point")
        return point, _bytes_of("auth", self.auth, 16)

    def check(self, allowed: Allowed) -> None:
        check_endpoint(self.endpoint, allowed)
        point, _ = self.raw_keys()
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            raise ValueError("p256dh is not a point of the curve P-256") from None


class ApnsAddress(Form, frozen=True):
    """What iOS gives the native app when it registers for notifications."""

    kind: ClassVar[str] = "apns"
    collapses: ClassVar[bool] = True
    receipts: ClassVar[bool] = True
    held: ClassVar[str] = "token"
    token: str

    @property
    def shown(self) -> str:
        return f"...{self.token[-4:]}"

    def check(self, allowed: Allowed) -> None:
        if not 64 <= len(self.token) <= 200 or not HEX.issuperset(self.token):
            raise ValueError("token: expected 64 to 200 hexadecimal digits in lower case")


class FcmAddress(Form, frozen=True):
    """What Firebase gives the native app on Android."""

    kind: ClassVar[str] = "fcm"
    collapses: ClassVar[bool] = True
    receipts: ClassVar[bool] = False  # Android shows it by itself while our app sleeps; only opening it is confirmed
    rate: ClassVar[float | None] = 10_000.0  # 600,000 a minute and project, Firebase's usual quota
    held: ClassVar[str] = "token"
    token: str

    @property
    def shown(self) -> str:
        return f"...{self.token[-4:]}"

    def check(self, allowed: Allowed) -> None:
        if not 32 <= len(self.token) <= 1000 or not FCM_LETTERS.issuperset(self.token):
            raise ValueError("token: expected 32 to 1000 letters, digits, hyphens, underscores and colons")


class NtfyAddress(Form, frozen=True):
    """A topic on the ntfy server of the settings. Whoever knows it can read it, so it must be hard to guess."""

    kind: ClassVar[str] = "ntfy"
    collapses: ClassVar[bool] = True  # from ntfy 2.16 on
    receipts: ClassVar[bool] = False
    topic: str

    @property
    def shown(self) -> str:
        return f"...{self.topic[-2:]}"

    def check(self, allowed: Allowed) -> None:
        if not 16 <= len(self.topic) <= 64 or not BASE64URL.issuperset(self.topic):
            raise ValueError("topic: expected 16 to 64 letters, digits, hyphens and underscores that nobody can guess")


class EmailAddress(Form, frozen=True):
    kind: ClassVar[str] = "email"
    collapses: ClassVar[bool] = True  # by Message-ID, as most mailboxes do
    receipts: ClassVar[bool] = False
    mailbox: str

    @property
    def shown(self) -> str:
        _, at, domain = self.mailbox.rpartition("@")
        return f"...@{domain}" if at else "?"

    def check(self, allowed: Allowed) -> None:
        check_mailbox(self.mailbox)


class SmsAddress(Form, frozen=True):
    """A phone number, written to by a service of the settings: SMS, or what else goes by a number."""

    kind: ClassVar[str] = "sms"
    collapses: ClassVar[bool] = False
    receipts: ClassVar[bool] = False
    rate: ClassVar[float | None] = 1.0  # of one ordinary number, what carriers and so the providers of SMS allow
    number: str
    service: str = "sms"

    @property
    def shown(self) -> str:
        return f"...{self.number[-2:]}"

    def check(self, allowed: Allowed) -> None:
        if self.service not in allowed.sms_services:
            known = ", ".join(allowed.sms_services) or "none"
            raise ValueError(f"service: is not one that is set up here: {known}")
        if not _is_number(self.number, 8, 15):
            raise ValueError("number: expected a plus sign and 8 to 15 digits, the country's first: +34600111222")
        if not self.number.startswith(allowed.sms_prefixes):
            raise ValueError(f"number: text messages go only to numbers with {', '.join(allowed.sms_prefixes)}")


class ConsoleAddress(Form, frozen=True):
    """A name on the operator's own terminal, for `make run`."""

    kind: ClassVar[str] = "console"
    collapses: ClassVar[bool] = False
    receipts: ClassVar[bool] = False
    label: str

    @property
    def shown(self) -> str:
        return "the operator's terminal"

    def check(self, allowed: Allowed) -> None:
        if not self.label.strip() or not self.label.isprintable() or len(self.label) > 80:
            raise ValueError("label: expected 1 to 80 printable characters")


Address = WebPushAddress | ApnsAddress | FcmAddress | NtfyAddress | EmailAddress | SmsAddress | ConsoleAddress
ADDRESSES: tuple[type[Address], ...] = (
    WebPushAddress,
    ApnsAddress,
    FcmAddress,
    NtfyAddress,
    EmailAddress,
    SmsAddress,
    ConsoleAddress,
)
FORMS: Mapping[str, type[Address]] = {form.kind: form for form in ADDRESSES}


TO = "{to}"


def sms_services(text: str) -> dict[str, str]:
    """Name -> URL of Apprise, from lines such as `sms = twilio://SID:TOKEN@+15550100/{to}`.

    ValueError says which line and why, and quotes nothing of it but the name: a URL holds a secret.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, url = (part.strip() for part in line.partition("="))
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not 1 <= len(name) <= 20 or not SERVICE_LETTERS.issuperset(name) or name in found:
            raise ValueError(f"line {number}: expected a name of small letters and digits once, then = and a URL")
        if url.count(TO) != 1 or "://" not in url or not url.isprintable() or " " in url:
            raise ValueError(f"line {number}: expected a URL of Apprise after {name} =, with {TO} for the number")
        found[name] = url
    return found


def read_address(kind: str, raw: bytes | Mapping[str, Any]) -> Address:
    """The address of a channel, from JSON or what JSON held. ValueError says what is wrong with its shape."""
    if kind in FORMS:
        return _shape(FORMS[kind], raw)
    raise ValueError(f"no channel {kind[:40]!r}: one of {', '.join(FORMS)}. {did_you_mean(kind, FORMS)}".rstrip())


def new_address(kind: str, raw: bytes | Mapping[str, Any], allowed: Allowed = USUAL) -> Address:
    """As read_address, and checked for use: a push service we know, keys that work, a mailbox one can write to."""
    address = read_address(kind, raw)
    address.check(allowed)
    return address


def check_endpoint(url: str, allowed: Allowed = USUAL) -> str:
    """The origin of a push endpoint, or ValueError. Called when it is registered and again at each send.

    The server posts wherever a patient's browser says, so the host must be one we know. It is compared after parsing,
    and must be all there is between the slashes: nothing is left for another parser to read otherwise (a user name, a
    port, an escape, another case). Where a listed name leads to is looked at when it is connected to (egress.py).
    """
    if not _is_plain_url(url):
        raise ValueError("push endpoint: not a plain URL of at most 2000 characters")
    parts = urlsplit(url)
    if allowed.loopback and _is_loopback(parts.scheme, parts.netloc):
        return f"http://{parts.netloc}"
    host = parts.netloc.removesuffix(":443")
    if not url.startswith("https://") or not _is_host(host):
        raise ValueError("push endpoint: expected https, a host name in lower case and port 443")
    if not any(_matches(host, listed) for listed in PUSH_HOSTS + allowed.hosts):
        raise ValueError(f"push endpoint: {host} is not a push service we know; the operator can allow it")
    return f"https://{host}"


def check_mailbox(mailbox: str) -> None:
    """`name@domain`, bare: no display name, quotes or comments. Letters of any script, no control characters."""
    local, at, domain = mailbox.rpartition("@")
    if not at or len(mailbox.encode(errors="replace")) > 254 or len(local.encode(errors="replace")) > 64:
        raise ValueError("mailbox: expected name@domain, 254 bytes at most and 64 before the @")
    if not _is_word(local, LOCAL_MARKS) or "" in local.split("."):
        raise ValueError("mailbox: a character before the @ cannot be written to without quotes")
    labels = domain.split(".")
    if len(labels) < 2 or not all(_is_label(label) for label in labels):
        raise ValueError("mailbox: what follows the @ is not a domain")


def _shape(form: type[Address], raw: bytes | Mapping[str, Any]) -> Address:
    try:
        return msgspec.json.decode(raw, type=form) if isinstance(raw, bytes) else msgspec.convert(raw, form)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{form.kind} address: {error}") from None


def _bytes_of(name: str, text: str, length: int) -> bytes:
    bare = text.rstrip("=")
    if not BASE64URL.issuperset(bare) or len(bare) != (length * 4 + 2) // 3:
        raise ValueError(f"{name}: expected {length} bytes in base64url")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _is_plain_url(url: str) -> bool:
    return len(url) <= 2000 and url.isascii() and url.isprintable() and NEVER_IN_A_URL.isdisjoint(url)


def _is_host(host: str) -> bool:
    """Two labels or more, and not an address: every way to write an IPv4 ends in a label that begins with a digit."""
    labels = host.split(".")
    return (
        len(labels) >= 2
        and len(host) <= 253
        and HOST_LETTERS.issuperset(host)
        and all(_is_label(label) for label in labels)
        and not labels[-1][0].isdigit()
    )


def _is_number(text: str, least: int, most: int) -> bool:
    """E.164: a plus sign and digits, none of which is a zero in front."""
    digits = text[1:]
    plain = digits.isascii() and digits.isdecimal() and not digits.startswith("0")
    return text.startswith("+") and plain and least <= len(digits) <= most


def _is_label(label: str) -> bool:
    return 1 <= len(label) <= 63 and _is_word(label, frozenset("-")) and label[0] != "-" and label[-1] != "-"


def _is_word(text: str, marks: frozenset[str]) -> bool:
    """Many scripts need more than letters; beyond ASCII, printable leaves out every space, break and control."""
    return all(mark.isalnum() or mark in marks or (mark > "\x7f" and mark.isprintable()) for mark in text)


def _is_loopback(scheme: str, netloc: str) -> bool:
    host, colon, port = netloc.partition(":")
    return scheme == "http" and host == "127.0.0.1" and bool(colon) and port.isdecimal() and 0 < int(port) < 65536


def _matches(host: str, listed: str) -> bool:
    return host.endswith(listed) if listed.startswith(".") else host == listed
