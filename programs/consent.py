"""What a patient agrees to, in words, by version. A version is never reworded: a new one is added and used from then.

The clinic asks in person or on paper; it is written down with the version of the words that were asked.
"""

WORDING = "2026-11"  # the version that is asked now

TEXTS = {
    "2026-11": {
        "en": (
            "My clinic may send me reminders and check-ins about my aftercare, to the phone or mailbox I name. The "
            "messages say nothing about my health. What I answer and log is kept by my clinic and read by its staff. "
            "I can end the messages at any time; my care does not depend on it."
        ),
        "es": (
            "Mi clínica puede enviarme recordatorios y preguntas sobre mi cuidado posterior, al teléfono o buzón que "
            "yo indique. Los mensajes no dicen nada sobre mi salud. Lo que respondo y anoto lo guarda mi clínica y lo "
            "lee su personal. Puedo poner fin a los mensajes en cualquier momento; mi atención no depende de ello."
        ),
    },
}


def asked_in(version: str, language: str) -> str:
    """The words of a version, in English where there are none in that language; "" before words were kept."""
    texts = TEXTS.get(version, {})
    return texts.get(language, texts.get("en", ""))
