"""Faults put into the code on purpose, one at a time, each to be noticed by the test that it names.

A test that cannot fail holds nothing. Each file of faults/ is a fault: what it says, which file it changes, the text
that is there exactly once, what takes its place, and the test. The short form looks whether each still fits the code;
the long one puts each into a copy of the tree and wants its test red, and all those tests green before.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.torture.finding import Finding, say

HERE = Path(__file__).parent / "faults"
TREE = Path(__file__).parent.parent.parent
FAILED = 1  # what pytest returns when tests ran and some failed: not 2 to 5, for which anything else is to blame


class Fault(msgspec.Struct, frozen=True):
    name: str
    what: str
    file: str
    old: str
    new: str
    test: str


def faults() -> Iterator[Fault]:
    for path in sorted(HERE.glob("*.toml")):
        yield Fault(name=path.stem, **tomllib.loads(path.read_text("utf-8")))


def fits(it: Fault, tree: Path = TREE) -> str:
    """Why it cannot be put in, or ""."""
    found = (tree / it.file).read_text("utf-8").count(it.old)
    if found != 1:
        return f"{it.name}: the text it changes is {found} times in {it.file}"
    name = it.test.rpartition("::")[2].partition("[")[0]
    tests = (tree / it.test.partition("::")[0]).read_text("utf-8")
    return "" if f"def {name}(" in tests else f"{it.name}: there is no test {it.test}"


def seeded(folder: Path, into: Finding) -> None:
    tree = folder / "tree"
    shutil.copytree(TREE, tree, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "data/"))
    wanted = list(faults())
    into.broken += [why for it in wanted if (why := fits(it, tree))]
    if into.broken:
        return
    code, said = _run(tree, sorted({it.test for it in wanted}))
    if code:
        into.broken.append(f"the tests are not green before any fault: {said}")
        return
    for it in wanted:
        path = tree / it.file
        before = path.read_text("utf-8")
        path.write_text(before.replace(it.old, it.new), "utf-8")
        code, said = _run(tree, [it.test])
        path.write_text(before, "utf-8")
        into.cases += 1
        say(f"{it.name}: {'noticed' if code == FAILED else 'NOT NOTICED'}")
        if code != FAILED:
            into.broken.append(f"{it.name} ({it.what}) was not noticed by {it.test}: pytest returned {code}, {said}")


def _run(tree: Path, tests: list[str]) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "TORTURE": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        return FAILED, "it hung"
    return done.returncode, done.stdout[-300:]
