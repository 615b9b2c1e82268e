"""The application at its door, without a server: requests by the thousand, and writes that leave nothing behind."""

from typing import Any, NamedTuple

from litestar import Litestar

from service.database import Bridge, Database, Verb


class Reply(NamedTuple):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")


class _Undone(Exception):
    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def _undo(db: Any, verb: Verb, args: tuple[Any, ...]) -> None:
    raise _Undone(verb(db, *args))


class _Part(NamedTuple):
    part: Bridge

    async def read(self, verb: Verb, *args: Any) -> Any:
        return await self.part.read(verb, *args)

    async def write(self, verb: Verb, *args: Any) -> Any:
        """What the verb gives, of a transaction that is rolled back: the next request finds the same world."""
        try:
            await self.part.write(_undo, verb, args)
        except _Undone as undone:
            return undone.result
        raise AssertionError("nothing is undone without a word")


class Rehearsal(Database):
    """A database to which everything is written and nothing is kept. Closed by whoever opened the one below."""

    def __init__(self, whole: Database) -> None:
        super().__init__()
        self.whole = whole

    def at(self, clinic: str) -> Bridge:
        return _Part(self.whole.at(clinic))

    async def read(self, verb: Verb, *args: Any) -> Any:
        return await self.whole.read(verb, *args)

    async def write(self, verb: Verb, *args: Any) -> Any:
        return await _Part(self.whole).write(verb, *args)

    async def _close(self) -> None:
        return None


async def ask(
    app: Litestar, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> Reply:
    """One request, as a server would hand it on."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"aftercare.example.org"), (b"content-length", str(len(body)).encode()), *headers],
        "client": ("192.0.2.1", 40_000),
        "server": ("aftercare.example.org", 443),
    }
    sent: list[Any] = []
    taken = False

    async def receive() -> Any:
        nonlocal taken
        if taken:
            return {"type": "http.disconnect"}
        taken = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    start, *rest = sent
    return Reply(start["status"], tuple(start["headers"]), b"".join(it.get("body", b"") for it in rest))
