"""An exercise that moves: each outline through one loop, by SMIL, which works in an <img> as well."""

import re
from itertools import groupby
from math import atan2, degrees

from programs.figures.drawing import Look, layers, look_of
from programs.figures.equipment import Shape
from programs.figures.outline import whole
from programs.figures.page import BODY, HIGH, WIDE, fitted, page
from programs.figures.poses import Figure
from programs.figures.skeleton import point
from programs.figures.track import Beat, beats

HEAD = ("hair", "face", "eye", "ear")
NUMBER = re.compile(r"-?\d+")


def moves(figure: Figure, flip: bool = False, both: bool = False) -> str:
    loop = beats(figure)
    bones = [it.bones for it in loop]
    view = fitted(figure, bones, page(WIDE, HIGH), flip)
    look = look_of(figure, bones, view)
    drawn = zip(*(layers(look, it.bones, it.effort) for it in loop), strict=True)
    shapes = []
    for head, group in groupby(drawn, key=lambda same: same[0][0] in HEAD):
        same = list(group)
        shapes += [_head(look, loop)] if head else [_moving([shape for _, shape in it], loop) for it in same]
    body = f"<g {BODY}>{''.join(shapes)}</g>"
    return _in_turn(body, loop[-1].at) if both and figure.alternates else body


def _moving(same: list[Shape], loop: list[Beat]) -> str:
    """One shape through the loop, by way of its outlines; one that hardly moves stands."""
    paths = [it.path for it in same]
    if not any(paths):
        return ""
    if all(_near(paths[0], path) for path in paths):
        return f'<path {same[0].paint} d="{paths[0]}"/>'
    change = _animate('animate attributeName="d"', paths, loop)
    return f'<path {same[0].paint} d="{paths[0]}">{change}</path>'


def _near(one: str, other: str) -> bool:
    """Nothing but what rounding does."""
    numbers = (map(int, NUMBER.findall(path)) for path in (one, other))
    return all(abs(a - b) <= 1 for a, b in zip(*numbers, strict=True))


def _head(look: Look, loop: list[Beat]) -> str:
    """Drawn once, about its middle, and carried along: a head turns too little toward us to change its shape."""
    middles = [look.view.place(point(it.bones, "head")) for it in loop]
    crowns = [look.view.place(point(it.bones, "crown")) for it in loop]
    leans = [degrees(atan2(y - b, x - a)) for (a, b), (x, y) in zip(middles, crowns, strict=True)]
    turns = [(lean - leans[0] + 180) % 360 - 180 for lean in leans]
    (x, y), view = middles[0], look.view
    still_look = look._replace(view=view._replace(left=view.left - x, top=view.top - y))
    inner = "".join(
        f'<path {it.paint} d="{it.path}"/>'
        for name, it in layers(still_look, loop[0].bones)
        if name in HEAD and it.path
    )
    places = [f"{whole(x)} {whole(y)}" for x, y in middles]
    if len(set(places)) == 1:
        return f'<g transform="translate({places[0]})">{inner}</g>'
    moved = _animate('animateTransform attributeName="transform" type="translate"', places, loop)
    if max(map(abs, turns)) < 1:
        return f"<g>{moved}{inner}</g>"
    rotate = 'animateTransform attributeName="transform" type="rotate" additive="sum"'
    return f"<g>{moved}{_animate(rotate, [str(whole(turn)) for turn in turns], loop)}{inner}</g>"


def _animate(element: str, values: list[str], loop: list[Beat]) -> str:
    """What is between two like moments says nothing new."""
    last = len(values) - 1
    kept = [n for n, it in enumerate(values) if n in (0, last) or not it == values[n - 1] == values[n + 1]]
    times = ";".join(_short(loop[n].at / loop[-1].at) for n in kept)
    listed = ";".join(values[n] for n in kept)
    return f'<{element} dur="{loop[-1].at:g}s" repeatCount="indefinite" keyTimes="{times}" values="{listed}"/>'


def _short(share: float) -> str:
    return f"{share:.3f}".rstrip("0").rstrip(".").removeprefix("0") or "0"


def _in_turn(body: str, seconds: float) -> str:
    """Every other loop is the mirror image."""
    flip = (
        '<animateTransform attributeName="transform" type="scale" calcMode="discrete" values="1 1;-1 1" '
        f'dur="{2 * seconds:g}s" repeatCount="indefinite"/>'
    )
    half = WIDE // 2
    return f'<g transform="translate({half})"><g>{flip}<g transform="translate(-{half})">{body}</g></g></g>'
