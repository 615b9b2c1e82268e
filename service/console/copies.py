"""A record to take along: the export for machines and the page to read, each saved under a name that tells nothing."""

import msgspec
from litestar import Response
from litestar.enums import MediaType

from service import rights
from service.api.rights import attached
from service.auth.limits import EXPORT_BY_PERSON, Take, take
from service.console.cookies import desk_of
from service.console.doors import Here
from service.console.forms import PageRequest
from service.console.pages import HEADERS
from service.records.sheet import readable


async def as_file(request: PageRequest, here: Here, patient: str, private: bool) -> Response[bytes]:
    await _count(request, here)
    found = await here.db.read(rights.export, here.who.clinic, patient, here.now, private)
    headers = HEADERS | attached(here.now, "json")
    return Response(msgspec.json.encode(found), media_type=MediaType.JSON, headers=headers)


async def as_page(request: PageRequest, here: Here, patient: str, private: bool) -> Response[str]:
    await _count(request, here)
    text: str = await here.db.read(readable, here.who.clinic, patient, here.now, private)
    return Response(text, media_type=MediaType.HTML, headers=HEADERS | attached(here.now, "html"))


async def _count(request: PageRequest, here: Here) -> None:
    await desk_of(request).db.write(take, [Take(EXPORT_BY_PERSON, (here.who.clinic, here.who.id))], here.now)
