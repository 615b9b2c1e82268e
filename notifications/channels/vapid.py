"""The server's own key towards push services (RFC 8292), and the signed headers made with it. It sends nothing."""

import base64
from collections.abc import Callable
from typing import Self

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from py_vapid import Vapid02, VapidException

HOUR = 3600
# RFC 8292 allows 24 h; half of it leaves room for clocks that disagree. Nothing is sent with less than an hour left.
LIFETIME = 12 * HOUR
REUSED_FOR = 11 * HOUR


class VapidKeys(msgspec.Struct, frozen=True):
    """One key pair for the whole server: a browser ties its subscription to the public half, so it must be kept."""

    private: ec.EllipticCurvePrivateKey
    subject: str
    """Where a push service can reach the operator: mailto:someone@example.org"""

    def __post_init__(self) -> None:
        if not isinstance(self.private.curve, ec.SECP256R1):
            raise ValueError(f"VAPID key: expected the curve P-256, got {self.private.curve.name}")
        try:  # signed once here, so that a subject nobody takes is found at start and not at the first message
            self.sign("https://push.example.org", expires=LIFETIME)
        except VapidException:
            raise ValueError(f"VAPID subject {self.subject!r}: expected mailto:someone@example.org") from None

    @classmethod
    def from_pem(cls, pem: str, subject: str) -> Self:
        try:
            private = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError):  # the cause may quote the key, so it is not chained
            raise ValueError("VAPID key: not an unencrypted private key in PEM form") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("VAPID key: expected an elliptic curve key (P-256)")
        return cls(private, subject)

    @classmethod
    def generate(cls, subject: str) -> Self:
        return cls(ec.generate_private_key(ec.SECP256R1()), subject)

    def pem(self) -> str:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def public(self) -> str:
        """What a browser's `pushManager.subscribe` takes as applicationServerKey: the point in base64url."""
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

    def sign(self, origin: str, expires: int) -> str:
        claims = {"aud": origin, "sub": self.subject, "exp": expires}
        return str(Vapid02(private_key=self.private).sign(claims)["Authorization"])


class Signatures:
    """Authorization headers, one an origin, signed anew before they run out: 70 us saved at every message."""

    def __init__(self, keys: VapidKeys, now: Callable[[], float]) -> None:
        self._keys = keys
        self._now = now
        self._kept: dict[str, tuple[float, str]] = {}

    def header(self, origin: str) -> str:
        now = self._now()
        signed_at, header = self._kept.get(origin, (0.0, ""))
        if not header or not signed_at <= now < signed_at + REUSED_FOR:  # also when the clock was set back
            header = self._keys.sign(origin, int(now) + LIFETIME)
            if len(self._kept) >= 1000:  # a patient may invent hosts below a listed domain; real ones are a few dozen
                self._kept.clear()
            self._kept[origin] = now, header
        return header

    def forget(self, origin: str) -> None:
        """After a refusal: a header signed while the clock was wrong would be refused for as long as it is reused."""
        self._kept.pop(origin, None)
