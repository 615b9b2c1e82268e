"""`homestretch exercises`: the library's pictures as files, for paper, a page or a look."""

from pathlib import Path

import click

from programs import exercises
from programs.errors import Invalid
from programs.figures.document import Asked, draw
from programs.figures.sheet import sheet as draw_sheet

out = click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
language = click.option("--language", default="en", show_default=True, help="Of the words: en, es.")


@click.command()
@out
@language
def sheet(out: Path, language: str) -> None:
    """Draw every exercise of the library on one sheet: an SVG file at OUT."""
    _write(out, draw_sheet(language))


@click.command()
@click.argument("id")
@out
@click.option("--side", type=click.Choice(["left", "right"]), default=None, help="The side that is worked.")
@click.option("--still", is_flag=True, help="Start and end beside each other, as for paper.")
@language
def draw_one(id: str, out: Path, side: Asked | None, still: bool, language: str) -> None:
    """Draw the exercise ID: an SVG file at OUT."""
    try:
        drawn = draw(exercises.find(id), side or "", language, still)
    except Invalid as error:
        raise click.ClickException(f"{error.problem[0].upper()}{error.problem[1:]}. {error.hint}".strip()) from None
    _write(out, drawn)


def _write(out: Path, drawn: str) -> None:
    try:
        out.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out} is written.", err=True)
