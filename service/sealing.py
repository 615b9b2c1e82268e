"""Small secrets that lie in the database and must not be read there: sealed under a key of the vault (AES-256-GCM).

What a seal is about is part of it: moved to another row, it opens nothing. Whoever loses the vault loses what was
sealed; here that is one-time codes, which are then set up anew.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from service.audit import UNKEPT
from service.vault import CARRIED

MARK = "sealed1:"  # a later form gets another number
_NONCE = 12


def seal(db: Connection, text: str, *about: str) -> str:
    nonce = secrets.token_bytes(_NONCE)
    return MARK + urlsafe_b64encode(nonce + _cipher(db).encrypt(nonce, text.encode(), _about(about))).decode()


def unseal(db: Connection, sealed: str, *about: str) -> str | None:
    """None for what is not sealed, was changed, is about another row, or was sealed with another key."""
    if not is_sealed(sealed):
        return None
    try:
        raw = urlsafe_b64decode(sealed.removeprefix(MARK))
        return _cipher(db).decrypt(raw[:_NONCE], raw[_NONCE:], _about(about)).decode()
    except (InvalidTag, ValueError):
        return None


def is_sealed(text: str) -> bool:
    return text.startswith(MARK)


def _cipher(db: Connection) -> AESGCM:
    """A key of its own, made of the one in the vault."""
    return AESGCM(hmac.digest(db.info.get(CARRIED, UNKEPT), b"homestretch sealing 1", "sha256"))


def _about(about: tuple[str, ...]) -> bytes:
    return msgspec.json.encode(about)
