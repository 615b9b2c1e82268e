import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from notifications.channels.vapid import HOUR, Signatures, VapidKeys
from tests.notifications.channels.conftest import AT_START, Clock

ORIGIN = "https://fcm.googleapis.com"
SUBJECT = "mailto:operator@example.org"


def claims_of(header: str, keys: VapidKeys) -> dict[str, object]:
    scheme, _, rest = header.partition(" ")
    parts = dict(part.partition("=")[::2] for part in rest.split(","))
    assert scheme == "vapid"
    assert parts["k"] == keys.public()
    return jwt.decode(parts["t"], ECKey.import_key(keys.pem()), algorithms=["ES256"]).claims


def test_keys_are_the_same_after_they_were_written_and_read() -> None:
    keys = VapidKeys.generate(SUBJECT)
    assert VapidKeys.from_pem(keys.pem(), SUBJECT).public() == keys.public()


def test_the_public_key_is_the_point_a_browser_subscribes_with(keys: VapidKeys) -> None:
    public = keys.public()
    point = base64.urlsafe_b64decode(public + "=")
    assert len(public) == 87
    assert point[0] == 4
    assert ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point) == keys.private.public_key()


def pem_of(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("", "PEM"),
        ("CANARY", "PEM"),
        ("-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n", "PEM"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem_of(rsa.generate_private_key(65537, 2048)), "P-256"),
    ],
)
def test_another_key_is_refused_at_start_and_not_repeated(pem: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        VapidKeys.from_pem(pem, SUBJECT)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "subject", ["", "operator@example.org", "mailto:", "mailto:operator", "tel:123", "http://a.example"]
)
def test_a_subject_no_push_service_takes_is_refused_at_start(subject: str) -> None:
    with pytest.raises(ValueError, match="VAPID subject"):
        VapidKeys.generate(subject)


def test_a_header_names_the_service_the_operator_and_an_end_within_twelve_hours(keys: VapidKeys, clock: Clock) -> None:
    header = Signatures(keys, clock).header(ORIGIN)
    assert claims_of(header, keys) == {"aud": ORIGIN, "sub": SUBJECT, "exp": AT_START + 12 * HOUR}


def test_a_header_is_reused_for_eleven_hours_and_then_signed_anew(keys: VapidKeys, clock: Clock) -> None:
    signatures = Signatures(keys, clock)
    first = signatures.header(ORIGIN)
    clock.at += 11 * HOUR - 1
    assert signatures.header(ORIGIN) == first
    clock.at += 1
    assert claims_of(signatures.header(ORIGIN), keys)["exp"] == AT_START + 23 * HOUR


def test_each_push_service_gets_its_own(keys: VapidKeys, clock: Clock) -> None:
    signatures = Signatures(keys, clock)
    other = signatures.header("https://web.push.apple.com")
    assert claims_of(other, keys)["aud"] == "https://web.push.apple.com"
    assert claims_of(signatures.header(ORIGIN), keys)["aud"] == ORIGIN
    assert signatures.header("https://web.push.apple.com") == other


def test_a_clock_set_back_does_not_leave_a_header_that_ends_too_late(keys: VapidKeys, clock: Clock) -> None:
    signatures = Signatures(keys, clock)
    signatures.header(ORIGIN)
    clock.at -= 24 * HOUR
    assert claims_of(signatures.header(ORIGIN), keys)["exp"] == AT_START - 12 * HOUR


def test_invented_hosts_do_not_fill_the_memory(keys: VapidKeys, clock: Clock) -> None:
    signatures = Signatures(keys, clock)
    for number in range(1001):
        signatures.header(f"https://a{number}.push.apple.com")
    assert len(signatures._kept) == 1
