"""The pictures of the exercises, as anybody's browser or app asks for them."""

import gzip
from xml.etree import ElementTree

from programs.exercises import find, library, words
from tests.service.api.conftest import Api

WRONG = (("side=both", "side"), ("still=perhaps", "still"), ("size=3", "size"), ("language=" + "x" * 40, "language"))


async def test_a_picture_is_served_to_whoever_asks_and_may_be_kept(api: Api) -> None:
    reply = await api("GET", "/exercises/hip_bridge.svg", None)
    assert reply.headers["content-type"] == "image/svg+xml; charset=utf-8"
    assert reply.headers["cache-control"] == "public, max-age=604800"
    assert ElementTree.fromstring(reply.text).tag == "{http://www.w3.org/2000/svg}svg"
    again = await api.http.get("/exercises/hip_bridge.svg", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_picture_travels_small(api: Api) -> None:
    for id in library():
        reply = await api.http.get(f"/exercises/{id}.svg", headers={"accept-encoding": "gzip"})
        assert reply.headers["content-encoding"] == "gzip"
        assert int(reply.headers["content-length"]) < 9_000
    plain = await api.http.get(f"/exercises/{id}.svg", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(gzip.compress(plain.content)) == reply.content


async def test_side_still_and_language_are_as_asked_and_anything_else_is_refused(api: Api) -> None:
    asked = ["", "?side=left", "?side=right", "?still=true", "?side=left&still=true"]
    pictures = [(await api("GET", f"/exercises/bird_dog.svg{query}", None)).text for query in asked]
    assert len(set(pictures)) == len(asked)
    assert ["<animate" in it for it in pictures] == [True, True, True, False, False]
    unwritten = await api("GET", "/exercises/bird_dog.svg?language=tlh", None)
    assert unwritten.text == pictures[0], "English where a card is not translated"
    spanish = await api("GET", "/exercises/bird_dog.svg?language=es", None)
    assert words(find("bird_dog"), "es").title in spanish.text
    for query, parameter in WRONG:
        reply = await api("GET", f"/exercises/walking.svg?{query}", None)
        assert reply.status_code == 422, query
        assert reply.json()["errors"][0]["parameter"] == parameter
    for file in ("hip_brigde.svg", "hip_bridge.png", "hip_bridge", ".svg", "x" * 200):
        assert (await api("GET", f"/exercises/{file}", None)).status_code == 404, file
