"""SECURITY.md says nothing that no test shows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| .+ \| `(tests/\S+\.py)::(test_\w+)` \|$")


def test_every_test_named_for_a_requirement_exists() -> None:
    lines = (ROOT / "SECURITY.md").read_text("utf-8").splitlines()
    rows = [found for line in lines if (found := ROW.match(line))]
    assert len(rows) >= 60
    assert len(rows) == sum(bool(re.match(r"\| \d", line)) for line in lines), "a row that does not name its test"
    missing = [row[0] for row in rows if f"def {row[3]}(" not in (ROOT / row[2]).read_text("utf-8")]
    assert not missing
    numbers = [tuple(map(int, row[1].split("."))) for row in rows]
    assert numbers == sorted(set(numbers))
