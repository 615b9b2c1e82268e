"""Small secrets that lie in the database and must not be read there: sealed under a key of the vault (AES-256-GCM).

What a seal is about is part of it: moved to another row, it opens nothing. It names the key of the vault it was made
with; when that was renewed, `staff.seal_secrets` seals it anew. Whoever loses the vault loses what was sealed; here
that is one-time codes, which are then set up anew.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from service.audit import UNKEPT
from service.vault import CARRIED, Keys

_MARK = re.compile(r"sealed(\d{1,4}):")  # with the number of the key
_NONCE = 12


def seal(db: Connection, text: str, *about: str) -> str:
    nonce, number = secrets.token_bytes(_NONCE), _keys(db).newest
    hidden = nonce + _cipher(db, number).encrypt(nonce, text.encode(), _about(about))
    return f"sealed{number}:{urlsafe_b64encode(hidden).decode()}"


def unseal(db: Connection, sealed: str, *about: str) -> str | None:
    """None for what is not sealed, was changed, is about another row, or was sealed with another key."""
    number = key_of(sealed)
    if not _keys(db).has(number):
        return None
    try:
        raw = urlsafe_b64decode(sealed.partition(":")[2])
        return _cipher(db, number).decrypt(raw[:_NONCE], raw[_NONCE:], _about(about)).decode()
    except (InvalidTag, ValueError):
        return None


def key_of(text: str) -> int:
    """The number of the key it was sealed with; 0 for what is not sealed."""
    found = _MARK.match(text)
    return int(found[1]) if found else 0


def is_newest(db: Connection, text: str) -> bool:
    """Whether there is nothing to seal anew."""
    return key_of(text) == _keys(db).newest


def _keys(db: Connection) -> Keys:
    found: Keys = db.info.get(CARRIED, UNKEPT)
    return found


def _cipher(db: Connection, number: int) -> AESGCM:
    """A key of its own, made of the one in the vault."""
    return AESGCM(hmac.digest(_keys(db).named(number), b"homestretch sealing 1", "sha256"))


def _about(about: tuple[str, ...]) -> bytes:
    return msgspec.json.encode(about)
