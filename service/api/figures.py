"""The picture of an exercise, for whoever asks: it is the same for everybody and holds nothing of any clinic."""

import asyncio
import gzip
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Literal
from urllib.parse import parse_qsl

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from msgspec import Meta

from programs import exercises
from programs.errors import NoSuchRecord
from programs.exercises import Exercise
from programs.figures import document
from programs.figures.document import Asked
from service.api import decode
from service.api.call import LONGEST_ID, ApiRequest
from service.api.doc import Doc

MEDIA_TYPE, ENDING = "image/svg+xml", ".svg"
SENT_AS = f"{MEDIA_TYPE}; charset=utf-8"
HEADERS = {
    "cache-control": "public, max-age=604800",
    "vary": "accept-encoding",
    "content-security-policy": f"{document.POLICY}; frame-ancestors 'none'",
    "cross-origin-resource-policy": "cross-origin",  # an app of another origin may show it
}


class FigureQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    side: Annotated[
        Literal["left", "right"] | None,
        Meta(description="The side that is worked; without it the right one, or both in turn where they alternate."),
    ] = None
    still: Annotated[bool, Meta(description="Start and end beside each other, as for paper.")] = False
    language: Annotated[str, Meta(max_length=16, description="Of the text alternative: en, es.")] = "en"


class Picture(msgspec.Struct, frozen=True):
    packed: bytes
    etag: str


@get(
    "/exercises/{file:str}",
    name="figure",
    doc=Doc(gives=str, query=FigureQuery, also=(404,), signed_in=False, media_type=MEDIA_TYPE),
)
async def get_figure(request: ApiRequest, file: FromPath[str]) -> ASGIResponse:
    """An exercise as an animated SVG picture with a text alternative: `hip_bridge.svg` is that of `hip_bridge`."""
    exercise = _exercise(file)
    query = decode.query(parse_qsl(request.scope["query_string"].decode("latin-1")), FigureQuery)
    language = document.language_of(exercise, query.language)
    # Drawing takes a tenth of a second, once.
    it = await asyncio.to_thread(_picture, exercise.id, query.side or "", language, query.still)
    headers = HEADERS | {"etag": it.etag}
    if it.etag in request.headers.get("if-none-match", ""):
        return ASGIResponse(body=b"", status_code=304, headers=headers, media_type=SENT_AS)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return ASGIResponse(body=it.packed, headers=headers | {"content-encoding": "gzip"}, media_type=SENT_AS)
    return ASGIResponse(body=gzip.decompress(it.packed), headers=headers, media_type=SENT_AS)


def _exercise(file: str) -> Exercise:
    exercise = exercises.library().get(file.removesuffix(ENDING)) if file.endswith(ENDING) else None
    if exercise is None or exercise.figure is None:
        raise NoSuchRecord("figure", file[:LONGEST_ID])
    return exercise


@lru_cache(maxsize=512)  # every one there is, in two languages
def _picture(id: str, side: Asked, language: str, still: bool) -> Picture:
    drawn = document.draw(exercises.find(id), side, language, still).encode()
    return Picture(gzip.compress(drawn, mtime=0), f'"{sha256(drawn).hexdigest()[:20]}"')


ROUTES = (get_figure,)
