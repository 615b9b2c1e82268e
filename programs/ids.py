"""Identifiers: new ones, which sort by time, and derived ones, which come out the same when a thing is done twice."""

import secrets
from hashlib import blake2b

from programs.instants import Instant


def new_id(now: Instant) -> str:
    """27 characters: time first, so that rows made together lie together; then 64 random bits against guessing."""
    return f"{now:011x}{secrets.token_hex(8)}"


def derived_id(*parts: object) -> str:
    """32 hexadecimal digits. The same parts give the same id; nothing of the parts can be read from it."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()
