"""What the pages on security list is what the code does: whatever is added to the one without the other fails here."""

import ast
import logging
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from programs.errors import Invalid
from service import logs
from service.access import ANYBODY, LINES
from service.auth import passwords
from service.settings import PREFIX, SECRETS
from service.tables import audit
from service.vault import KEY

ROOT = Path(__file__).parents[2]
ROOMS = ("service", "notifications", "programs")
PAGE = "service/docs/security.md"


def part(heading: str, file: str = PAGE) -> str:
    """What stands under a heading."""
    found = (ROOT / file).read_text("utf-8").partition(f"\n## {heading}\n")[2]
    assert found, heading
    return found.partition("\n## ")[0]


def cells(text: str, column: int) -> list[str]:
    """Of a table, below its head."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [line[column] for line in lines[2:]]


def marked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@cache
def code() -> list[tuple[str, ast.AST]]:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    nodes = [(it.relative_to(ROOT).as_posix(), node) for it in files for node in ast.walk(ast.parse(it.read_bytes()))]
    return [it for it in nodes if isinstance(it[1], ast.Import | ast.ImportFrom | ast.Attribute | ast.Call)]


@cache
def imports() -> list[tuple[str, str, str]]:
    """Every file with each module it imports, and what of it."""
    found = [(file, one.name, "") for file, it in code() if isinstance(it, ast.Import) for one in it.names]
    some = [(file, it) for file, it in code() if isinstance(it, ast.ImportFrom) and not it.level]
    return found + [(file, it.module or "", one.name) for file, it in some for one in it.names]


def of_module(module: str) -> list[ast.Attribute]:
    """Where `module.something` stands."""
    attributes = [it for _, it in code() if isinstance(it, ast.Attribute)]
    return [it for it in attributes if isinstance(it.value, ast.Name) and it.value.id == module]


def calls(module: str, *names: str) -> list[ast.Call]:
    wanted = {id(it) for it in of_module(module) if it.attr in names}
    return [it for _, it in code() if isinstance(it, ast.Call) and id(it.func) in wanted]


# libraries


def brought_by(name: str) -> set[str]:
    """What can be imported of a library, by what it says it installed; nothing of one that is for another system."""
    try:
        installed = distribution(name).read_text("RECORD") or ""
    except PackageNotFoundError:
        return set()
    return {re.split(r"[/.,]", line)[0] for line in installed.splitlines()}


def test_no_library_is_used_that_is_not_locked() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text("utf-8"), re.M))
    bring = {it for name in locked for it in brought_by(name)}
    used = {module.partition(".")[0] for _, module, _ in imports()} - {*sys.stdlib_module_names, *ROOMS}
    assert len(used) > 20
    assert used <= bring


def test_everything_that_is_locked_is_audited_and_must_be_mended_in_time() -> None:
    locks = sorted(it.name for it in ROOT.glob("requirements*.txt"))
    assert len(locks) >= 4
    told = subprocess.run(["make", "-n", "audit"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "pip-audit --strict " in told, "else what could not be asked about counts as sound"
    assert re.findall(r"-r (requirements\S*\.txt)(?=\s)", told.partition("pip-audit --strict")[2]) == locks
    for lock in locks:
        text = (ROOT / lock).read_text("utf-8")
        for one in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[\w.-]+==\S+[^\\]*\\\n    --hash=sha256:[0-9a-f]{64}", one), (lock, one[:80])
    days = [int(it.split()[0]) for it in cells(part("How fast a weakness is mended", "SECURITY.md"), 1)]
    assert (len(days), days) == (5, sorted(days))


# keys and algorithms


def test_every_secret_stands_in_the_table_of_keys() -> None:
    named = set(marked("\n".join(cells(part("Keys"), 0))))
    assert {f"{PREFIX}{it.upper()}" for it in SECRETS} | {KEY} <= named
    assert {it for it in named if it.startswith(PREFIX)} == {f"{PREFIX}{it.upper()}" for it in SECRETS}


HASHES_AND_CIPHERS = ("hashlib", "cryptography.hazmat.primitives.asymmetric", "cryptography.hazmat.primitives.ciphers")
LIBRARIES = ("argon2", "authlib", "hmac", "joserfc", "py_vapid", "pyotp", "pywebpush", "secrets", "webauthn")


def test_every_algorithm_in_use_is_in_the_inventory() -> None:
    listed = set(marked("\n".join(cells(part("Algorithms"), 0))))
    used = {name for _, module, name in imports() if module.startswith(HASHES_AND_CIPHERS) and name}
    used |= {it.attr for it in of_module("hashlib")}
    used |= {module.partition(".")[0] for _, module, _ in imports() if module.partition(".")[0] in LIBRARIES}
    assert used == listed
    assert {file for file, _, name in imports() if name == "sha1"} == {"service/auth/passwords.py"}
    assert all(it.attr != "sha1" for it in of_module("hashlib"))
    digests = calls("hmac", "digest", "new")
    assert len(digests) >= 2
    assert {ast.unparse(it.args[2]) for it in digests} == {"'sha256'"}


def test_numbers_that_could_be_foreseen_only_spread_and_invent() -> None:
    told = set(marked(part("Algorithms").partition("`random`")[2]))
    using = {file for file, module, _ in imports() if module == "random"}
    assert using
    assert {file for file in using if not file.startswith("service/simulation/")} == told - {"service/simulation/"}


# whom it talks to, what it keeps, what it logs

WIRES = (
    *("aioapns", "aiohttp", "aiosmtplib", "apprise", "http.client", "httpx", "requests", "smtplib", "socket"),
    *("urllib.request", "urllib3"),
)


def test_whoever_opens_a_connection_stands_in_the_table_of_whom_the_server_talks_to() -> None:
    opening = {file for file, module, _ in imports() if module.startswith(WIRES)}
    opening |= {file for file, module, name in imports() if (module, name) == ("sqlalchemy", "create_engine")}
    assert set(marked("\n".join(cells(part("Whom the server talks to"), 3)))) == opening


def test_every_table_stands_at_one_level_of_data() -> None:
    listed = Counter(marked("\n".join(cells(part("Levels of data"), 3))))
    assert set(listed) == set(audit.metadata.tables)
    assert max(listed.values()) == 1


def test_every_part_of_the_log_is_in_the_inventory_and_goes_to_standard_error_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = [it.args[0] for it in calls("logging", "getLogger")]
    named = {it.value for it in made if isinstance(it, ast.Constant) and isinstance(it.value, str)}
    assert {it for it in marked(part("Logs")) if it.startswith("homestretch.")} == {
        it for it in named if it.startswith("homestretch.")
    }
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    level = root.level
    try:
        logs.begin()
        [handler] = root.handlers
        logging.getLogger("homestretch.api").warning("somebody was refused")
    finally:
        root.handlers = before
        root.setLevel(level)
    assert type(handler) is logging.StreamHandler
    said = capfd.readouterr()
    assert (said.out, "somebody was refused" in said.err) == ("", True)
    elsewhere = [name for _, module, name in imports() if module.startswith("logging.") or name.endswith("FileHandler")]
    assert elsewhere == []


# ways in


def test_every_door_that_asks_for_no_session_is_documented() -> None:
    open_to_all = {route for route, line in LINES.items() if line.who == ANYBODY}
    doors = {it for it in open_to_all if it.startswith("POST ") or "elsewhere" in it}
    assert set(marked("\n".join(cells(part("Every door", "service/docs/sign-in.md"), 0)))) == doors


def test_no_word_of_the_documented_list_carries_a_password() -> None:
    assert "service/auth/guesses.txt" in marked(part("Passwords", "service/docs/sign-in.md"))
    lines = (ROOT / "service/auth/guesses.txt").read_text("utf-8").splitlines()
    words = {word for line in lines if not line.startswith("#") for word in line.split()}
    assert len(words) > 100
    for word in words:
        with pytest.raises(Invalid, match="easy to guess"):
            passwords.check(f"{word} 2024 qwertyuiop")
    passwords.check("marmots 2024 qwertyuiop")
