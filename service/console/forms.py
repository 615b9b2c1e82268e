"""From what was typed to what is meant: a needling session, a plan's terms, a hold. Raises Invalid, naming the field.

Nothing is judged here that programs/ judges; this is about text that is no number, no date, no time.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, get_args
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import State

from notifications.timing import Zone
from programs import muscles
from programs.completions import Completion, Outcome, Reason
from programs.dosage import check_time
from programs.errors import Invalid
from programs.ids import derived_id
from programs.instants import Instant
from programs.needling import NeedlingSession
from programs.questions import Answer, Question
from programs.schedule import DAY_MINUTES, Hold, minute_of

PageRequest = Request[Any, Any, State]
SIDES, TWITCHES = ("left", "right", "both"), ("none", "some", "many")
LONGEST_TITLE = 200
MOST_FIELDS = 200


class Typed:
    """The fields of a form as text, kept as typed so that a refused form comes back as it was."""

    def __init__(self, fields: Mapping[str, list[str]] | None = None) -> None:
        self._fields = fields or {}

    def __getitem__(self, name: str) -> str:
        return next(iter(self._fields.get(name, ())), "")

    def all(self, name: str) -> list[str]:
        return self._fields.get(name, [])


async def typed(request: PageRequest) -> Typed:
    """What is no form of ours has no field of ours. A NUL, which PostgreSQL cannot keep, is left out."""
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl((await request.body()).decode("utf-8", "replace"), True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Invalid("form", f"has more than {MOST_FIELDS} fields") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\0", "").strip())
    return Typed(fields)


def one_of(known: Sequence[str], text: str, field: str) -> Any:
    if text not in known:
        raise Invalid(field, f"must be one of: {', '.join(known)}")
    return text


def confirmed(it: Typed) -> None:
    """What cannot be taken back has a box to tick."""
    if it["confirmed"] != "yes":
        raise Invalid("confirmed", "tick the box to say that you mean it")


def a_number(text: str, field: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(field, "must be a whole number")
    return int(text)


def a_date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "must be a date, written as 2026-06-01") from None


def an_instant(text: str, clock: Zone, field: str) -> Instant:
    """ "2026-06-01T11:00" on that clock; a time that a clock change skips is the first one after it."""
    day, _, time = text.partition("T")
    when = a_date(day, field)
    check_time(time[:5], field)
    return clock.instant(when.toordinal(), minute_of(time))


# a needling session


def session_from(it: Typed, patient: str, clinician: str, clock: Zone) -> NeedlingSession:
    """`clock` is the clinic's, on which the clinician read when the visit ended."""
    return NeedlingSession(
        patient_id=patient,
        clinician_id=clinician,
        ended_at=an_instant(it["ended_at"], clock, "ended_at"),
        muscles=_muscles(it.all("muscles")),
        side=one_of(SIDES, it["side"], "side"),
        insertions=_insertions(it["insertions"]),
        twitch_responses=one_of(("", *TWITCHES), it["twitch_responses"], "twitch_responses") or None,
        electrical_stimulation={"yes": True, "no": False}.get(it["electrical_stimulation"]),
        sore_before=a_number(it["sore_before"], "sore_before"),
        note=it["note"],
    )


def _muscles(fields: Iterable[str]) -> tuple[str, ...]:
    """One or several in a field, with commas; the error says which of them is not known."""
    names = [name for field in fields for part in field.split(",") if (name := part.strip())]
    for number, name in enumerate(names, 1):
        try:
            muscles.find(name)
        except Invalid as error:
            raise Invalid("muscles", f"number {number} is not in the list of muscles", error.hint) from None
    return tuple(names)


def _insertions(text: str) -> Any:
    if text in ("few", "many"):
        return text
    try:
        return a_number(text, "insertions")
    except Invalid:
        raise Invalid("insertions", "must be a whole number, “few” or “many”") from None


def spoken(name: str) -> str:
    return name.replace("_", " ")


def hold_from(it: Typed, id: str, here: int) -> Hold:
    """The whole plan from this minute on, until the morning of a date or until further notice."""
    if not it["reason"] or len(it["reason"]) > LONGEST_TITLE:
        raise Invalid("reason", f"must be said, in at most {LONGEST_TITLE} characters")
    until = a_date(it["until"], "until").toordinal() * DAY_MINUTES if it["until"] else None
    return Hold(id, here, until, (), it["reason"])


# what a patient says


def answers_from(it: Typed, asked: Iterable[Question]) -> dict[str, Answer]:
    """Only what was answered: a part may be sent alone, as an emergency must not wait for the rest."""
    return {question.id: _answer(question, it[question.id]) for question in asked if it[question.id]}


def _answer(question: Question, text: str) -> Answer:
    if question.kind == "yes_no":
        return {"yes": True, "no": False}.get(text, text)
    if question.kind == "scale_0_10":
        return int(text) if text in {str(score) for score in range(11)} else text
    return text


def completion_from(it: Typed, patient: str, now: Instant) -> Completion:
    """`id` was made once with the form: sent twice, it is one completion."""
    day = a_date(it["date"], "date")
    check_time(it["time"], "time")
    outcome = one_of(get_args(Outcome), it["outcome"], "outcome")
    reason = one_of(("", *get_args(Reason)), it["reason"], "reason") or None if outcome == "skipped" else None
    id = derived_id(patient, it["id"])
    return Completion(id, it["plan"], it["exercise"][:64], day, it["time"], outcome, now, reason=reason)
