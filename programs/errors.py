"""The errors of this room: one line for the log, another for the person; the HTTP status is chosen in service/."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class ProgramsError(Exception):
    """str() is the log's line: what, which, why. It never holds a hint or what was typed, which may be clinical."""

    what: ClassVar[str] = "request refused"
    to_person: ClassVar[str] = "That did not work. Please try again."

    def __init__(self, which: str = "", why: str = "") -> None:
        super().__init__(which, why)
        self.which, self.why = which, why

    def __str__(self) -> str:
        return ": ".join(part for part in (self.what, self.which, self.why) if part)

    @property
    def person(self) -> str:
        return self.to_person


class Invalid(ProgramsError):
    """`problem` says which bounds were crossed, not the value; `hint` may name the nearest known word."""

    what = "invalid"

    def __init__(self, field: str, problem: str, hint: str = "") -> None:
        super().__init__(field, problem)
        self.args = (field, problem, hint)  # what pickle and copy call __init__ with
        self.field, self.problem, self.hint = field, problem, hint

    @property
    def person(self) -> str:
        return " ".join(part for part in (f"{self.field.replace('_', ' ')}: {self.problem}.", self.hint) if part)


class NoSuchRecord(ProgramsError):
    """Also the answer to a stranger: a row of another clinic and a row that never was look the same."""

    what = "no such record"
    to_person = "We could not find that. It may have been removed."

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(kind, id)
        self.kind, self.id = kind, id


class Conflict(ProgramsError):
    """The rows are not in the state the change was made for; `person` replaces the default where more can be said."""

    what = "conflict"
    to_person = "This was changed in the meantime. Please load it again."

    def __init__(self, what: str, person: str = "") -> None:
        super().__init__(what)
        self.args = (what, person)
        self._person = person

    @property
    def person(self) -> str:
        return self._person or self.to_person


class Stale(Conflict):
    """The change was made for a version that is no longer the one that stands."""

    what = "stale"


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, or "" where none is near."""
    near = get_close_matches(given[:80], list(known), n=1)  # cut, as the time it takes grows with what a stranger types
    return f"Did you mean “{near[0]}”?" if near else ""
