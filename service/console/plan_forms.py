"""From what was typed about a plan to its terms, and what a plan can be made of. Raises Invalid, naming the field."""

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import msgspec
from sqlalchemy import Connection

from programs import gates, muscles, offers, people, templates
from programs.cards import Card, card_of, offered
from programs.dosage import PHASES, Dosage, Prescription, Side
from programs.errors import Invalid
from programs.exercises import FLAGS
from programs.gates import Gate
from programs.instants import Instant
from programs.offers import Offer, Suggestion
from programs.phases import Phases
from programs.schedule import Terms
from service.console.forms import LONGEST_TITLE, Typed, a_date, a_number, one_of, spoken

ROWS = 6  # exercises that can be listed in the form
NUMBERS = ("sets", "reps", "hold_seconds", "minutes", "per_day")
WEEKDAYS = tuple(zip("1234567", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))


class Choices(NamedTuple):
    """What the forms about one patient offer."""

    offer: Offer
    suggestions: list[Suggestion]
    gates: list[Gate]
    cautions: Mapping[str, list[str]]  # exercise -> what this patient's precautions say of it
    muscles: Any = muscles.MUSCLES
    flags: Mapping[str, str] = FLAGS
    weekdays: Any = WEEKDAYS

    @property
    def templates(self) -> Mapping[str, templates.Template]:
        return self.offer.templates

    @property
    def exercises(self) -> list[Card]:
        return offered(self.offer.cards)

    def title(self, exercise: str) -> str:
        return self.offer.cards[exercise].say("en").title

    @property
    def suggested(self) -> list[tuple[str, list[tuple[str, list[Prescription]]]]]:
        """Muscle -> phase -> exercises; a muscle that the table does not list is left out."""
        return [
            (it.muscle, [(phase, list(listed)) for phase, listed in it.by_phase.items() if listed])
            for it in self.suggestions
            if any(it.by_phase.values())
        ]


def choices_of(db: Connection, clinic: str, patient: str, now: Instant) -> Choices:
    offer = offers.offer_of(db, clinic)
    precautions = people.patient_of(db, clinic, patient).precautions
    courses = gates.courses_with_phases(db, clinic, [patient])
    cautions = {id: templates.cautions(precautions, card) for id, card in offer.cards.items()} if precautions else {}
    found = offers.suggestions_of(db, clinic, patient)
    return Choices(offer, found, gates.gates_of(db, clinic, courses, now), cautions)


def title_from(it: Typed, offer: Offer) -> str:
    """What was typed, else the template's title."""
    chosen = offer.templates.get(it["template"])
    title = it["title"] or (chosen.title if chosen else "Home program")
    if len(title) > LONGEST_TITLE:
        raise Invalid("title", f"must be at most {LONGEST_TITLE} characters")
    return title


def terms_from(it: Typed, offer: Offer) -> Terms:
    return Terms(
        prescriptions=_prescriptions(it, offer),
        times=tuple(sorted(time for time in it.all("times") if time)),
        starts_on=a_date(it["starts_on"], "starts_on"),
        ends_on=a_date(it["ends_on"], "ends_on") if it["ends_on"] else None,
        phases=_phases(it) if it["phases"] == "yes" else None,
    )


def _phases(it: Typed) -> Phases:
    usual = Phases()
    hours = {name: a_number(it[name], name) for name in ("light_after", "full_after")}
    return Phases(
        light_after=usual.light_after if hours["light_after"] is None else hours["light_after"],
        full_after=usual.full_after if hours["full_after"] is None else hours["full_after"],
        light_at_most=a_number(it["light_at_most"], "light_at_most"),
        full_at_most=a_number(it["full_at_most"], "full_at_most"),
    )


def _prescriptions(it: Typed, offer: Offer) -> tuple[Prescription, ...]:
    """The template's, or the rows' and what was ticked; not both, as nobody could say which dose was meant."""
    rows = [number for number in range(1, ROWS + 1) if it[f"exercise_{number}"]]
    ticked = it.all("suggested")
    if it["template"] and (rows or ticked):
        raise Invalid("template", "is chosen and exercises are listed", "Choose a program or list exercises, not both.")
    if it["template"]:
        if it["template"] not in offer.templates:
            raise Invalid("template", "is not one of the programs")
        return offer.templates[it["template"]].prescriptions
    if not rows and not ticked:
        raise Invalid("template", "is empty", "Choose a program, or list at least one exercise.")
    listed = [_prescription(it, number, offer) for number in rows]
    named = {one.exercise for one in listed}
    times = len([time for time in it.all("times") if time])
    return (*listed, *(_ticked(id, offer, times) for id in dict.fromkeys(ticked) if id not in named))


def _ticked(id: str, offer: Offer, times: int) -> Prescription:
    """Its card's dose, as often as the plan has times for it."""
    exercise = _card(id, offer).exercise
    often = exercise.dosage.per_day
    dose = msgspec.structs.replace(exercise.dosage, per_day=min(often, max(times, 1)) if often else None)
    return Prescription(exercise.id, dose)


def _card(id: str, offer: Offer) -> Card:
    card = card_of(offer.cards, id)
    if card.retired:
        raise Invalid("exercise", "is no longer offered")
    return card


def _prescription(it: Typed, row: int, offer: Offer) -> Prescription:
    """The exercise's own dose with what was typed in its place."""
    exercise = _card(it[f"exercise_{row}"], offer).exercise
    given: dict[str, Any] = _numbers(it, NUMBERS, row, "")
    if it[f"side_{row}"]:
        given["side"] = one_of(get_args(Side), it[f"side_{row}"], f"side in row {row}")
    if days := it.all(f"days_{row}"):
        given["days"] = tuple(sorted(int(one_of("1234567", day, f"days in row {row}")) for day in set(days)))
    pain = a_number(it[f"pain_limit_{row}"], f"pain limit in row {row}")
    lighter = _numbers(it, ("sets", "reps", "hold_seconds"), row, "lighter_")
    times = tuple(it[f"times_{row}"].replace(",", " ").split()) or None
    if times is not None:
        given["per_day"] = len(times)
    return Prescription(
        exercise.id,
        _dose(exercise.dosage, given),
        times=times,
        pain_limit=5 if pain is None else pain,
        note=it[f"note_{row}"],
        phase=one_of(("", *PHASES), it[f"phase_{row}"], f"phase in row {row}") or None,
        lighter=Dosage(**lighter) if lighter else None,
    )


def _numbers(it: Typed, names: tuple[str, ...], row: int, prefix: str) -> dict[str, Any]:
    return {
        name: number
        for name in names
        if (number := a_number(it[f"{prefix}{name}_{row}"], f"{spoken(prefix + name)} in row {row}")) is not None
    }


def _dose(own: Dosage, given: dict[str, Any]) -> Dosage:
    """Minutes and counted repetitions exclude each other: what was typed wins."""
    if "minutes" in given:
        own = msgspec.structs.replace(own, reps=None, hold_seconds=None)
    elif "reps" in given or "hold_seconds" in given:
        own = msgspec.structs.replace(own, minutes=None)
    return msgspec.structs.replace(own, **given)
