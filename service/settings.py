"""What the operator sets, from the environment, as one value checked at start. It reads files of secrets, nothing else.

Each field is a variable named HOMESTRETCH_ and the field; a secret may lie in a file named by the variable with _FILE
behind it. A name that is none of these is refused with the nearest one that is: a typo would else be a default.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Meta

from notifications.channels import Allowed
from notifications.channels.addresses import sms_services
from programs.errors import did_you_mean
from service.auth.peer import Network, networks

PREFIX = "HOMESTRETCH_"
LISTS = ("push_hosts", "trusted_proxies", "sms_prefixes", "oidc_acr", "oidc_amr")
SECRETS = (
    "database_url",
    "migrating_url",
    "oidc_client_secret",
    "vapid_key",
    "smtp_password",
    "apns_key",
    "fcm_account",
    "ntfy_token",
    "sms_services",
)
# What is of no use without the others.
TOGETHER = (
    ("oidc_issuer", "oidc_client_id"),
    ("vapid_key", "vapid_subject"),
    ("smtp_host", "smtp_sender"),
    ("apns_key", "apns_key_id", "apns_team_id", "apns_topic"),
    ("sms_services", "sms_prefixes"),
)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ENCRYPTED = ("verify-full", "verify-ca", "require", "disable")  # said one way or the other; others fall back in silence
KNOWN_PASSWORDS = ("...", "admin", "changeme", "password", "postgres", "root", "secret")


class SettingsError(ValueError):
    """Every problem, one a line, each naming its variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are those of one person on one machine, without push or e-mail."""

    database_url: str = "sqlite:///data/homestretch.db"
    migrating_url: str = ""
    """PostgreSQL: the address for the role that owns the tables, used only to bring the schema up to date."""
    vault: str = ""
    """Folder of what must not lie in the database: the key of the audit, its anchors, the journal of erasures. Where
    none is named, it is beside a SQLite file, else ./vault. Back it up apart from the database."""
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    metrics_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """Where Prometheus finds the figures of the worker, on this machine only (127.0.0.1); 0 for nowhere."""
    public_url: str = "http://127.0.0.1:8000"
    """Where a patient's browser finds this server; what messages link to."""
    demo: bool = False
    """Allows what only a demonstration needs: addresses on this machine, and the console channel."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of the reverse proxies in front, with commas between: 10.0.0.0/8,192.0.2.7. Only what they write in
    X-Forwarded-For is believed; without any, whoever opens the connection is who asks."""
    api_requests_a_minute: Annotated[int, Meta(ge=10)] = 600
    """How many of one token are answered."""
    breached_passwords: str = ""
    """A file of SHA-1 hashes of stolen passwords, one a line in order, as Have I Been Pwned gives them out."""
    oidc_issuer: str = ""
    """Staff may sign in at this provider (OpenID Connect) too: https://login.example.org"""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_name: str = "your organisation"
    """What the button says: Sign in with ..."""
    oidc_acr: tuple[str, ...] = ()
    """What the provider calls a sign-in with a second factor (acr), with commas between: it is asked for one of these,
    and an ID token that says another is refused. Without this and the next, our own second factor follows."""
    oidc_amr: tuple[str, ...] = ()
    """The same by how somebody signed in there (amr), where the provider says that: mfa,hwk"""
    push_hosts: tuple[str, ...] = ()
    """Push services beyond the usual, with commas between: push.example.org,.example.net"""
    vapid_key: str = ""
    """The server's private key towards push services, in PEM form; best given as HOMESTRETCH_VAPID_KEY_FILE."""
    vapid_subject: str = ""
    """mailto:someone@example.org"""
    smtp_host: str = ""
    smtp_port: Annotated[int, Meta(ge=1, le=65535)] = 587
    smtp_username: str = ""
    smtp_password: str = ""
    smtp_tls: Literal["none", "starttls", "tls"] = "starttls"
    smtp_sender: str = ""
    """Aftercare <aftercare@clinic.example>"""
    apns_key: str = ""
    """Push to the native app on Apple's devices: the text of AuthKey_<key id>.p8, best given as
    HOMESTRETCH_APNS_KEY_FILE."""
    apns_key_id: str = ""
    apns_team_id: str = ""
    apns_topic: str = ""
    """The bundle id of the app."""
    apns_sandbox: bool = False
    """For builds of the app from Xcode instead of the App Store or TestFlight."""
    fcm_account: str = ""
    """Push to the native app on Android: the JSON of a service account, best given as HOMESTRETCH_FCM_ACCOUNT_FILE."""
    ntfy_url: str = ""
    """Push through your own ntfy server: https://ntfy.example.org"""
    ntfy_token: str = ""
    sms_services: str = ""
    """Text messages through Apprise: lines such as `sms = twilio://SID:TOKEN@+15550100/{to}`, as a patient's address
    names the service and the number. Best given as HOMESTRETCH_SMS_SERVICES_FILE."""
    sms_prefixes: tuple[str, ...] = ()
    """How the numbers begin that may be written to, with commas between: +34,+351. Others can cost a great deal."""

    @property
    def proxies(self) -> tuple[Network, ...]:
        return networks(self.trusted_proxies)

    @property
    def allowed(self) -> Allowed:
        return Allowed(self.push_hosts, self.demo, tuple(sms_services(self.sms_services)), self.sms_prefixes)

    def __repr__(self) -> str:
        shown = {name: value for name, value in msgspec.structs.asdict(self).items() if name not in SECRETS}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError. A variable that is empty counts as not given."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value.strip()}
    problems = [_unknown(name) for name in given if name not in _known()]
    values: dict[str, Any] = {}
    for name, value in given.items():
        try:
            _take(name, value, values)
        except (ValueError, OSError) as error:
            problems.append(f"{name}: {error}")
    settings = Settings(**values)
    problems += _contradictions(settings)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _known() -> dict[str, str]:
    """Variable -> field."""
    fields = {f"{PREFIX}{field.upper()}": field for field in Settings.__struct_fields__}
    return fields | {f"{PREFIX}{field.upper()}_FILE": field for field in SECRETS}


def _unknown(name: str) -> str:
    return f"{name} is not a setting. {did_you_mean(name, _known())}".rstrip()


def _take(name: str, value: str, values: dict[str, Any]) -> None:
    field = _known().get(name)
    if field is None:
        return
    if field in values:
        raise ValueError(f"is given twice, also as {PREFIX}{field.upper()} or with _FILE")
    if name.endswith("_FILE"):
        value = Path(value).read_text("utf-8").strip()
    form = msgspec.structs.fields(Settings)[Settings.__struct_fields__.index(field)].type
    words: Any = tuple(value.replace(",", " ").split()) if field in LISTS else value
    try:
        values[field] = msgspec.convert(words, form, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(_plain(str(error))) from None


def _plain(problem: str) -> str:
    return problem.replace("`", "").replace("Invalid enum value", "not one of the values allowed:")


def _is_this_machine(host: str) -> bool:
    return host in ("127.0.0.1", "::1", "localhost")


def _contradictions(it: Settings) -> list[str]:
    """What no single setting can say of itself."""
    found = []
    for field in ("database_url", "migrating_url"):
        if problem := _wrong_with_database(getattr(it, field)):
            found.append(f"{PREFIX}{field.upper()}: {problem}")
    url = urlsplit(it.public_url)
    if url.scheme not in ("http", "https") or not url.netloc or not it.public_url.isascii() or " " in it.public_url:
        found.append(f"{PREFIX}PUBLIC_URL: expected an address such as https://aftercare.example.org")
    elif url.scheme == "http" and url.hostname not in LOOPBACK:
        found.append(
            f"{PREFIX}PUBLIC_URL: expected https://, as over http:// anybody on the way could read and sign in"
        )
    found += [*_contradictions_of_provider(it), *_contradictions_of_mail(it)]
    if it.ntfy_url and not _is_safe(it.ntfy_url):
        found.append(f"{PREFIX}NTFY_URL: expected an address such as https://ntfy.example.org")
    if it.ntfy_token and not it.ntfy_url:
        found.append(f"{PREFIX}NTFY_TOKEN: is of no use without {PREFIX}NTFY_URL")
    found += [problem for names in TOGETHER if (problem := _apart(it, names))]
    if it.demo and (not _is_this_machine(it.host) or not _is_this_machine(url.hostname or "")):
        found.append(
            f"{PREFIX}DEMO: lets anybody in and may send to this machine itself, so {PREFIX}HOST and "
            f"{PREFIX}PUBLIC_URL must both be this machine: 127.0.0.1"
        )
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("TRUSTED_PROXIES", lambda: it.proxies),
        ("PUSH_HOSTS", lambda: Allowed(hosts=it.push_hosts)),
        ("SMS_SERVICES", lambda: sms_services(it.sms_services)),
        ("SMS_PREFIXES", lambda: Allowed(sms_prefixes=it.sms_prefixes)),
    )
    return found + [problem for name, check in checks if (problem := _said_by(name, check))]


def _said_by(name: str, check: Callable[[], object]) -> str:
    try:
        check()
    except ValueError as error:
        return f"{PREFIX}{name}: {error}"
    return ""


def _apart(it: Settings, names: tuple[str, ...]) -> str:
    if len({bool(getattr(it, name)) for name in names}) == 1:
        return ""
    *first, last = (f"{PREFIX}{name.upper()}" for name in names)
    return f"{', '.join(first)} and {last}: give {'both, or neither' if len(names) == 2 else 'all, or none'}"


def _wrong_with_database(url: str) -> str:
    """No address, one that leaves open whether its way to another machine is encrypted, or a password all know."""
    if not url or url.startswith("sqlite:///"):
        return ""
    try:
        parts, asked = urlsplit(url), parse_qs(urlsplit(url).query)
    except ValueError:
        return "expected sqlite:///path or postgresql://..."
    if parts.scheme != "postgresql":
        return "expected sqlite:///path or postgresql://..."
    host = parts.hostname or asked.get("host", [""])[0]
    if host and not host.startswith("/") and host not in LOOPBACK and asked.get("sslmode", [""])[0] not in ENCRYPTED:
        return (
            f"{host} is another machine, so say how the way there is encrypted: ?sslmode=verify-full "
            "(or ?sslmode=disable, where nobody else can listen, as in a network of containers)"
        )
    if parts.password and unquote(parts.password).lower() in {*KNOWN_PASSWORDS, (parts.username or "").lower()}:
        return "has a password that everybody tries first; give the role one of its own"
    return ""


def _contradictions_of_mail(it: Settings) -> list[str]:
    if it.smtp_tls == "none" and it.smtp_password and it.smtp_host not in LOOPBACK:
        return [f"{PREFIX}SMTP_TLS: none would send the password readable to another machine; use starttls or tls"]
    return []


def _contradictions_of_provider(it: Settings) -> list[str]:
    if it.oidc_issuer and not _is_safe(it.oidc_issuer):
        return [f"{PREFIX}OIDC_ISSUER: expected an address such as https://login.example.org"]
    useless = [name for name in ("oidc_acr", "oidc_amr") if getattr(it, name) and not it.oidc_issuer]
    return [f"{PREFIX}{name.upper()}: is of no use without {PREFIX}OIDC_ISSUER" for name in useless]


def _is_safe(url: str) -> bool:
    """Over http anybody on the way could read; within this machine nobody is on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
