"""The exercises a clinic can name: ours, ours in the clinic's words, and its own."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from litestar import delete, get, put
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from programs import cards, dosage, exercises
from programs.cards import Card, Entry, OwnExercise
from programs.dosage import Dosage
from programs.errors import NoSuchRecord
from programs.exercises import Phase
from programs.wording import CardWords, languages
from service import care
from service.api.call import ApiRequest, at_clinic
from service.api.doc import Doc
from service.api.wire import Body, Out
from service.care import Who

By = Mapping[Annotated[str, Meta(pattern=r"^[a-z]{2}$(?!\n)", description="Two small letters.")], CardWords]


class ExercisesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    language: Annotated[str, Meta(max_length=2, description="Of the words; English where there are none.")] = "en"


class OwnIn(Body, frozen=True, kw_only=True):
    """A clinic's own exercise with its words by language; the id is the path's."""

    exercise: OwnExercise
    words: By


class WordsIn(Body, frozen=True, kw_only=True):
    """The clinic's words for one of our exercises, by language; none gives ours back."""

    words: By


class ExerciseOut(Out, frozen=True, kw_only=True):
    """`words` is ours, the clinic's words for ours, or the clinic's own. `version` is 0 where nobody here wrote."""

    id: str
    origin: Literal["ours", "reworded", "own"]
    title: str
    region: str
    targets: Sequence[str]
    phase: Phase
    loaded: bool
    gentle: bool
    equipment: Sequence[str]
    dosage: Dosage
    how_much: str
    usual: Mapping[str, tuple[int, int]]
    cautions: Mapping[str, str]
    easier: str
    harder: str
    figure: str
    source: str
    retired: bool
    words: CardWords
    stop: str
    version: int


class ExercisesOut(Out, frozen=True, kw_only=True):
    """`languages` are those our own words are in."""

    items: Sequence[ExerciseOut]
    languages: Sequence[str]


@get("/clinics/{clinic:str}/exercises", doc=Doc(gives=ExercisesOut, query=ExercisesQuery))
async def list_exercises(request: ApiRequest) -> ASGIResponse:
    """What a plan can be made of, by title."""
    call = await at_clinic(request)
    return await call.read(_list, call.who, call.query(ExercisesQuery).language)


@get("/clinics/{clinic:str}/exercises/{id:str}", doc=Doc(gives=ExerciseOut, query=ExercisesQuery))
async def get_exercise(request: ApiRequest) -> ASGIResponse:
    """One exercise, retired ones included: a plan may still name it."""
    call = await at_clinic(request)
    return await call.read(_one, call.who, call.id(), call.query(ExercisesQuery).language)


@put("/clinics/{clinic:str}/exercises/{id:str}", doc=Doc(takes=OwnIn, gives=ExerciseOut, if_match="optional"))
async def put_exercise(request: ApiRequest) -> ASGIResponse:
    """Keep an exercise of your own: a new one without If-Match, a change to one with its ETag."""
    call = await at_clinic(request)
    it = await call.body(OwnIn)
    entry = Entry(it.exercise, it.words)
    return await call.change(_put, call.who, call.id(), call.version_if_given() or 0, entry, call.now)


@put("/clinics/{clinic:str}/exercises/{id:str}/words", doc=Doc(takes=WordsIn, gives=ExerciseOut, if_match="optional"))
async def put_words(request: ApiRequest) -> ASGIResponse:
    """Say one of our exercises in your own words; ours stay as they are for everybody else."""
    call = await at_clinic(request)
    it = await call.body(WordsIn)
    return await call.change(_reword, call.who, call.id(), call.version_if_given() or 0, it.words, call.now)


@delete("/clinics/{clinic:str}/exercises/{id:str}", status_code=200, doc=Doc(gives=ExerciseOut, if_match="required"))
async def retire_exercise(request: ApiRequest) -> ASGIResponse:
    """No longer offer an exercise of your own. Plans that have it keep it."""
    call = await at_clinic(request)
    return await call.change(_retire, call.who, call.id(), call.version(), call.now)


def _list(db: Connection, who: Who, language: str) -> ExercisesOut:
    found = cards.offered(cards.cards_of(db, who.clinic), language)
    return ExercisesOut(items=[_out(it, language) for it in found], languages=list(languages()))


def _one(db: Connection, who: Who, id: str, language: str) -> ExerciseOut:
    card = cards.cards_of(db, who.clinic).get(id)
    if card is None:
        raise NoSuchRecord("exercise", id)
    return _out(card, language)


def _put(db: Connection, who: Who, id: str, version: int, entry: Entry, now: int) -> ExerciseOut:
    return _out(care.put_exercise(db, who, id, version, entry, now), "en")


def _reword(db: Connection, who: Who, id: str, version: int, words: By, now: int) -> ExerciseOut:
    return _out(care.reword_exercise(db, who, id, version, words, now), "en")


def _retire(db: Connection, who: Who, id: str, version: int, now: int) -> ExerciseOut:
    return _out(care.retire_exercise(db, who, id, version, now), "en")


def _out(it: Card, language: str) -> ExerciseOut:
    said, card = it.say(language), it.exercise
    return ExerciseOut(
        id=card.id,
        origin="own" if it.own else "reworded" if it.words else "ours",
        title=said.title,
        region=card.region,
        targets=card.targets,
        phase=card.phase,
        loaded=card.loaded,
        gentle=card.gentle,
        equipment=card.equipment,
        dosage=card.dosage,
        how_much=dosage.say(card.dosage, language),
        usual=card.usual,
        cautions=card.cautions,
        easier=card.easier,
        harder=card.harder,
        figure=it.figure,
        source=card.source,
        retired=it.retired,
        words=said,
        stop=exercises.stop_words(5, language),
        version=it.version,
    )


ROUTES = (list_exercises, get_exercise, put_exercise, put_words, retire_exercise)
