"""What holds for every route of the pages, also for those that are added: headers, and where a form comes from."""

from itertools import product

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from service import console
from service.console import links
from service.database import Database
from service.settings import Settings
from tests.service.console.conftest import ORIGIN, Browser
from tests.world import ADA, BEN

ROUTES = sorted(
    (method, route.path)
    for route in Litestar(console.ROUTES, logging_config=None).routes
    if isinstance(route, HTTPRoute)
    for method in route.methods
    if method in ("GET", "POST") and not route.path.startswith(("/console", "/schema"))
)
OPEN = {handler.paths.copy().pop() for handler in links.UNSIGNED}  # a mail program's POST; there is no session in it
FORMS = [
    path
    for method, path in ROUTES
    if method == "POST" and path.split("/{")[0] not in {it.split("/{")[0] for it in OPEN}
]
STRICT = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
}


def there(path: str) -> str:
    """With an id that is nobody's in each place for one."""
    return "/".join("nobody" if part.startswith("{") else part for part in path.split("/"))


class TestOverHttps:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(public_url="https://pages.test")

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_every_reply_has_every_strict_header_once(self, browser: Browser) -> None:
        assert len(ROUTES) > 30
        one = browser(None)
        for method, path in ROUTES:
            reply = await one.request(method, there(path), follow_redirects=False)
            for name, value in STRICT.items():
                assert reply.headers.get_list(name) == [value], (method, path, name)
            [policy] = reply.headers.get_list("content-security-policy")
            assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'")
            for never in ("unsafe", "*", "http:", "https:"):
                assert never not in policy


# Which of what browsers say lets a form in. Where Sec-Fetch-Site is there, it alone counts.
SAID: tuple[tuple[dict[str, str], bool], ...] = (
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "same-origin", "origin": ORIGIN}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"origin": ORIGIN}, True),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "same-site"}, False),
    ({"sec-fetch-site": "cross-site", "origin": ORIGIN}, False),
    ({"sec-fetch-site": ""}, False),
    ({"sec-fetch-site": "same-origin, cross-site"}, False),
    ({"origin": "http://evil.test"}, False),
    ({"origin": f"{ORIGIN}.evil.test"}, False),
    ({"origin": "http://evil.test/" + ORIGIN}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({}, False),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_only_a_form_of_our_own_pages_is_taken_on_every_route(browser: Browser, world: Database) -> None:
    for who, path, (said, ours) in product((BEN, ADA), FORMS, SAID):
        if ours and not path.startswith("/sign-in"):
            continue  # what it does then is its own test's matter
        one = browser(who)
        del one.headers["sec-fetch-site"]
        reply: httpx.Response = await one.post(there(path), headers=said, follow_redirects=False)
        assert ("not sent from our own pages" in reply.text) is not ours, (path, said)
