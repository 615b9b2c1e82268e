"""The SVG file of an exercise: moving, with its still for whoever wants no movement and for paper, or the still alone.

It loads nothing and holds no script. Colours are attributes; the one style sheet is the same in every file, so that a
content security policy can name it by its hash.
"""

from base64 import b64encode
from hashlib import sha256
from typing import Literal
from xml.sax.saxutils import escape

from programs import wording
from programs.errors import Invalid
from programs.exercises import Exercise, words
from programs.figures.animation import moves
from programs.figures.page import HIGH, WIDE
from programs.figures.poses import Figure
from programs.figures.stills import panels

STYLE = ".still{display:none}@media print,(prefers-reduced-motion:reduce){.moves{display:none}.still{display:inline}}"
# What a browser is told that opens the file itself; in a page the page's own policy holds.
POLICY = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
SOFT = '<filter id="soft"><feGaussianBlur stdDeviation="5"/></filter>'

Asked = Literal["left", "right", ""]


def draw(exercise: Exercise, side: Asked = "", language: str = "en", still: bool = False) -> str:
    """The file of one exercise. No side is the right one, and the left one too where the exercise alternates."""
    figure = figure_of(exercise)
    inner = panels(figure, side == "left")
    if not still:
        moving = moves(figure, side == "left", both=side == "")
        inner = f'<style>{STYLE}</style><g class="moves">{moving}</g><g class="still">{inner}</g>'
    said, spoken = words(exercise, language), language_of(exercise, language)
    title, text = f"{exercise.id}-title", f"{exercise.id}-desc"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" '
        f'aria-labelledby="{title} {text}" lang="{spoken}">'
        f'<title id="{title}">{escape(said.title)}</title>'
        f'<desc id="{text}">{escape(" ".join((said.start, *said.steps)))}</desc>'
        f"<defs>{SOFT}</defs>{inner}</svg>\n"
    )


def language_of(exercise: Exercise, language: str) -> str:
    """English where the card has no words in that one."""
    return language if exercise.id in wording.words(language).exercises else "en"


def figure_of(exercise: Exercise) -> Figure:
    if exercise.figure is None:
        raise Invalid("exercise", "has no figure")
    return exercise.figure
