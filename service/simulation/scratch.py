"""A database for one simulation, thrown away after it."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

from service.database import SQLite
from service.migrations import migrate


class Scratch(SQLite):
    """As in production, but a commit does not wait for the disk: a third of the time, for rows that nobody keeps."""

    @classmethod
    async def open(cls, path: str, carried: Mapping[str, Any] | None = None) -> Self:
        opened = await super().open(path, carried)
        await opened._writer.file.execute("PRAGMA synchronous = OFF")
        return opened


@contextlib.asynccontextmanager
async def scratch() -> AsyncIterator[SQLite]:
    with tempfile.TemporaryDirectory(prefix="homestretch-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "simulated.db")
        migrate(f"sqlite:///{path}")
        async with await Scratch.open(path) as db:
            yield db
