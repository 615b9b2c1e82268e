"""Every sentence a person receives, by language. Nothing clinical: no name, body part, exercise or needling."""

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    title: str
    body: str


TITLE = "Homestretch"

SENTENCES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "check_in": "You have a check-in.",
        "nudge": "Your check-in is still open.",
        "bout": "Your home program is ready for today.",
        "check_in+bout": "You have a check-in, and your home program is ready for today.",
        "nudge+bout": "Your check-in is still open, and your home program is ready for today.",
        "alert": "A patient's answer needs you. Please open the list of flags now.",
        "escalation": "A patient's answer still waits for somebody. Please open the list of flags now.",
        "access": "Emergency access was used at your clinic. Please sign in to see by whom and why.",
    },
    "es": {
        "check_in": "Tienes un seguimiento por responder.",
        "nudge": "Tu seguimiento sigue abierto.",
        "bout": "Tu programa en casa está listo para hoy.",
        "check_in+bout": "Tienes un seguimiento por responder y tu programa en casa está listo para hoy.",
        "nudge+bout": "Tu seguimiento sigue abierto y tu programa en casa está listo para hoy.",
        "alert": "La respuesta de un paciente necesita tu atención. Abre ahora la lista de avisos.",
        "escalation": "La respuesta de un paciente aún espera a alguien. Abre ahora la lista de avisos.",
        "access": "Se ha usado un acceso de emergencia en tu clínica. Inicia sesión para ver quién y por qué.",
    },
}
LANGUAGES = tuple(SENTENCES)


def words(kinds: frozenset[str], language: str) -> Words:
    """The sentence for what one message is about: check_in, nudge, bout, alert, escalation, access."""
    sentences = SENTENCES[language if language in SENTENCES else "en"]
    first = next(kind for kind in ("alert", "escalation", "access", "check_in", "nudge", "bout") if kind in kinds)
    both = f"{first}+bout"
    return Words(TITLE, sentences[both if "bout" in kinds and both in sentences else first])
