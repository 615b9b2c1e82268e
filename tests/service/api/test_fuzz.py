"""Whatever is sent to whichever route, the reply tells nothing of what is behind it; the route table is the list."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute

from service.api.routes import PREFIX
from service.errors import MEDIA_TYPE, Problem
from service.settings import Settings
from tests.service.api.conftest import Api
from tests.world import ADA, BEN, EVE

BEHIND = (
    *("Traceback", 'File "', "sqlalchemy", "sqlite", "psycopg", "SELECT ", "INSERT ", "UPDATE ", "site-packages"),
    *("litestar", "msgspec", "/service/", "/programs/", ".py", "object at 0x", str(Path.cwd())),
)
IDS = (
    "ada",
    "s1",
    "p1",
    "nobody",
    "riverside",
    "%00",
    "..",
    "%2e%2e%2f",
    "'--",
    "%F0%9F%A6%B5",
    "x" * 300,
    "{id}",
    "a%0d%0ab",
)
BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"1e400",
    b"NaN",
    b'{"a":' * 10_000,
    b"[" * 100_000,
    b'{"name": "\\u0000", "name": 1}',
    b'{"way": ["screen"], "code": {"$gt": ""}}',
    b'{"code": "\' OR 1=1 --", "second": "x", "label": "<script>"}',
    b'{"patient_id": "ada", "ended_at": "2026-06-01T11:00:00-04:00", "muscles": [[]], "side": 0}',
    b'{"items": [{"id": "' + b"x" * 5000 + b'"}]}',
    b'{"channel": "web_push", "endpoint": "https://[::1", "p256dh": "", "auth": ""}',
    b"\xff\xfe\x00",
    b"a=1&b=2",
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
)
QUERIES = (
    "",
    "?limit=1e9",
    "?cursor=..",
    "?from=0000-00-00",
    "?x[]=1",
    "?days=-1&days=2",
    "?%ff=%ff",
    "?a=" + "b" * 3000,
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"if-match": '"1"'},
    {"if-match": "W/*, " * 50},
    {"idempotency-key": "k" * 101},
    {"content-type": "multipart/form-data; boundary=x"},
    {"content-type": "application/xml", "accept": "text/html;q=x"},
    {"content-encoding": "gzip"},
    {"range": "bytes=0-", "expect": "x"},
    {"x-http-method-override": "DELETE", "x-original-url": "/healthz", "x-forwarded-host": "evil.test"},
)


@pytest.fixture
def settings() -> Settings:
    return Settings(public_url="https://aftercare.example.org", api_requests_a_minute=10**6)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_thousand_malformed_requests_are_refused_and_learn_nothing(api: Api) -> None:
    chance, done = random.Random(5), 0
    routes = [it for it in api.app.routes if isinstance(it, HTTPRoute) and it.path.startswith(PREFIX)]
    methods = [(str(method), it.path_format) for it in routes for method in it.route_handler_map]
    assert len(methods) > 40
    while done < 1000:
        method, template = chance.choice(methods)
        path = "/".join(chance.choice(IDS) if "{" in part else part for part in template.split("/"))
        headers = dict(chance.choice(HEADERS))
        if (who := chance.choice((None, ADA, BEN, EVE))) is not None:
            headers["authorization"] = f"Bearer {who.id}"
        body = chance.choice(BODIES)
        reply = await api.http.request(method, path + chance.choice(QUERIES), content=body, headers=headers)
        done += 1
        _tells_nothing(reply, (method, path, body[:80]))


def _tells_nothing(reply: Any, asked: object) -> None:
    assert reply.status_code < 500, (asked, reply.text)
    assert "evil.test" not in str(reply.headers)
    if reply.status_code >= 400 and reply.request.method != "HEAD":
        assert reply.headers["content-type"] == MEDIA_TYPE, asked
        problem = msgspec.json.decode(reply.content, type=Problem)
        assert problem.detail, asked
        found = [it for it in BEHIND if it in reply.text]
        assert found == [], (asked, reply.text)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_host_a_request_names_changes_no_reply(api: Api) -> None:
    """Litestar's CVE-2026-25479 and its X-Forwarded-Host: lists of hosts that could be passed. There is no such list,
    as nothing is made of the host: links are made of the operator's own setting."""
    assert not api.app.allowed_hosts
    path, sent = "/api/v1/clinics/riverside/patients", {"authorization": "Bearer ben"}
    usual = await api.http.get(path, headers=sent)
    for names in ({"host": "evil.test"}, {"host": "aftercareXexample.org"}, {"x-forwarded-host": "evil.test"}):
        reply = await api.http.get(path, headers=sent | names)
        assert (reply.status_code, reply.content) == (usual.status_code, usual.content)
        made = await api.http.post(f"{path}/ada/enrolment", json={"way": "screen"}, headers=sent | names)
        assert made.json()["url"].startswith("https://aftercare.example.org/enrol#")
