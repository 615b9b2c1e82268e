"""How the log looks: an event a line, in UTC; an exception by its kinds and its places, never by its words.

Those may quote a row of the database, or what somebody sent. So it holds whoever logs it: we, the loop, or a library.
"""

import asyncio
import logging
import time
import traceback
from typing import Any

log = logging.getLogger("homestretch.serving")

CHATTY = ("uvicorn", "apscheduler", "alembic", "sqlalchemy")
MOST_CAUSES = 8


class Wordless(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def formatException(self, ei: Any) -> str:
        return told(ei[1]) if ei[1] is not None else ""


def begin() -> None:
    """From here on this process logs as it does when it serves."""
    handler = logging.StreamHandler()
    handler.setFormatter(Wordless())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def told(error: BaseException) -> str:
    """The kinds of an error and of what caused it, then where it arose."""
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < MOST_CAUSES:
        kinds.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return f"{' from '.join(kinds)}\n{''.join(traceback.format_tb(error.__traceback__))}"


def unforeseen(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """In place of the loop's own handler, which shows a task that failed with the words of its error."""
    error = context.get("exception")
    log.error("%s: %s", context["message"], told(error) if error is not None else "no exception")
