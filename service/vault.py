"""The folder of what must not lie in the database: the keys of the audit, its anchors, the journal of erasures.

Who can write to the database cannot forge what is kept here, and who restores an old database finds here what has
happened since. The two lists only grow, a line at a time, each safe on the disk before it counts.
"""

import os
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import make_url

KEY, ANCHORS, ERASURES = "audit.key", "audit.anchors", "erasures"
CARRIED = "audit_keys"  # under this name verbs find them on their connection


class VaultError(ValueError):
    """The folder is not as it should be; the text says what to do."""


class Keys:
    """The keys of the audit in the order they were made; the first is number 1. The newest seals from now on, each
    vouches for what it sealed. `look` reads them again, as another process may have renewed the key."""

    def __init__(self, known: Sequence[bytes], look: Callable[[], Sequence[bytes]] | None = None) -> None:
        self.known, self._look = tuple(known), look

    @property
    def newest(self) -> int:
        return len(self.known)

    def named(self, number: int) -> bytes:
        """Raises VaultError for one that is not in the folder."""
        if not self.has(number):
            raise VaultError(
                f"key {number} of the audit is not in the vault: restore audit.key.{number} from your copy"
            )
        return self.known[number - 1]

    def has(self, number: int) -> bool:
        if number > self.newest:
            self.look()
        return 1 <= number <= self.newest

    def look(self) -> None:
        if self._look is not None:
            self.known = tuple(self._look())


class Vault:
    """One folder, open: the keys read or the first made, the lists there."""

    def __init__(self, folder: Path, keys: Sequence[bytes]) -> None:
        self.folder, self.keys = folder, Keys(keys, lambda: _read(folder))
        self.anchors, self.erasures = folder / ANCHORS, folder / ERASURES
        self._appending = threading.Lock()

    @property
    def carried(self) -> dict[str, object]:
        return {CARRIED: self.keys, "vault": self}

    def renew(self) -> int:
        """The number of a new key, which seals from now on. Of two that renew at once, both go on with the first's."""
        self.keys.look()
        _make(self.folder / _name(self.keys.newest + 1))
        self.keys.look()
        return self.keys.newest

    def append(self, file: Path, line: str) -> None:
        """One line more, on the disk when this returns; whole also where several processes write."""
        with self._appending:
            handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, f"{line}\n".encode())
                os.fsync(handle)
            finally:
                os.close(handle)


def open_vault(folder: Path) -> Vault:
    """Make it at the first start. Raises VaultError for a key that others may read, or that is none."""
    folder = folder.absolute()  # it is looked into again, wherever this process may be by then
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / KEY).exists():
        if (folder / _name(2)).exists():
            raise VaultError(
                f"{folder} has a renewed key and not the first, {KEY}: restore it from where you keep a copy"
            )
        _make(folder / KEY)
    return Vault(folder, _read(folder))


def _name(number: int) -> str:
    return KEY if number == 1 else f"{KEY}.{number}"


def _read(folder: Path) -> list[bytes]:
    """Up to the first that is not there. What is sealed with a later one names it, so that a gap does not go unseen."""
    found = [_key(folder / KEY)]
    while (file := folder / _name(len(found) + 1)).exists():
        found.append(_key(file))
    return found


def _key(file: Path) -> bytes:
    if file.stat().st_mode & 0o077:
        raise VaultError(f"{file} can be read by others: chmod 600 {file}")
    try:
        key = bytes.fromhex(file.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) < 32:
        raise VaultError(f"{file} is not a key of 64 hexadecimal digits: restore it from where you keep a copy")
    return key


def _make(file: Path) -> None:
    """Whole or not at all; of two processes that start together, both go on with the key of the first."""
    fresh = file.with_name(f"new.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, f"{secrets.token_hex(32)}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(fresh, file)
        (file.parent / ANCHORS).touch(0o600)
        (file.parent / ERASURES).touch(0o600)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    _keep_names(file.parent)


def _keep_names(folder: Path) -> None:
    """The names in a folder are on the disk only when the folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def carried_by(database_url: str, named: str) -> dict[str, object]:
    """What a database of these settings carries for its verbs."""
    return open_vault(vault_of(database_url, named)).carried


def vault_of(database_url: str, named: str) -> Path:
    """Where the settings name no folder: beside a SQLite file, else `vault` where the server was started."""
    if named:
        return Path(named)
    path = make_url(database_url).database
    if database_url.startswith("sqlite") and path:
        return Path(f"{path}.vault")
    return Path("vault")
