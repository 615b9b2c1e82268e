"""The one place where an error becomes a reply: RFC 9457 problem details, for every door that speaks JSON.

`detail` is the text for the person. The log gets the kind of an unexpected error and where it arose, and nothing that
was sent: the words of a database's error may quote a row.
"""

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from sqlalchemy.exc import OperationalError

from programs.errors import Invalid, NoSuchRecord, ProgramsError, Stale
from service.logs import told

log = logging.getLogger("homestretch.api")

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """A sort of problem: the last part of its `type`, its status, its title."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        return f"/problems/{self.name}"


MALFORMED = Kind("malformed", 400, "The request cannot be read")
NOT_SIGNED_IN = Kind("not-signed-in", 401, "Sign in first")
NOT_FOR_YOU = Kind("not-for-you", 403, "This is not for you")
NOT_FOUND = Kind("not-found", 404, "There is no such thing")
WRONG_METHOD = Kind("wrong-method", 405, "This cannot be done here")
TOO_SLOW = Kind("too-slow", 408, "The request did not arrive in time")
CONFLICT = Kind("conflict", 409, "This does not fit what is recorded")
STALE = Kind("stale", 412, "It was changed in the meantime")
TOO_LARGE = Kind("too-large", 413, "The request is too large")
INVALID = Kind("invalid", 422, "Something in the request is not right")
VERSION_NEEDED = Kind("version-needed", 428, "Say which version you are changing")
TOO_MANY = Kind("too-many", 429, "That was tried too often")
UNAVAILABLE = Kind("unavailable", 503, "This cannot be kept just now")
UNEXPECTED = Kind("unexpected", 500, "Something went wrong on our side")

KINDS = (
    MALFORMED,
    NOT_SIGNED_IN,
    NOT_FOR_YOU,
    NOT_FOUND,
    WRONG_METHOD,
    TOO_SLOW,
    CONFLICT,
    STALE,
    TOO_LARGE,
    INVALID,
    VERSION_NEEDED,
    TOO_MANY,
    UNAVAILABLE,
    UNEXPECTED,
)


# The first that fits counts.
OUR_OWN: tuple[tuple[type[ProgramsError], Kind], ...] = (
    (Invalid, INVALID),
    (NoSuchRecord, NOT_FOUND),
    (Stale, STALE),
    (ProgramsError, CONFLICT),
)


class Wrong(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong. `pointer` is a JSON pointer into the body, or `parameter` the name in the query."""

    problem: str
    pointer: str = ""
    parameter: str = ""
    hint: str = ""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Wrong, ...] = ()


class Refused(Exception):
    """A request refused at the edge, before any verb was asked or by what came of it."""

    def __init__(
        self, kind: Kind, detail: str, errors: Sequence[Wrong] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(kind.name)
        self.args = (kind, detail, errors, headers)
        self.kind, self.detail, self.errors, self.headers = kind, detail, tuple(errors), dict(headers or {})

    def __str__(self) -> str:
        return self.kind.name


def invalid(*errors: Wrong) -> Refused:
    return Refused(INVALID, " ".join(_sentence(it) for it in errors), errors)


def _sentence(it: Wrong) -> str:
    """ "/muscles/0" "is not ..." -> "muscles 0: is not ... ." """
    where = (it.parameter or it.pointer.strip("/").replace("/", " ")).replace("_", " ")
    return " ".join(part for part in (f"{where}: {it.problem}." if where else f"{it.problem}.", it.hint) if part)


@contextmanager
def under(pointer: str) -> Iterator[None]:
    """What is invalid in here lies below this place of the body: Invalid("reps", ...) is at /dosage/reps."""
    try:
        yield
    except Invalid as error:
        raise invalid(Wrong(error.problem, f"{pointer}/{error.field}", hint=error.hint)) from None
    except Refused as error:
        raise invalid(*(msgspec.structs.replace(it, pointer=pointer + it.pointer) for it in error.errors)) from None


def refused(error: Exception) -> Refused:
    """What the person is told of any error at all."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, ProgramsError):
        wrong = [Wrong(error.problem, f"/{error.field}", hint=error.hint)] if isinstance(error, Invalid) else []
        return Refused(next(kind for family, kind in OUR_OWN if isinstance(error, family)), error.person, wrong)
    if isinstance(error, OperationalError) and not _is_a_defect(error):
        return Refused(UNAVAILABLE, "Nothing was changed. Please try again in a minute.", headers={"Retry-After": "60"})
    return Refused(UNEXPECTED, "It was not your request. Nothing was changed. Please try again in a while.")


def _is_a_defect(error: OperationalError) -> bool:
    """Not that the database is full, busy or away, which passes: SQLite says the same of a table that is not there."""
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def _of_framework(error: HTTPException) -> Refused:
    if isinstance(error, NotFoundException):
        return Refused(NOT_FOUND, NoSuchRecord.to_person)
    if isinstance(error, MethodNotAllowedException):
        allow = (error.headers or {}).get("allow", "")
        return Refused(WRONG_METHOD, f"Use one of {allow}.", headers={"Allow": allow})
    if error.status_code == TOO_LARGE.status:
        return Refused(TOO_LARGE, "Send at most 1 MiB.")
    if error.status_code >= UNEXPECTED.status:
        return Refused(UNEXPECTED, "Please try again in a while.")
    return Refused(MALFORMED, "The request is not one this server understands.")


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The exception handler of the whole application."""
    it = refused(error)
    if it.kind in (UNEXPECTED, UNAVAILABLE):
        _log(request, error)
    return Response(body_of(it), media_type=MEDIA_TYPE, status_code=it.kind.status, headers=dict(it.headers))


def body_of(it: Refused) -> bytes:
    return msgspec.json.encode(Problem(it.kind.type, it.kind.title, it.kind.status, it.detail, it.errors))


def _log(request: Request[Any, Any, Any], error: Exception) -> None:
    template = request.scope.get("path_template", "(no route)")
    log.error("%s %s failed: %s", request.method, template, told(error))
