"""The programs a plan can be made from, ours and the clinic's own; and what is suggested after a needling session."""

from collections.abc import Mapping, Sequence

from litestar import delete, get, post, put
from litestar.response.base import ASGIResponse
from sqlalchemy import Connection

from programs import dosage, offers, people
from programs.cards import Cards
from programs.dosage import Dosage, Phase
from programs.ids import new_id
from programs.instants import Instant
from programs.templates import Template, cautions
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.plans import Prescriptions, check_prescription
from service.api.wire import Body, Etag, Line, Out, line
from service.care import Who


class ProgramIn(Body, frozen=True, kw_only=True):
    """`title` is for clinicians; patients see the titles of the exercises."""

    title: Line
    prescriptions: Prescriptions


class ProgramOut(Out, frozen=True, kw_only=True):
    """Give its `id` as `template` when a plan is assigned. One without a `version` is ours and is not changed."""

    id: str
    version: Etag | None
    title: str
    exercises: Sequence[str]
    warnings: Sequence[str]


class ProgramsOut(Out, frozen=True, kw_only=True):
    items: Sequence[ProgramOut]


class SuggestedOut(Out, frozen=True, kw_only=True):
    """`cautions` are what this patient's precautions say of it."""

    exercise: str
    title: str
    how_much: str
    dosage: Dosage
    note: str
    cautions: Sequence[str]


class SuggestionOut(Out, frozen=True, kw_only=True):
    """What our table lists for a needled muscle, by phase. It is a list to choose from; nothing is prescribed by it."""

    muscle: str
    phases: Mapping[Phase, Sequence[SuggestedOut]]


class SuggestionsOut(Out, frozen=True, kw_only=True):
    items: Sequence[SuggestionOut]


@get("/clinics/{clinic:str}/programs", doc=Doc(gives=ProgramsOut))
async def list_programs(request: ApiRequest) -> ASGIResponse:
    """The programs a plan can be made from by their id, the clinic's own first; none is chosen by the software."""
    call = await at_clinic(request)
    return await call.read(_list, call.who)


@post("/clinics/{clinic:str}/programs", doc=Doc(takes=ProgramIn, gives=ProgramOut, status=201))
async def save_program(request: ApiRequest) -> ASGIResponse:
    """Keep a program of the clinic's own. `warnings` are for the clinician to read; they forbid nothing."""
    call = await at_clinic(request)
    return await call.once(201, _save, call.who, new_id(call.now), 0, await call.body(ProgramIn), call.now)


@put(
    "/clinics/{clinic:str}/programs/{id:str}",
    doc=Doc(takes=ProgramIn, gives=ProgramOut, if_match="required", also=(409,)),
)
async def change_program(request: ApiRequest) -> ASGIResponse:
    """A new version. Plans made from an older one stay as they are."""
    call = await at_clinic(request)
    return await call.change(_save, call.who, call.id(), call.version(), await call.body(ProgramIn), call.now)


@delete(
    "/clinics/{clinic:str}/programs/{id:str}",
    status_code=200,
    doc=Doc(gives=ProgramOut, if_match="required", also=(409,)),
)
async def retire_program(request: ApiRequest) -> ASGIResponse:
    """It is offered no more. Plans made from it go on, and what it said is kept."""
    call = await at_clinic(request)
    return await call.change(_retire, call.who, call.id(), call.version(), call.now)


@get("/clinics/{clinic:str}/patients/{patient:str}/suggestions", doc=Doc(gives=SuggestionsOut))
async def list_suggestions(request: ApiRequest) -> ASGIResponse:
    """For each muscle of the latest needling session, what is usual in each phase. A clinician chooses, or does not."""
    call = await at_clinic(request)
    return await call.read(_suggestions, call.who, call.id("patient"))


def _list(db: Connection, who: Who) -> ProgramsOut:
    offer = offers.offer_of(db, who.clinic)
    return ProgramsOut(items=[_out(it, offer) for it in offer.templates.values()])


def _save(db: Connection, who: Who, id: str, version: int, it: ProgramIn, now: Instant) -> ProgramOut:
    offer = offers.offer_of(db, who.clinic)
    for at, one in enumerate(it.prescriptions):
        check_prescription(one, offer.cards, f"/prescriptions/{at}")
    wanted = Template(id, line(it.title, "/title"), it.prescriptions, version)
    return _out(care.save_program(db, who, wanted, now), offer)


def _retire(db: Connection, who: Who, id: str, version: int, now: Instant) -> ProgramOut:
    return _out(care.retire_program(db, who, id, version, now), offers.offer_of(db, who.clinic))


def _out(it: Template, offer: offers.Offer) -> ProgramOut:
    return ProgramOut(
        id=it.id,
        version=it.version or None,
        title=it.title,
        exercises=[one.exercise for one in it.prescriptions],
        warnings=offer.warnings(it.prescriptions, 1),
    )


def _suggestions(db: Connection, who: Who, patient: str) -> SuggestionsOut:
    it = people.patient_of(db, who.clinic, patient)
    cards = offers.offer_of(db, who.clinic).cards
    found = offers.suggestions_of(db, who.clinic, patient)
    return SuggestionsOut(items=[_suggestion(one, cards, it.precautions) for one in found])


def _suggestion(it: offers.Suggestion, cards: Cards, precautions: Sequence[str]) -> SuggestionOut:
    return SuggestionOut(
        muscle=it.muscle,
        phases={
            phase: [
                SuggestedOut(
                    exercise=one.exercise,
                    title=cards[one.exercise].say("en").title,
                    how_much=dosage.say(one.dosage),
                    dosage=one.dosage,
                    note=one.note,
                    cautions=cautions(precautions, cards[one.exercise]),
                )
                for one in listed
            ]
            for phase, listed in it.by_phase.items()
        },
    )


ROUTES = (list_programs, save_program, change_program, retire_program, list_suggestions)
