"""Where each chain of the audit had come to, noted outside the database; and whether a chain is whole.

An anchor is one line of the vault's list: a clinic, a number, the MAC of the row of that number, sealed with the key.
A database whose last rows were cut off, or that was put back as it was last week, no longer reaches its anchors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from programs.instants import Instant
from service import audit
from service.audit import Checkpoint, Head, Link
from service.vault import Keys, Vault

SOME = 5_000  # rows read at a time


class Anchor(msgspec.Struct, frozen=True):
    clinic: str
    number: int
    mac: str
    at: Instant
    seal: str


class Verdict(NamedTuple):
    """What became of one chain. `problem` is "" where it is whole; `older` rows are from before there was a chain;
    `renewed` has each later key, and the first row under it."""

    clinic: str
    rows: int
    older: int
    problem: str
    renewed: Sequence[tuple[int, int]] = ()


def anchor(keys: Keys, clinic: str, it: Head, now: Instant) -> Anchor:
    return Anchor(clinic, it.number, it.mac, now, audit.sealed(keys, *_said(clinic, it, now)))


def keep(vault: Vault, clinic: str, it: Head, now: Instant) -> None:
    if it.number:
        vault.append(vault.anchors, msgspec.json.encode(anchor(vault.keys, clinic, it, now)).decode())


def read(file: Path, keys: Keys) -> dict[str, list[Anchor]]:
    """Clinic -> its anchors in order. Raises ValueError, with the line, for what we did not write."""
    found: dict[str, list[Anchor]] = {}
    for line, text in enumerate(file.read_text("utf-8").splitlines(), 1):
        try:
            it = msgspec.json.decode(text, type=Anchor)
        except ValueError:
            raise ValueError(f"{file}, line {line}: is no anchor") from None
        if not audit.fits(keys, it.seal, *_said(it.clinic, Head(it.number, it.mac), it.at)):
            raise ValueError(f"{file}, line {line}: this anchor was not sealed with this key")
        found.setdefault(it.clinic, []).append(it)
    return found


def _said(clinic: str, it: Head, at: Instant) -> tuple[str | int, ...]:
    return ("anchor", clinic, it.number, it.mac, at)


def verify(db: Connection, keys: Keys, clinic: str, anchors: Iterable[Anchor]) -> Iterator[int | Verdict]:
    """How many rows were looked at so far, now and then; last of all the verdict."""
    pruned = audit.checkpoint(db, clinic)
    if pruned is not None and not _is_sealed(keys, pruned):
        yield Verdict(clinic, 0, 0, f"the checkpoint at {pruned.number} was not sealed with this key")
        return
    last = Head(pruned.number, pruned.mac) if pruned else audit.START
    start, older, problem = last.number, 0, ""
    renewed: list[tuple[int, int]] = []
    noted = pruned is None
    wanted = {it.number: it.mac for it in anchors if it.number > last.number}
    while not problem and (some := audit.links(db, clinic, last.number, SOME)):
        older += sum(it.mac == "" for it in some)
        renewed += _renewed(last, some)
        # With a key that was taken, and renewed since, a checkpoint can be sealed; a note of it cannot be put in.
        noted = noted or any((it.note.what, it.note.record) == (audit.PRUNED, str(start)) for it in some)
        last, problem = walk(keys, last, some, wanted)
        yield last.number - start
    if not problem and max(wanted, default=0) > last.number:
        problem = f"row {last.number + 1}: is missing; an anchor says that there were {max(wanted)}"
    if not problem and not noted:
        problem = f"no row says that it was pruned up to {start}"
    yield Verdict(clinic, last.number - start, older, problem, renewed)


def _renewed(last: Head, some: Sequence[Link]) -> list[tuple[int, int]]:
    heads = [(last.number, audit.key_of(last.mac)), *((it.number, audit.key_of(it.mac)) for it in some)]
    return [(key, number) for (_, before), (number, key) in pairwise(heads) if key != before]


def walk(keys: Keys, last: Head, some: Iterable[Link], wanted: Mapping[int, str]) -> tuple[Head, str]:
    """How far these rows follow each other from `last` on, and what is wrong with the next, or ""."""
    for it in some:
        if problem := _wrong(keys, last, it) or _missed(wanted, it):
            return last, problem
        last = Head(it.number, it.mac)
    return last, ""


def _is_sealed(keys: Keys, it: Checkpoint) -> bool:
    return audit.fits(keys, it.seal, "checkpoint", it.clinic, it.number, it.mac, it.at)


def _wrong(keys: Keys, last: Head, it: Link) -> str:
    if it.number != last.number + 1:
        return f"row {last.number + 1}: is missing"
    # Rows of the time before the chain have no MAC; once there was one, none may be without.
    if it.mac == "" == last.mac:
        return ""
    key, before = audit.key_of(it.mac), audit.key_of(last.mac)
    if not keys.has(key):
        return f"row {it.number}: names key {key}, which is not in the vault"
    if not audit.is_mac_of(keys, it, last.mac):
        return f"row {it.number}: is not as it was written, or the one before it is not the one it was written after"
    # Whoever has an old key, for which it was renewed, must not go on with it.
    return f"row {it.number}: is under key {key}, though key {before} was in use" if key < before else ""


def _missed(wanted: Mapping[int, str], it: Link) -> str:
    if wanted.get(it.number, it.mac) != it.mac:
        return f"row {it.number}: an anchor says that it was another"
    return ""
