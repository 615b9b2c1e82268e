"""What an e-mail says beside its sentence, by language: what the button is called, and how to stop."""

from collections.abc import Mapping
from typing import NamedTuple


class Letter(NamedTuple):
    open: str
    stop: str


LETTERS: Mapping[str, Letter] = {
    "en": Letter("Open Homestretch", "Stop e-mail from Homestretch"),
    "es": Letter("Abrir Homestretch", "No recibir más correos de Homestretch"),
}


def letter(language: str) -> Letter:
    return LETTERS.get(language, LETTERS["en"])
