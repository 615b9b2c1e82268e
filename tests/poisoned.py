"""A patient whose facts something raises at, as a fault of ours would."""

import pytest

from notifications import outbox
from notifications.agenda import Agenda, Facts, agenda
from programs.instants import Instant


def poison_planning(patch: pytest.MonkeyPatch, patient_id: str) -> None:
    """No agenda can be made of this patient's facts."""

    def raising(facts: Facts, now: Instant, until: Instant) -> Agenda:
        if facts.patient_id == patient_id:
            raise ZeroDivisionError
        return agenda(facts, now, until)

    patch.setattr(outbox, "agenda", raising)
