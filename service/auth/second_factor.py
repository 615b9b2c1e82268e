"""One-time codes of an authenticator app (RFC 6238), and the recovery codes for who lost it. Sums only: no database."""

import hmac
import secrets

import pyotp

from programs.instants import SECOND, Instant

STEP = 30 * SECOND
WINDOW = 1  # one step early or late, as clocks of phones are
ISSUER = "Homestretch"
RECOVERY_CODES = 10
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without those that look like another


def make_secret() -> str:
    return pyotp.random_base32(32)


def step_of(secret: str, code: str, last: int, now: Instant) -> int | None:
    """Which step this code is for: one near now and after the `last` one used, so that no code is good twice."""
    given, here, clock = "".join(code.split()), now // STEP, pyotp.TOTP(secret)
    if not (given.isascii() and given.isdigit()):
        return None
    near = range(here - WINDOW, here + WINDOW + 1)
    return next((it for it in near if it > last and hmac.compare_digest(clock.generate_otp(it), given)), None)


def uri(secret: str, email: str) -> str:
    """What an authenticator app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def spaced(secret: str) -> str:
    """In groups of four, to be typed by hand."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def make_recovery_codes() -> list[str]:
    """Each of 118 bits: whoever reads the hashes that are kept cannot try all there are."""
    codes = ("".join(secrets.choice(_ALPHABET) for _ in range(24)) for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 4] for at in range(0, 24, 4)) for code in codes]


def plain(code: str) -> str:
    """A recovery code as it was written down: in any case, with or without its dashes."""
    return "".join(mark for mark in code.upper() if mark.isalnum())
