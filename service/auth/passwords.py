"""Passwords: kept as Argon2id, tried with the same work whoever is asked for, refused where a guess would find them.

What is refused: under 12 characters; what stands in the operator's file of breached passwords; and what has
too little left once words everybody uses, names of this clinic and person, rows of the keyboard, runs and repeats are
taken away. No rule asks for capitals or digits.
"""

import asyncio
import re
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha1
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, TypeVar

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from programs.errors import Invalid
from service.errors import TOO_MANY, Refused

T = TypeVar("T")

SHORTEST, LONGEST = 12, 256
COST = RFC_9106_LOW_MEMORY
AT_ONCE = 2  # each takes 64 MiB and a quarter of a second of a core
MOST_WAITING = 40
LEAST_LEFT = 5  # characters that are no guess, of which at least four differ

_WORDS = frozenset(
    word
    for line in files("service.auth").joinpath("guesses.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for word in line.split()
)
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm")
_COLUMNS = ("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp", "abcdefghijklmnopqrstuvwxyz")
_LOOKS_LIKE = str.maketrans("@$!|0134578", "asiioieastb")


class Stolen:
    """A file of SHA-1 hashes in order, one a line, as Have I Been Pwned gives them out (`HASH` or `HASH:count`)."""

    def __init__(self, path: Path) -> None:
        """ValueError for a file that cannot be searched so."""
        self._path = path
        with path.open("rb") as file:
            first = file.readline(200)
        if not re.match(rb"[0-9A-Fa-f]{40}[:\r\n]", first):
            raise ValueError("expected a sorted file of SHA-1 hashes, one a line, in hexadecimal")

    def __contains__(self, password: str) -> bool:
        wanted = sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        with self._path.open("rb") as file:
            low, high = 0, file.seek(0, 2)
            while low < high:  # no line that begins before `low` is it
                middle = (low + high) // 2
                line = _line_after(file, middle)
                if line and line[:40].upper() < wanted:
                    low = middle + 1
                else:
                    high = middle
            return _line_after(file, low)[:40].upper() == wanted


def _line_after(file: BinaryIO, at: int) -> bytes:
    """The first whole line that begins at `at` or behind it; empty at the end of the file."""
    if at == 0:
        file.seek(0)
    else:
        file.seek(at - 1)
        file.readline()
    return file.readline()


class Passwords:
    """Hashes in threads, few at a time: somebody who tries many must not take the cores and the memory from others."""

    def __init__(self, breached: Stolen | None = None, cost: Parameters | None = None) -> None:
        cost = cost or COST
        self._hasher = PasswordHasher.from_parameters(cost)
        self._breached = breached
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = _nobodys(cost)

    async def hash(self, password: str) -> str:
        return await self._in_turn(self._hasher.hash, normal(password))

    async def fits(self, kept: str | None, password: str) -> bool:
        """Whether it is the one that was kept; the same work where there is none."""
        return await self._in_turn(self.verify, kept or self._nobodys, normal(password)) and kept is not None

    def verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_old(self, kept: str) -> bool:
        """Kept with other work than is usual now."""
        return self._hasher.check_needs_rehash(kept)

    async def check(self, password: str, names: Iterable[str]) -> None:
        """Raises Invalid for what is no good as a new password; `names` are those of the person and the clinic."""
        check(password, names)
        if self._breached is not None and await asyncio.to_thread(self._breached.__contains__, normal(password)):
            raise Invalid("password", "is in a list of stolen passwords", "Choose one that you use nowhere else.")

    async def _in_turn(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= MOST_WAITING:
            raise Refused(TOO_MANY, "Many people are signing in just now. Please try again in a minute.")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1


def _nobodys(cost: Parameters) -> str:
    """A hash that no password has, to be tried for whom nobody knows: they must not be answered sooner."""
    salt, hash = (b64encode(bytes(length)).decode().rstrip("=") for length in (cost.salt_len, cost.hash_len))
    return f"$argon2id$v={cost.version}$m={cost.memory_cost},t={cost.time_cost},p={cost.parallelism}${salt}${hash}"


def normal(password: str) -> str:
    """One keyboard writes é as one character, another as two: it is one password. Cut, as none is longer."""
    return unicodedata.normalize("NFC", password[: 2 * LONGEST])


def check(password: str, names: Iterable[str] = ()) -> None:
    it = normal(password)
    if len(it) < SHORTEST:
        raise Invalid("password", f"has fewer than {SHORTEST} characters", "Three or four words together are fine.")
    if len(it) > LONGEST:
        raise Invalid("password", f"has more than {LONGEST} characters")
    left = _left(it.casefold(), frozenset(name.casefold() for name in names))
    if len(left) < LEAST_LEFT or len(set(left)) < LEAST_LEFT - 1:
        hint = "Leave out names, common words, dates and rows of keys; three or four unusual words together are fine."
        raise Invalid("password", "is easy to guess", hint)


def _left(password: str, names: frozenset[str]) -> str:
    """What a guesser would not come upon: without known words, runs and repeats."""
    known = re.compile("|".join((_words(names), r"(?:19|20)\d\d", _runs())))
    read_as = password.translate(_LOOKS_LIKE)
    guessed = {at for text in (password, read_as) for it in known.finditer(text) for at in range(*it.span())}
    left = "".join(mark for at, mark in enumerate(password) if at not in guessed and not mark.isspace())
    return re.sub(r"(.+?)\1+", r"\1", left)


def _words(names: Iterable[str]) -> str:
    """The longest first, as a shorter one may be a part of it."""
    parts = {part for name in names for part in re.split(r"[\W_]+", name) if len(part) >= 3}
    return "|".join(map(re.escape, sorted(parts.union(_WORDS), key=lambda it: (-len(it), it))))


@cache
def _runs() -> str:
    """Three and more neighbours of a row of keys, in either direction."""
    rows = [it for row in (*_ROWS, *_COLUMNS) for it in (row, row[::-1])]
    found = {row[at:end] for row in rows for at in range(len(row)) for end in range(at + 3, len(row) + 1)}
    return "|".join(sorted(found, key=lambda it: (-len(it), it)))
