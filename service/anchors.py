"""Where each chain of the audit had come to, noted outside the database; and whether a chain is whole.

An anchor is one line of the vault's list: a clinic, a number, the MAC of the row of that number, sealed with the key.
A database whose last rows were cut off, or that was put back as it was last week, no longer reaches its anchors.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from programs.instants import Instant
from service import audit
from service.audit import Checkpoint, Head, Link
from service.vault import Vault

SOME = 5_000  # rows read at a time


class Anchor(msgspec.Struct, frozen=True):
    clinic: str
    number: int
    mac: str
    at: Instant
    seal: str


class Verdict(NamedTuple):
    """What became of one chain. `problem` is "" where it is whole; `older` rows are from before there was a chain."""

    clinic: str
    rows: int
    older: int
    problem: str


def anchor(key: bytes, clinic: str, it: Head, now: Instant) -> Anchor:
    return Anchor(clinic, it.number, it.mac, now, _seal(key, clinic, it, now))


def keep(vault: Vault, clinic: str, it: Head, now: Instant) -> None:
    if it.number:
        vault.append(vault.anchors, msgspec.json.encode(anchor(vault.key, clinic, it, now)).decode())


def read(file: Path, key: bytes) -> dict[str, list[Anchor]]:
    """Clinic -> its anchors in order. Raises ValueError, with the line, for what we did not write."""
    found: dict[str, list[Anchor]] = {}
    for line, text in enumerate(file.read_text("utf-8").splitlines(), 1):
        try:
            it = msgspec.json.decode(text, type=Anchor)
        except ValueError:
            raise ValueError(f"{file}, line {line}: is no anchor") from None
        if it.seal != _seal(key, it.clinic, Head(it.number, it.mac), it.at):
            raise ValueError(f"{file}, line {line}: this anchor was not sealed with this key")
        found.setdefault(it.clinic, []).append(it)
    return found


def _seal(key: bytes, clinic: str, it: Head, at: Instant) -> str:
    return audit.sealed(key, "anchor", clinic, it.number, it.mac, at)


def verify(db: Connection, key: bytes, clinic: str, anchors: Iterable[Anchor]) -> Iterator[int | Verdict]:
    """How many rows were looked at so far, now and then; last of all the verdict."""
    pruned = audit.checkpoint(db, clinic)
    if pruned is not None and pruned.seal != _checkpoint_seal(key, pruned):
        yield Verdict(clinic, 0, 0, f"the checkpoint at {pruned.number} was not sealed with this key")
        return
    last = Head(pruned.number, pruned.mac) if pruned else audit.START
    start, older, problem = last.number, 0, ""
    wanted = {it.number: it.mac for it in anchors if it.number > last.number}
    while not problem and (some := audit.links(db, clinic, last.number, SOME)):
        older += sum(it.mac == "" for it in some)
        last, problem = walk(key, last, some, wanted)
        yield last.number - start
    if not problem and max(wanted, default=0) > last.number:
        problem = f"row {last.number + 1}: is missing; an anchor says that there were {max(wanted)}"
    yield Verdict(clinic, last.number - start, older, problem)


def walk(key: bytes, last: Head, some: Iterable[Link], wanted: Mapping[int, str]) -> tuple[Head, str]:
    """How far these rows follow each other from `last` on, and what is wrong with the next, or ""."""
    for it in some:
        if problem := _wrong(key, last, it) or _missed(wanted, it):
            return last, problem
        last = Head(it.number, it.mac)
    return last, ""


def _checkpoint_seal(key: bytes, it: Checkpoint) -> str:
    return audit.sealed(key, "checkpoint", it.clinic, it.number, it.mac, it.at)


def _wrong(key: bytes, last: Head, it: Link) -> str:
    if it.number != last.number + 1:
        return f"row {last.number + 1}: is missing"
    # Rows of the time before the chain have no MAC; once there was one, none may be without.
    if it.mac == "" == last.mac:
        return ""
    if it.mac != audit.mac_of(key, last.mac, it.number, it.note):
        return f"row {it.number}: is not as it was written, or the one before it is not the one it was written after"
    return ""


def _missed(wanted: Mapping[int, str], it: Link) -> str:
    if wanted.get(it.number, it.mac) != it.mac:
        return f"row {it.number}: an anchor says that it was another"
    return ""
