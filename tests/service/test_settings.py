"""Settings: every one from a variable, secrets from files, and whatever is wrong said at once, with its variable."""

from pathlib import Path

import msgspec
import pytest

from service.settings import SECRETS, Settings, SettingsError, read


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read({f"HOMESTRETCH_{name}": value for name, value in environ.items()})
    return str(raised.value).split("\n")


def test_nothing_set_is_one_person_on_one_machine() -> None:
    it = read({"PATH": "/bin", "HOMESTRETCHED": "x"})
    assert it == Settings()
    assert (it.database_url, it.host, it.port, it.demo) == (
        "sqlite:///data/homestretch.db",
        "127.0.0.1",
        8000,
        False,
    )


def test_every_setting_is_read_from_its_variable() -> None:
    it = read(
        {
            "HOMESTRETCH_DATABASE_URL": "postgresql://localhost/homestretch",
            "HOMESTRETCH_MIGRATING_URL": "postgresql://owner@localhost/homestretch",
            "HOMESTRETCH_VAULT": "/srv/homestretch/vault",
            "HOMESTRETCH_HOST": "::1",
            "HOMESTRETCH_PORT": "9000",
            "HOMESTRETCH_METRICS_PORT": "9100",
            "HOMESTRETCH_PUBLIC_URL": "https://localhost",
            "HOMESTRETCH_DEMO": "true",
            "HOMESTRETCH_TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.7",
            "HOMESTRETCH_API_REQUESTS_A_MINUTE": "3000",
            "HOMESTRETCH_BREACHED_PASSWORDS": "stolen.txt",
            "HOMESTRETCH_OIDC_ISSUER": "https://login.example.org",
            "HOMESTRETCH_OIDC_CLIENT_ID": "homestretch",
            "HOMESTRETCH_OIDC_CLIENT_SECRET": "a secret",
            "HOMESTRETCH_OIDC_NAME": "Example",
            "HOMESTRETCH_OIDC_ACR": "two, urn:three",
            "HOMESTRETCH_OIDC_AMR": "mfa hwk",
            "HOMESTRETCH_PUSH_HOSTS": "push.example.org, .example.net",
            "HOMESTRETCH_VAPID_KEY": "a key",
            "HOMESTRETCH_VAPID_SUBJECT": "mailto:ops@example.org",
            "HOMESTRETCH_SMTP_HOST": "mail.example.org",
            "HOMESTRETCH_SMTP_PORT": "465",
            "HOMESTRETCH_SMTP_USERNAME": "aftercare",
            "HOMESTRETCH_SMTP_PASSWORD": "secret",
            "HOMESTRETCH_SMTP_TLS": "tls",
            "HOMESTRETCH_SMTP_SENDER": "Aftercare <aftercare@example.org>",
            "HOMESTRETCH_APNS_KEY": "a key",
            "HOMESTRETCH_APNS_KEY_ID": "ABC123DEFG",
            "HOMESTRETCH_APNS_TEAM_ID": "DEF123GHIJ",
            "HOMESTRETCH_APNS_TOPIC": "org.example.app",
            "HOMESTRETCH_APNS_SANDBOX": "true",
            "HOMESTRETCH_FCM_ACCOUNT": "{}",
            "HOMESTRETCH_NTFY_URL": "https://ntfy.example.org",
            "HOMESTRETCH_NTFY_TOKEN": "tk_secret",
            "HOMESTRETCH_SMS_SERVICES": "sms = twilio://AC1:secret@+15550100/{to}",
            "HOMESTRETCH_SMS_PREFIXES": "+34, +351",
        }
    )
    assert (it.port, it.demo, it.push_hosts, it.smtp_port) == (9000, True, ("push.example.org", ".example.net"), 465)
    assert it.allowed.hosts == ("push.example.org", ".example.net")
    assert (it.oidc_acr, it.oidc_amr) == (("two", "urn:three"), ("mfa", "hwk"))
    assert it.allowed.loopback
    assert (it.allowed.sms_services, it.allowed.sms_prefixes) == (("sms",), ("+34", "+351"))
    defaults = Settings()
    assert all(getattr(it, name) != getattr(defaults, name) for name in Settings.__struct_fields__)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush\n")
    it = read({"HOMESTRETCH_SMTP_PASSWORD_FILE": str(file)})
    assert it.smtp_password == "hush"
    assert problems(SMTP_PASSWORD_FILE=str(file), SMTP_PASSWORD="x")[0].endswith(
        "is given twice, also as HOMESTRETCH_SMTP_PASSWORD or with _FILE"
    )
    assert "No such file" in problems(VAPID_KEY_FILE=str(tmp_path / "nothing"))[0]


def test_only_a_secret_may_lie_in_a_file() -> None:
    assert problems(HOST_FILE="/etc/hostname") == [
        "HOMESTRETCH_HOST_FILE is not a setting. Did you mean “HOMESTRETCH_HOST”?"
    ]


def test_a_name_mistyped_is_refused_with_the_one_meant() -> None:
    assert problems(PROT="9000") == ["HOMESTRETCH_PROT is not a setting. Did you mean “HOMESTRETCH_PORT”?"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("DEMO", "maybe"),
        ("SMTP_TLS", "ssl"),
        ("PUBLIC_URL", "aftercare.example.org"),
        ("PUBLIC_URL", "ftp://example.org"),
        ("PUBLIC_URL", "http://aftercare.example.org"),
        ("OIDC_ISSUER", "https://login.example.org"),
        ("OIDC_ACR", "strong, of no provider"),
        ("OIDC_AMR", "mfa"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("PUSH_HOSTS", "https://push.example.org"),
        ("VAPID_KEY", "a key without a subject"),
        ("SMTP_HOST", "mail.example.org"),
        ("APNS_KEY", "a key without its id"),
        ("SMS_SERVICES", "sms = twilio://AC1:secret@+15550100/{to}"),
        ("NTFY_URL", "http://ntfy.example.org"),
        ("NTFY_TOKEN", "tk_of_no_server"),
        ("MIGRATING_URL", "db.example.org"),
        ("DATABASE_URL", "postgresql://[db/x"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"HOMESTRETCH_{name}")


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATING_URL"])
def test_the_way_to_a_database_on_another_machine_says_how_it_is_encrypted(name: str) -> None:
    """Left unsaid, or `prefer`, it would go unencrypted in silence wherever somebody in between wants it to."""
    for unsaid in ("db.example.org/x", "db/x?sslmode=prefer", "/x?host=10.0.0.7", "192.0.2.7/x?sslmode=allow"):
        (problem,) = problems(**{name: f"postgresql://homestretch:quiet-otters@{unsaid}"})
        assert problem.startswith(f"HOMESTRETCH_{name}: ")
        assert "?sslmode=verify-full" in problem
        assert "quiet-otters" not in problem
    for said in (
        "db.example.org/x?sslmode=verify-full",
        "db/x?sslmode=disable",
        "localhost/x",
        "/x?host=/run/pg",
        "/x",
    ):
        assert read({f"HOMESTRETCH_{name}": f"postgresql://homestretch:quiet-otters@{said}"})


@pytest.mark.parametrize("password", ["postgres", "Homestretch", "changeme", "...", "%70assword"])
def test_a_database_with_a_password_that_everybody_tries_first_is_refused(password: str) -> None:
    (problem,) = problems(DATABASE_URL=f"postgresql://homestretch:{password}@localhost/x")
    assert "a password that everybody tries first" in problem


def test_a_password_is_not_sent_readable_to_a_mail_server_elsewhere() -> None:
    given = {"SMTP_HOST": "mail.example.org", "SMTP_SENDER": "a@example.org", "SMTP_PASSWORD": "x", "SMTP_TLS": "none"}
    (problem,) = problems(**given)
    assert problem.startswith("HOMESTRETCH_SMTP_TLS: ")
    for changed in ({"SMTP_HOST": "localhost"}, {"SMTP_TLS": "tls"}, {"SMTP_PASSWORD": ""}):
        assert read({f"HOMESTRETCH_{one}": value for one, value in {**given, **changed}.items()})


@pytest.mark.parametrize(
    ("host", "public_url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("127.0.0.1", "https://aftercare.example.org"),
        ("192.0.2.7", "http://127.0.0.1:8000"),
        ("127.0.0.1", "https://127.0.0.1.example.org"),
        ("127.0.0.1", "https://127.0.0.1@example.org"),
    ],
)
def test_a_demonstration_cannot_be_left_open_to_others(host: str, public_url: str) -> None:
    """It takes tokens that stand in the code, and addresses on this machine itself."""
    (problem,) = problems(DEMO="true", HOST=host, PUBLIC_URL=public_url)
    assert problem.startswith("HOMESTRETCH_DEMO: ")
    assert read({"HOMESTRETCH_DEMO": "true"}).allowed.loopback
    assert not read({"HOMESTRETCH_HOST": host, "HOMESTRETCH_PUBLIC_URL": public_url}).allowed.loopback


@pytest.mark.parametrize(
    ("services", "prefixes", "problem"),
    [
        ("sms = json://localhost/{to}", "34", "SMS_PREFIXES: prefix '34': expected a plus sign"),
        ("sms = json://localhost", "+34", "SMS_SERVICES: line 1: expected a URL of Apprise after sms ="),
    ],
)
def test_text_messages_need_a_service_and_a_country_that_make_sense(services: str, prefixes: str, problem: str) -> None:
    (said,) = problems(SMS_SERVICES=services, SMS_PREFIXES=prefixes)
    assert said.startswith(f"HOMESTRETCH_{problem}")


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(PORT="x", PROT="1", PUBLIC_URL="x")) == 3


def test_an_empty_variable_is_one_not_given() -> None:
    assert read({"HOMESTRETCH_PORT": "", "HOMESTRETCH_SMTP_HOST": " "}) == Settings()


def test_a_secret_is_never_shown() -> None:
    shown = repr(msgspec.structs.replace(Settings(), **dict.fromkeys(SECRETS, "hush")))
    assert "hush" not in shown
    assert "port=8000" in shown
