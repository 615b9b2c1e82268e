"""poison: a message that raises whenever it is touched must not stop the others. Which errors are of that kind."""

import traceback

from sqlalchemy.exc import InterfaceError, OperationalError

# So often one after the other, a few minutes all in all; then it waits for the operator.
TROUBLES = 5


def of_database(error: Exception) -> bool:
    """It is away, full, busy: true of every row alike, and none of them is to blame."""
    return isinstance(error, OperationalError | InterfaceError | OSError)


def says(error: Exception) -> str:
    """What may be kept and shown of it: the name of its class. Its words may quote a record."""
    return type(error).__name__[:64]


def code(error: Exception) -> str:
    """What the database calls it, such as SQLITE_FULL or 53100; "" where it says nothing."""
    original = getattr(error, "orig", None)
    return str(getattr(original, "sqlite_errorname", "") or getattr(original, "sqlstate", "") or "")


def whence(error: Exception) -> str:
    """Where it arose, for the log; file and line, and nothing of what was in hand there."""
    return "".join(traceback.format_tb(error.__traceback__)).rstrip()
