"""The pictures of the exercises as files, by the command line."""

from pathlib import Path

from click.testing import CliRunner, Result

from programs.exercises import find
from programs.figures.document import draw
from programs.figures.sheet import sheet
from service.cli import main


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["exercises", *args])


def test_the_sheet_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "sheet.svg"
    assert run("sheet", str(out)).exit_code == 0
    assert out.read_text("utf-8") == sheet()


def test_one_exercise_is_drawn_as_asked(tmp_path: Path) -> None:
    out = tmp_path / "clamshell.svg"
    assert run("draw", "clamshell", str(out), "--side", "left", "--still").exit_code == 0
    assert out.read_text("utf-8") == draw(find("clamshell"), "left", still=True)


def test_an_unknown_exercise_is_refused_with_the_nearest_one_and_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    refused = run("draw", "clam_shell", str(out))
    assert refused.exit_code == 1
    assert "clamshell" in refused.output
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    refused = run("sheet", str(tmp_path / "nowhere" / "out.svg"))
    assert refused.exit_code == 1
    assert "nowhere" in refused.output
