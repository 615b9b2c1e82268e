"""How it goes, for the clinic and for the patient: soreness since needling, usual pain, activities, the change felt."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from litestar import get, post
from litestar.response.base import ASGIResponse
from msgspec import Meta
from sqlalchemy import Connection

from notifications import preferences
from programs import activities, outcomes
from programs.activities import Activity, Rated, Rating
from programs.ids import new_id
from programs.instants import Instant
from programs.outcomes import Change
from programs.wording import words
from service import care
from service.api.call import ApiRequest, at_clinic, at_me
from service.api.doc import Doc
from service.api.wire import Body, Id, Moment, Out, instant, maybe_stamp, stamp
from service.care import Who


class ChangeOut(Out, frozen=True, kw_only=True):
    """`direction` is better, worse, or "" where the difference does not reach what `source` found to matter."""

    points: float
    direction: str
    size: str
    source: str


class PointOut(Out, frozen=True, kw_only=True):
    hours: float
    score: int
    step: str


class CurveOut(Out, frozen=True, kw_only=True):
    """Soreness where the needles went, by hours since that needling session ended."""

    session_id: str
    ended_at: datetime
    points: Sequence[PointOut]


class ScoreOut(Out, frozen=True, kw_only=True):
    at: datetime
    score: int


class ActivityOut(Out, frozen=True, kw_only=True):
    """`words` are the patient's own. A score is 0, not at all, to 10, as well as before."""

    id: str
    words: str
    added_at: datetime
    ended_at: datetime | None
    scores: Sequence[ScoreOut]


class OutcomesOut(Out, frozen=True, kw_only=True):
    """A difference between answers, not why it is there, and no word on whether a patient is well."""

    soreness: Sequence[CurveOut]
    usual_pain: Sequence[ScoreOut]
    usual_pain_change: ChangeOut | None
    activities: Sequence[ActivityOut]
    activities_change: ChangeOut | None
    felt: Sequence[ScoreOut]
    felt_change: ChangeOut | None


class AskOut(Out, frozen=True, kw_only=True):
    """What to ask with: our words in the patient's language. `change` is null the first time."""

    intro: str
    add: str
    rate: str
    unable: str
    able: str
    change: str | None
    much_worse: str
    no_change: str
    much_better: str


class MyOutcomesOut(OutcomesOut, frozen=True, kw_only=True):
    """`due` is true when it is time to rate: at the start, and then every two weeks."""

    due: bool
    most: int
    ask: AskOut


class ActivityIn(Body, frozen=True, kw_only=True):
    words: Annotated[str, Meta(min_length=1, max_length=120, description="In the patient's own words.")]


class RatingIn(Body, frozen=True, kw_only=True):
    """`change` is -5, a lot worse, to 5, a lot better than on the first day; not the first time."""

    scores: Annotated[dict[Id, int], Meta(min_length=1, max_length=20, description="Activity id -> 0 to 10.")]
    change: int | None = None
    rated_at: Moment | None = None


class RatedOut(Out, frozen=True, kw_only=True):
    id: str
    rated_at: datetime


@get("/clinics/{clinic:str}/patients/{id:str}/outcomes", doc=Doc(gives=OutcomesOut))
async def get_outcomes(request: ApiRequest) -> ASGIResponse:
    """Every score of one patient over time, with the changes that reach what studies found to matter."""
    call = await at_clinic(request)
    return await call.read(_of_patient, call.who, call.id())


@post(
    "/clinics/{clinic:str}/patients/{id:str}/activities",
    status_code=201,
    doc=Doc(takes=ActivityIn, gives=ActivityOut, status=201, also=(409,)),
)
async def add_activity(request: ApiRequest) -> ASGIResponse:
    """Write down what this patient finds hard, as they say it; at most five at a time."""
    call = await at_clinic(request)
    it = await call.body(ActivityIn)
    return await call.once(201, _add, call.who, call.id(), it.words, call.now)


@get("/me/outcomes", doc=Doc(gives=MyOutcomesOut))
async def get_my_outcomes(request: ApiRequest) -> ASGIResponse:
    """Your own scores over time, your activities, and whether it is time to rate them."""
    call = await at_me(request)
    return await call.read(_mine, call.who, call.now)


@post("/me/activities", status_code=201, doc=Doc(takes=ActivityIn, gives=ActivityOut, status=201, also=(409,)))
async def add_my_activity(request: ApiRequest) -> ASGIResponse:
    """Name something you find hard to do, in your own words; at most five at a time."""
    call = await at_me(request)
    it = await call.body(ActivityIn)
    return await call.once(201, _add, call.who, call.who.id, it.words, call.now)


@post("/me/activities/{id:str}/end", status_code=200, doc=Doc(takes=Body, gives=ActivityOut, optional_body=True))
async def end_my_activity(request: ApiRequest) -> ASGIResponse:
    """Take it off the list. What you rated stays."""
    call = await at_me(request)
    await call.body(Body)
    return await call.once(200, _end, call.who, call.id(), call.now)


@post("/me/ratings", status_code=201, doc=Doc(takes=RatingIn, gives=RatedOut, status=201))
async def rate_activities(request: ApiRequest) -> ASGIResponse:
    """Say how well you can do each now, and from the second time on how your problem is compared with the first day."""
    call = await at_me(request)
    it = await call.body(RatingIn)
    at = call.now if it.rated_at is None else instant(it.rated_at, "/rated_at")
    rating = Rating(new_id(call.now), at, Rated(it.scores, it.change))
    return await call.once(201, _rate, call.who, rating, call.now)


def _of_patient(db: Connection, who: Who, patient: str) -> OutcomesOut:
    return _outcomes(db, who.clinic, patient)


def _outcomes(db: Connection, clinic: str, patient: str) -> OutcomesOut:
    said = activities.said_of(db, clinic, patient)
    pain, ratings = outcomes.usual_pain(said), activities.ratings_of(db, clinic, patient)
    felt = [ScoreOut(at=stamp(it.rated_at), score=it.value.change) for it in ratings if it.value.change is not None]
    rated = outcomes.activities_change(ratings[0].value.scores, ratings[-1].value.scores) if len(ratings) > 1 else None
    return OutcomesOut(
        soreness=[
            CurveOut(
                session_id=it.session_id,
                ended_at=stamp(it.ended_at),
                points=[PointOut(hours=point.hours, score=point.score, step=point.step) for point in it.points],
            )
            for it in outcomes.curves(said)
        ],
        usual_pain=[ScoreOut(at=stamp(it.at), score=it.score) for it in pain],
        usual_pain_change=_change(outcomes.pain_change(pain)),
        activities=[_activity(it, ratings) for it in activities.activities_of(db, clinic, patient)],
        activities_change=_change(rated),
        felt=felt,
        felt_change=_change(outcomes.felt_change(felt[-1].score)) if felt else None,
    )


def _mine(db: Connection, who: Who, now: Instant) -> MyOutcomesOut:
    it = _outcomes(db, who.clinic, who.id)
    rated_at = [one.rated_at for one in activities.ratings_of(db, who.clinic, who.id)]
    living = any(one.ended_at is None for one in it.activities)
    language = preferences.preferences_of(db, who.clinic, [who.id]).get(who.id, preferences.DEFAULT).language
    return MyOutcomesOut(
        **{name: getattr(it, name) for name in it.__struct_fields__},
        due=outcomes.due(rated_at, living, now),
        most=outcomes.MOST,
        ask=_ask(language, again=bool(rated_at)),
    )


def _ask(language: str, again: bool) -> AskOut:
    said = words(language).outcomes
    shown = {name: getattr(said, name) for name in said.__struct_fields__}
    return AskOut(**{**shown, "change": said.change if again else None})


def _add(db: Connection, who: Who, patient: str, said: str, now: Instant) -> ActivityOut:
    return _activity(care.add_activity(db, who, patient, new_id(now), said, now), [])


def _end(db: Connection, who: Who, id: str, now: Instant) -> ActivityOut:
    found = care.end_activity(db, who, who.id, id, now)
    return _activity(found, activities.ratings_of(db, who.clinic, who.id))


def _rate(db: Connection, who: Who, it: Rating, now: Instant) -> RatedOut:
    kept = care.rate(db, who, it, now)
    return RatedOut(id=kept.id, rated_at=stamp(min(kept.rated_at, now)))


def _activity(it: Activity, ratings: Sequence[Rating]) -> ActivityOut:
    scores = [(one.rated_at, one.value.scores[it.id]) for one in ratings if it.id in one.value.scores]
    return ActivityOut(
        id=it.id,
        words=it.words,
        added_at=stamp(it.added_at),
        ended_at=maybe_stamp(it.ended_at),
        scores=[ScoreOut(at=stamp(at), score=score) for at, score in scores],
    )


def _change(it: Change | None) -> ChangeOut | None:
    if it is None:
        return None
    return ChangeOut(points=it.points, direction=it.direction, size=it.size, source=it.source)


ROUTES = (get_outcomes, add_activity, get_my_outcomes, add_my_activity, end_my_activity, rate_activities)
